"""A small picture of a picture, for a terminal with 16 million colours."""

from pathlib import Path
from typing import Any

from omni_router.terminal import RESET

COLUMNS, ROWS = 40, 12  # characters, at most: enough to recognise it, and the answer stays on the screen
HALF = "▀"  # its upper half has the foreground's colour, its lower half the background's: two pixels a character


def preview(path: Path, columns: int) -> list[str]:
    """Draw the picture in lines of at most `columns` characters; nothing if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.thumbnail((min(columns, COLUMNS), 2 * ROWS))
            image = picture.convert("RGB")
    except (OSError, ValueError):  # it is saved, or else the run would have said so: this is only a look at it
        return []
    return [_row(image.load(), y, image.size) for y in range(0, image.height, 2)]


def _row(pixels: Any, y: int, size: tuple[int, int]) -> str:
    width, height = size
    cells = []
    for x in range(width):
        lower = "48;2;{};{};{}".format(*pixels[x, y + 1]) if y + 1 < height else "49"
        cells.append("\x1b[38;2;{};{};{};{}m{}".format(*pixels[x, y], lower, HALF))
    return "".join(cells) + RESET
