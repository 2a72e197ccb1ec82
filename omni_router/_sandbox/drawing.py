"""Images drawn from a seed: a landscape in its colours, with the prompt written under it."""

import colorsys
import io
import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Colour = tuple[int, int, int]

_LINES = 3  # lines of the prompt; more would hide the image
_INK: Colour = (250, 250, 250)
_SMOOTHING = 2  # drawn at twice the size and scaled down: Pillow draws jagged edges


@lru_cache(maxsize=64)  # load tests ask for the same few images over and over
def draw(seed: str, text: str, width: int, height: int) -> bytes:
    """Draw the image of `seed` as a PNG, the same bytes each time."""
    from PIL import Image

    image = _scene(random.Random(seed), width * _SMOOTHING, height * _SMOOTHING)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    _caption(image, text)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _scene(chance: random.Random, width: int, height: int) -> "Image.Image":
    from PIL import Image, ImageDraw, ImageOps

    hue = chance.random()
    ramp = Image.linear_gradient("L").resize((width, height))
    sky = ImageOps.colorize(ramp, black=_colour(hue, 0.55, 0.55), white=_colour(hue + 0.12, 0.30, 0.98))
    pen = ImageDraw.Draw(sky)
    radius = height * chance.uniform(0.07, 0.13)
    x, y = width * chance.uniform(0.15, 0.85), height * chance.uniform(0.18, 0.42)
    for ring, strength in ((1.9, 0.22), (1.4, 0.16), (1.0, 0.08)):
        box = (x - radius * ring, y - radius * ring, x + radius * ring, y + radius * ring)
        pen.ellipse(box, fill=_colour(hue + 0.14, strength, 1.0))
    hills = 4
    for place in range(hills):
        depth = place / (hills - 1)
        outline = _hill(chance, width, height * (0.5 + 0.11 * place), height * (0.05 + 0.02 * place))
        pen.polygon([*outline, (width, height), (0, height)], fill=_colour(hue - 0.06 * depth, 0.5, 0.72 - 0.5 * depth))
    return sky


def _hill(chance: random.Random, width: int, level: float, swing: float) -> list[tuple[float, float]]:
    waves = [(chance.uniform(0.6, 3.2), chance.uniform(0, math.tau), 1 / number) for number in (1, 2, 3)]
    step = max(1, width // 200)  # finer steps cannot be seen
    outline: list[tuple[float, float]] = []
    for x in (*range(0, width, step), width):
        height = 0.0
        for turns, shift, size in waves:
            height += size * math.sin(math.tau * turns * x / width + shift)
        outline.append((x, level - swing * height))
    return outline


def _caption(image: "Image.Image", text: str) -> None:
    from PIL import ImageDraw, ImageFont

    pen = ImageDraw.Draw(image)
    size = max(10, min(image.height // 22, image.width // 24))
    margin = size
    font, small = ImageFont.load_default(size), ImageFont.load_default(max(9, size * 2 // 3))
    lines = _wrapped(text, font, image.width - 2 * margin)
    top = image.height - margin - int(len(lines) * size * 1.3)
    for number, line in enumerate(lines):
        _write(pen, (margin, top + number * size * 1.3), line, font)
    _write(pen, (image.width - margin - small.getlength("sandbox"), margin * 0.7), "sandbox", small)


def _write(pen: "ImageDraw.ImageDraw", place: tuple[float, float], text: str, font: "Font") -> None:
    pen.text((place[0] + 1, place[1] + 1), text, font=font, fill=(20, 20, 20))  # a shadow: readable on any colour
    pen.text(place, text, font=font, fill=_INK)


def _wrapped(text: str, font: "Font", width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1]} …"]
    return lines


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, max(0.0, min(1.0, value)))
    return round(red * 255), round(green * 255), round(blue * 255)
