"""A chat from its first line to its last."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from omni_router.cli.chat.lines import Interrupted, LineReader
from omni_router.cli.chat.slash import complete, run_command
from omni_router.cli.chat.turns import Chat
from omni_router.cli.console import note
from omni_router.errors import InvalidRequest, OmniRouterError

LEFT, FAILED, INTERRUPTED = 0, 1, 130
SLASH = "/"


def run(chat: Chat) -> int:
    """Take lines until the end, and return the exit status: only a script needs to know that something had no answer.

    Raises:
        OmniRouterError: something must be corrected before anything can be answered.
    """
    lines = LineReader(lambda line: complete(line, chat))
    if lines.on_terminal:
        click.echo("Ask something. /help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves.")
    with _raising_on_interrupt():
        try:
            _read_all(lines, chat)
        except (Interrupted, KeyboardInterrupt):
            return INTERRUPTED
    if chat.failed and not lines.on_terminal:
        return FAILED
    return LEFT


def _read_all(lines: LineReader, chat: Chat) -> None:
    """Take each line.

    Raises:
        Interrupted: Ctrl-C was pressed at an empty prompt.
    """
    while not chat.ended:
        line = _next_line(lines, chat)
        if line is None:
            return
        _take(line, chat)


def _next_line(lines: LineReader, chat: Chat) -> str | None:
    """Return the next line, an empty one if it was given up, or None at the end."""
    try:
        return lines.read()
    except InvalidRequest as error:
        chat.show(error)
    except Interrupted as interrupt:
        click.echo()
        if not interrupt.typed:
            raise
    return ""


def _take(line: str, chat: Chat) -> None:
    """Run a command, or answer a message."""
    if not line.strip():
        return
    if not line.startswith(SLASH):
        chat.ask(line)
    elif line.startswith(SLASH * 2):
        chat.ask(line.removeprefix(SLASH))
    else:
        try:
            run_command(line, chat)
        except KeyboardInterrupt:
            chat.view.cancel()
        except OmniRouterError as error:
            chat.show(error)
        sys.stdout.flush()


@contextmanager
def _raising_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C within the block; other commands end the process at once."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def describe_start(chat: Chat) -> None:
    """Print on stderr where the conversation is kept, and how long it is already."""
    if chat.saved is None:
        return
    state = "begins"
    if chat.messages:
        state = f"goes on after {len(chat.messages)} messages"
    note(f"the chat in {chat.saved.path} {state}")
