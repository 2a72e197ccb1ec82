"""The command in a process of its own, on a terminal or on pipes, with a router that says what a test wants said."""

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
import json, sys, time
from omni_router import _sandbox
from omni_router.routers import Reply
from omni_router.services import router as choose

class Scripted:
    def reply(self, conversation, routes):
        time.sleep({thinks})
        route = "image_generation" if "picture" in conversation[-1]["content"] else "casual_conversation"
        return Reply(json.dumps({{"route": route, "model": None, "reason": "as scripted"}}), 0.9)

def choose_router(*_, **__):
    time.sleep({starts})
    return Scripted()

choose.choose_router = choose_router
_sandbox.install(_sandbox.Sandbox(chunk_delay={delay}))
from omni_router.cli import main
raise SystemExit(main())
"""
SECONDS = 120  # for a machine that is busy with other tests


def command(*args: str, delay: float = 0.0, thinks: float = 0.0, starts: float = 0.0) -> list[str]:
    """Give a command line: seconds between two pieces of an answer, in the router, and before the router is there."""
    return [sys.executable, "-c", PROGRAM.format(delay=delay, thinks=thinks, starts=starts), *args, "--sandbox"]


def environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """Give what a test's own environment holds, without what says how a terminal is."""
    about_terminals = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM", "COLUMNS", "LINES")
    return {**{k: v for k, v in os.environ.items() if k not in about_terminals}, **variables}


class Seen:
    """What has come so far, and when each piece did."""

    def __init__(self, fd: int) -> None:
        self._fd, self.pieces = fd, [(0.0, b"")]

    @property
    def text(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode(errors="replace").replace("\r\n", "\n")

    def when(self, words: str) -> float:
        """Give the time at which `words` had come."""
        so_far = b""
        for at, piece in self.pieces:
            so_far += piece
            if words.encode() in so_far:
                return at
        raise AssertionError(f"{words!r} never came: {self.text}")

    def until(self, words: str | None = None) -> str:
        """Read until `words` have come, or to the end."""
        end = time.monotonic() + SECONDS
        while words is None or words not in self.text:
            if not select.select([self._fd], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"{words or 'the end'!r} did not come in {SECONDS} s: {self.text}")
            try:
                piece = os.read(self._fd, 65536)
            except OSError:  # how Linux tells that nobody has the terminal open any more
                piece = b""
            if not piece:
                break
            self.pieces.append((time.monotonic(), piece))
        return self.text


@contextmanager
def on_terminal(
    argv: Sequence[str], folder: Path, variables: Mapping[str, str] = {}, *, columns: int = 60, **streams: Any
) -> Iterator[tuple[Seen, "subprocess.Popen[bytes]"]]:
    """Run a command with a terminal for each of the three streams that `streams` does not name."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, **streams}
    plain = {"TERM": "xterm-256color", **variables}
    process = subprocess.Popen(argv, cwd=folder, env=environment(plain), start_new_session=True, **given)
    os.close(theirs)
    try:
        yield Seen(ours), process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def shown_on_terminal(
    argv: Sequence[str], folder: Path, variables: Mapping[str, str] = {}, *, columns: int = 60
) -> str:
    """Run a command on a terminal to its good end, and give what it showed."""
    with on_terminal(argv, folder, variables, columns=columns) as (seen, process):
        text = seen.until()
        assert process.wait(SECONDS) == 0, text
    return text


def piped(argv: Sequence[str], folder: Path, variables: Mapping[str, str] = {}, **more: Any) -> Any:
    """Run a command on pipes, and give how it ended."""
    known: dict[str, Any] = {"capture_output": True, "text": True, "timeout": SECONDS, **more}
    return subprocess.run(argv, cwd=folder, env=environment(variables), check=False, **known)
