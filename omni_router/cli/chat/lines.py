"""What is typed: lines with a history and completion on a terminal, or lines of a pipe."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

import click

from omni_router.cli.console import is_terminal
from omni_router.errors import InvalidRequest

PROMPT, CONTINUED = "> ", ". "
BACKSLASH = "\\"

Complete = Callable[[str], list[str]]  # of the line so far: what may stand in place of its last word


class Interrupted(Exception):  # noqa: N818 (a state, not an error)
    """Ctrl-C was pressed; `typed` is whether a line was being typed."""

    def __init__(self, *, typed: bool) -> None:
        self.typed = typed
        super().__init__()


class LineReader:
    """Reads messages, which may have several lines: one that ends with a backslash goes on in the next."""

    def __init__(self, complete: Complete) -> None:
        self.on_terminal = is_terminal(sys.stdin) and is_terminal(sys.stdout)
        self._readline = _readline() if self.on_terminal else None
        self._typed = False
        if self._readline:
            _set_up(self._readline, complete)

    def read(self) -> str | None:
        """Return the next message; None at the end.

        Raises:
            Interrupted: Ctrl-C was pressed.
            InvalidRequest: a line is not valid text.
        """
        lines: list[str] = []
        try:
            line = self._line(PROMPT)
            while line is not None and line.endswith(BACKSLASH):
                lines.append(line.removesuffix(BACKSLASH))
                line = self._line(CONTINUED)
        except KeyboardInterrupt:
            raise Interrupted(typed=self._typed or bool(lines)) from None
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"the line is not valid {error.encoding}: {error.reason}") from error
        if line is None and not lines:
            return None
        return "\n".join([*lines, line or ""])

    def _line(self, prompt: str) -> str | None:
        if sys.stdin is None:  # it is closed
            return None
        if not self.on_terminal:
            line = sys.stdin.readline()
            return line.rstrip("\r\n") if line else None
        with self._noting_what_is_typed(), suppress(EOFError):
            return input(prompt)
        click.echo()  # Ctrl-D leaves the cursor behind the prompt
        return None

    @contextmanager
    def _noting_what_is_typed(self) -> Iterator[None]:
        """Note at Ctrl-C whether the line was empty, which is not known afterwards."""
        self._typed = False

        def note(*_: object) -> None:
            self._typed = bool(self._readline and self._readline.get_line_buffer())
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _readline() -> ModuleType | None:
    """Return the module that edits lines; some builds of Python have none."""
    try:
        import readline
    except ImportError:
        return None
    return readline


def _set_up(readline: ModuleType, complete: Complete) -> None:
    def complete_word(_word: str, number: int) -> str | None:
        words = complete(readline.get_line_buffer()[: readline.get_endidx()])
        return words[number] if number < len(words) else None

    readline.set_completer(complete_word)
    readline.set_completer_delims(" ")
    if "libedit" in (readline.__doc__ or ""):
        readline.parse_and_bind("bind ^I rl_complete")
        return
    readline.parse_and_bind("tab: complete")
    readline.parse_and_bind("set enable-bracketed-paste on")  # pasted lines are one message
