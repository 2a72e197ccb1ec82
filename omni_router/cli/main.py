"""The entry point of the command line: it maps errors to exit statuses, and ends at once on Ctrl-C."""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import click

from omni_router.cli.console import is_terminal, status
from omni_router.cli.parser import PROGRAM
from omni_router.cli.root import root
from omni_router.errors import OmniRouterError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
# The terminal's own colours, an empty line, and the cursor, which a status line hides.
RESTORE = "\x1b[0m\r\x1b[K\x1b[?25h"
NEW_LINE = "\x1b[0m\n"
# New objects between two collections of garbage: with Python's 700, a third of a short run goes into those of imports.
COLLECT_EVERY = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    _open_missing_streams()
    _write_any_script()
    try:
        with _ending_at_once(), _logging_to_stderr(), _collecting_rarely():
            result: int = root.main(argv, PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return result  # noqa: TRY300 (the flush belongs to what may fail)
    except click.UsageError as error:
        return _misused(error)
    except OmniRouterError as error:  # failures of a turn are in its result; these must be corrected first
        _complain(f"{PROGRAM}: {error}")
        return MISUSED
    except click.Abort:
        return _interrupted()
    except ModuleNotFoundError as error:
        missing = f"the package {error.name} is not installed; the README says how to install it"
        _complain(f"{PROGRAM}: {missing}")
        return MISUSED
    except OSError as error:  # writing to stdout failed: the disk is full, or the reader is gone
        if not isinstance(error, BrokenPipeError):
            _complain(f"{PROGRAM}: {error}")
        _discard(sys.stdout)
        return FAILED


def _discard(stream: TextIO) -> None:
    """Discard what a stream still holds, which Python would try to write again at exit, and end with status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_missing_streams() -> None:
    """Replace a stream that was closed before the start (`>&-`), for which Python has None, by one to nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open until the end)


def _write_any_script() -> None:
    """Set stdout and stderr to write characters they cannot encode as escapes: answers may use any script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _misused(error: click.UsageError) -> int:
    """Print what is wrong, and one line of usage."""
    ctx = error.ctx or click.Context(root, info_name=PROGRAM)
    usage = ctx.get_usage().splitlines()[0]
    _complain(f"{ctx.command_path}: {error.format_message()}")
    _complain(f"{usage}  ({ctx.command_path} --help explains)")
    return MISUSED


def _complain(text: str) -> None:
    """Print what went wrong on stderr; the exit status holds even where that cannot be written, as on a full disk."""
    try:
        click.echo(text, err=True)
    except OSError:
        _discard(sys.stderr)


def _interrupted() -> int:
    """Print that the run was interrupted, below what is on the screen.

    It goes past Python's buffers, since what was interrupted may have been writing to them.
    """
    message = f"{PROGRAM}: interrupted\n"
    if is_terminal(sys.stderr) and status.shown:
        message = RESTORE + message
    elif is_terminal(sys.stderr):
        message = NEW_LINE + message
    with suppress(OSError):  # the reader may be gone
        os.write(2, message.encode())
    return INTERRUPTED


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """End the process on Ctrl-C: Python would wait for the thread in which a model is called, for minutes perhaps.

    Nothing is lost by it: history is written whole or not at all.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may take signals
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(_interrupted()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Collect garbage rarely within the block, and not at the end of the process, when the system frees all memory."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    atexit.register(gc.freeze)  # Python's last collection skips what is frozen
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Handler(logging.StreamHandler[TextIO]):
    """Erases the status line before a line is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line."""
        status.end()
        super().emit(record)


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    handler = _Handler(sys.stderr)
    handler.setFormatter(logging.Formatter("[router] %(message)s"))
    logger = logging.getLogger("omni_router")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        status.end()
