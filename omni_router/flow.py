"""Text that comes piece by piece, below a label: indented, and wrapped at words where it has a width."""

import unicodedata
from typing import TextIO

from omni_router.terminal import Style, paint, printable

NARROWEST = 20  # below this a terminal wraps better than we do
TAB = "    "


class Flow:
    """Writes pieces as they come; a word is held back until it is whole, since it may have to go to the next line.

    Blocks between ``` are left as they are, and so is a word that is longer than a line: an address can be copied.
    """

    def __init__(self, out: TextIO, *, indent: int, width: int | None) -> None:
        """Take the number of columns that a line has in all, or None for lines that are never broken."""
        self._out, self._indent = out, " " * indent
        room = None if width is None else width - indent
        self._width = room if room is not None and room >= NARROWEST else None
        self._column = 0  # within the text, after its indent
        self._gap = self._word = ""  # not written yet: spaces, then the beginning of a word
        self._breaks = 0  # likewise: line breaks, so that none is written at the end
        self._first = True
        self._line = ""  # as it came, to see where a block begins and ends
        self._style: Style | None = None
        self._block = self._over = False  # inside a block, inside a word that is longer than a line

    def write(self, text: str, style: Style | None = None) -> None:
        """Write a piece."""
        if style is not self._style:
            self._end_word()
        self._style = style
        if self._width is None:
            for place, line in enumerate(printable(text).split("\n")):
                if place:
                    self._end_line()
                self._put(line)
        else:
            for character in printable(text):
                self._take(character)
        self._out.flush()

    def close(self) -> None:
        """Write what was held back, and end the line."""
        self._end_word()
        self._out.write("\n")
        self._out.flush()

    def _take(self, character: str) -> None:
        if character == "\n":
            self._end_line()
            return
        self._line += character
        if self._block:
            self._put(character)
        elif character in " \t":
            self._end_word()
            self._gap += TAB if character == "\t" else " "
        elif self._over:
            self._put(character)
        elif columns(character) > 1:  # scripts without spaces break anywhere
            self._end_word()
            self._word = character
            self._end_word()
        else:
            self._word += character
            if self._width is not None and len(self._word) > self._width:
                self._end_word()
                self._over = True

    def _end_word(self) -> None:
        self._over = False
        if not self._word:
            return
        needed = len(self._gap) + columns(self._word)
        if self._width is not None and self._column and self._column + needed > self._width:
            self._breaks, self._column = self._breaks + 1, 0
        else:
            self._put(self._gap)
        self._put(self._word)
        self._gap = self._word = ""

    def _end_line(self) -> None:
        self._end_word()
        if self._line.lstrip().startswith("```"):
            self._block = not self._block
        self._breaks, self._column = self._breaks + 1, 0
        self._gap = self._line = ""

    def _put(self, text: str) -> None:
        """Write text of one line, after the line breaks before it."""
        if not text:
            return
        if self._breaks:
            lines = "" if self._first else "\n" * self._breaks  # none at the beginning either
            self._out.write(f"{lines}{self._indent if lines else ''}")
        self._breaks, self._first = 0, False
        self._out.write(paint(text, self._style) if self._style and not text.isspace() else text)
        self._column += columns(text)


def columns(text: str) -> int:
    """Give how many columns text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
