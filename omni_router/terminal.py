"""What may be shown on a stream: colours, pictures, lines that are taken back; and what may not, wherever it goes.

NO_COLOR, FORCE_COLOR, TERM and COLORTERM mean the same to many programs, and are read here alone.
"""

import os
import sys
from typing import Literal, TextIO

WIDTH = 100  # characters; longer lines are hard to read

Style = Literal["bold", "dim", "good", "bad"]
_CODES: dict[Style, int] = {"bold": 1, "dim": 2, "good": 32, "bad": 31}
RESET = "\x1b[0m"

# A model may answer anything: a sequence that renames the window, hides text or moves the cursor is shown, not obeyed.
_CONTROLS: dict[int, str | None] = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))}
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): None}


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person is looking, at something that can move its cursor."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: TextIO) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set; anywhere with FORCE_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("FORCE_COLOR", "0") not in ("", "0") or is_terminal(stream)


def draws_pictures(stream: TextIO) -> bool:
    """Tell whether a terminal says of itself that it has 16 million colours."""
    tells = os.environ.get("COLORTERM") in ("truecolor", "24bit") or os.environ.get("TERM", "").endswith("-direct")
    return tells and is_terminal(stream) and has_colours(stream)


def paint(text: str, style: Style) -> str:
    """Colour what goes to stdout, where it has colours."""
    return f"\x1b[{_CODES[style]}m{text}{RESET}" if text and has_colours(sys.stdout) else text


def printable(text: str) -> str:
    """Show control characters instead of sending them; line breaks and tabs stay."""
    return text.translate(_CONTROLS)


def line_width() -> int | None:
    """Give how many characters a line of stdout should have; None where nobody is looking, and lines stay whole."""
    from shutil import get_terminal_size  # compressors come with it, which the start does not need

    return min(get_terminal_size().columns, WIDTH) if is_terminal(sys.stdout) else None


def table_width() -> int | None:
    """Return the columns a table may have: those of the terminal, or COLUMNS; None on a pipe, where nothing is cut."""
    from shutil import get_terminal_size

    if not is_terminal(sys.stdout) and not os.environ.get("COLUMNS"):
        return None
    return get_terminal_size().columns
