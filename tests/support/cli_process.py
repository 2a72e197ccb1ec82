"""The command in a process of its own, on a real terminal or on pipes, with a router that always chooses small talk."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The sandbox is installed first, so that --sandbox keeps this one, with its pace.
PROGRAM = """
from omni_router import _sandbox
from omni_router.routers import Reply
from omni_router.services import router as choose

class Scripted:
    def reply(self, conversation, routes):
        return Reply('{{"route": "casual_conversation", "model": null, "reason": "as scripted"}}', 0.9)

choose.choose_router = lambda *_, **__: Scripted()
_sandbox.install(_sandbox.Sandbox(chunk_delay={delay}))
from omni_router.cli import main
raise SystemExit(main())
"""
SECONDS = 120  # for a machine that is busy with other tests


def command(*args: str, delay: float = 0.0) -> list[str]:
    """Return a command line; the model takes `delay` seconds between two pieces of an answer."""
    return [sys.executable, "-c", PROGRAM.format(delay=delay), *args, "--sandbox"]


def environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment of the test without the variables that describe a terminal."""
    about_terminals = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM", "COLUMNS", "LINES")
    return {**{k: v for k, v in os.environ.items() if k not in about_terminals}, **variables}


class Screen:
    """What the other end of a terminal has printed so far."""

    def __init__(self, fd: int) -> None:
        self._fd, self._printed = fd, b""

    @property
    def text(self) -> str:
        return self._printed.decode(errors="replace").replace("\r\n", "\n")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def until(self, words: str | None = None, times: int = 1) -> str:
        """Read until `words` have come so many times, or to the end."""
        deadline = time.monotonic() + SECONDS
        while words is None or self.text.count(words) < times:
            if not select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{words or 'the end'!r} did not come in {SECONDS} s: {self.text}")
            try:
                piece = os.read(self._fd, 65536)
            except OSError:  # Linux reports this way that nobody has the terminal open any more
                piece = b""
            if not piece:
                break
            self._printed += piece
        return self.text


@contextmanager
def on_terminal(
    argv: Sequence[str], folder: Path, *, columns: int = 60
) -> Iterator[tuple[Screen, "subprocess.Popen[bytes]"]]:
    """Run a command with a terminal for its three streams."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = environment({"TERM": "xterm-256color"})
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(argv, cwd=folder, env=variables, start_new_session=True, **streams)
    os.close(theirs)
    try:
        yield Screen(ours), process
    finally:
        process.kill()
        process.wait()
        os.close(ours)
