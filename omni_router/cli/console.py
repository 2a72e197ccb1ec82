"""Print with rich, which knows colours and widths; foreign text never becomes markup or control characters.

NO_COLOR, FORCE_COLOR, TERM and COLUMNS mean the same to many programs. On a pipe nothing is wrapped or cut, unless
COLUMNS says how wide a line may be.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

T = TypeVar("T")
Style = Literal["bold", "dim", "green", "red"]
Part = str | tuple[str, Style]

WIDTH = 100  # characters; longer lines are hard to read
UNLIMITED = 2**16  # characters of a line on a pipe
INDENT = 11  # the column of the text beside a label

# A model may answer anything: a sequence that renames the window, hides text or moves the cursor is shown, not obeyed.
_CONTROLS: dict[int, str | None] = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))}
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): None}


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether the stream is a terminal that can move its cursor."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Return the text with its control characters shown; line breaks and tabs stay."""
    return text.translate(_CONTROLS)


def console(*, stderr: bool = False) -> "Console":
    """Return the console of stdout or stderr as it is now."""
    from rich.console import Console

    stream = sys.stdout
    if stderr:
        stream = sys.stderr
    width: int | None = UNLIMITED
    if is_terminal(stream) or os.environ.get("COLUMNS"):
        width = None  # rich uses the width of the terminal, or that variable
    color_system: Literal["auto"] | None = "auto"
    if os.environ.get("NO_COLOR"):
        color_system = None
    return Console(stderr=stderr, color_system=color_system, width=width, highlight=False, markup=False, emoji=False)


def styled(*parts: Part) -> "Text":
    """Return text from strings, and from pairs of a string and its style."""
    from rich.text import Text

    line = Text()
    for part in parts:
        if isinstance(part, str):
            line.append(printable(part))
        else:
            text, style = part
            line.append(printable(text), style)
    return line


def print_line(*parts: Part) -> None:
    """Print a line, which is not broken."""
    status.end()
    console().print(styled(*parts), soft_wrap=True)


def _label(name: str) -> "Text":
    return styled("  ", (f"{name:<8}", "dim"), " ")


def print_field(name: str, *parts: Part) -> None:
    """Print one fact beside its label, its further lines below its first."""
    status.end()
    out = console()
    width = out.width
    if width != UNLIMITED:
        width = min(width, WIDTH)
    out.print(_label(name), _wrapped(styled(*parts), INDENT, width), sep="", soft_wrap=True)


def print_wrapped(text: str, *, width: int, indent: int = 0) -> None:
    """Print a paragraph."""
    console().print(" " * indent, _wrapped(styled(text), indent, width), sep="", soft_wrap=True)


def _wrapped(text: "Text", indent: int, width: int) -> "Text":
    """Return the text wrapped at words, with its further lines indented."""
    from rich.text import Text

    lines = text.wrap(console(), max(width - indent, 1))
    for line in lines:
        line.rstrip()
    return Text(f"\n{' ' * indent}").join(lines)


def print_path(name: str, path: str, after: str) -> None:
    """Print the path of a file as a link, in terminals that open links."""
    from rich.style import Style as RichStyle
    from rich.text import Text

    out = console()
    file = Text(printable(path))
    if is_terminal(sys.stdout):
        file.stylize(RichStyle(link=Path(path).resolve().as_uri()))
    out.print(_label(name), file, styled(after), sep="", soft_wrap=True)


class StreamedField:
    """A field whose text comes piece by piece; the terminal breaks its lines. Without a name it is not indented."""

    def __init__(self, name: str | None, style: Style | None = None) -> None:
        self._console, self._style = console(), style
        self._held = ""  # line breaks that would otherwise end the text
        self._empty = True
        self._indent = ""
        if name is not None:
            self._indent = " " * INDENT
            self._print(_label(name))

    def write(self, piece: str) -> None:
        """Print a piece; further lines stand below the first."""
        text = self._held + printable(piece)
        if self._empty:
            text = text.lstrip("\n")
        body = text.rstrip("\n")
        self._held = text[len(body) :]
        self._empty &= not body
        first, *others = body.split("\n")
        text = first
        for line in others:
            text += "\n"
            if line:
                text += self._indent + line
        part: Part = text
        if self._style:
            part = (text, self._style)
        self._print(styled(part))

    def close(self) -> None:
        """End the line."""
        self._print(styled("\n"))

    def _print(self, text: "Text") -> None:
        self._console.print(text, end="", soft_wrap=True)
        sys.stdout.flush()


class Status:
    """The one line on stderr that names what takes long, on a terminal, erased when it is over.

    It stands still: what loads a model has progress bars of its own, which a moving line would write into.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._live: Live | None = None

    @property
    def shown(self) -> bool:
        """Whether the line is on the screen."""
        return self._live is not None

    def begin(self, what: str) -> None:
        """Show the line."""
        self.end()
        if self.quiet or not is_terminal(sys.stderr):
            return
        from rich.live import Live
        from rich.text import Text

        text = Text(f"{printable(what)} ...", no_wrap=True, overflow="ellipsis")
        self._live = Live(
            text,
            console=console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def end(self) -> None:
        """Erase the line; to be called before anything else is shown."""
        live, self._live = self._live, None
        if live:
            live.stop()


status = Status()


def note(text: str) -> None:
    """Print a note on stderr."""
    status.end()
    click.echo(f"omni-router: {printable(text)}", err=True)


def log_note(text: str) -> None:
    """Print a note on stderr, as a run logs it."""
    status.end()
    click.echo(f"[router] {text}", err=True)


def progress(items: Iterable[T], what: str, total: int, *, shown: bool = True) -> Iterable[T]:
    """Return the items, with a bar on stderr that shows how many have come."""
    from rich.progress import track

    status.end()
    hidden = not (shown and is_terminal(sys.stderr))
    return track(items, what, total, console=console(stderr=True), transient=True, disable=hidden)


@contextmanager
def progress_bar(what: str, total: int) -> "Iterator[Callable[[int], None]]":
    """Show a bar on stderr that is moved on by the function returned."""
    from rich.progress import Progress

    status.end()
    hidden = not is_terminal(sys.stderr)
    with Progress(console=console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
