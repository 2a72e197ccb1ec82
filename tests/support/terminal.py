"""A terminal for commands that run in this process, and what to look for on it."""

import io
import os
import re
from collections.abc import Sequence

import pytest

from omni_router.cli import main

ESC = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINK = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\")
STATUS = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(?:\s*\x1b\[1A)?\x1b\[2K", re.DOTALL)  # the line about what takes long


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def plain(output: str) -> str:
    """Return what was printed without colours and links."""
    return LINK.sub("", COLOUR.sub("", output))


def open_terminal(monkeypatch: pytest.MonkeyPatch, *, columns: int = 60) -> Terminal:
    """Let stdout and stderr of this process be one terminal; TERM and COLORTERM say what it can show."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    return terminal


def main_on_terminal(
    argv: Sequence[str], monkeypatch: pytest.MonkeyPatch, *, columns: int = 60, status: int = 0
) -> str:
    """Run a command on a terminal, check its exit status, and return what it printed."""
    terminal = open_terminal(monkeypatch, columns=columns)
    assert main(argv) == status, terminal.getvalue()
    return terminal.getvalue()
