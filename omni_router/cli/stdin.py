"""Read the text, or the image, that comes on stdin where a `-` among the arguments stands for it.

Stdin is never read without one. A command that reads it whenever it is not a terminal waits for ever where it inherits
a pipe that nobody closes (CI, cron, a supervisor), and in `while read line; do omni-router ...; done < file` it takes
the lines that were meant for the loop.
"""

import os
import stat
import struct
import sys

from omni_router.cli.console import note
from omni_router.cli.demo import Query
from omni_router.cli.options import STDIN
from omni_router.errors import BadImage, InvalidRequest

MAX_TEXT = 2**20  # bytes: 250,000 tokens, more than what most models take


def read_query(prompt: str, image: str | None, *, appends: bool) -> Query:
    """Return the query, with stdin in the place of each `-`.

    Args:
        prompt: the prompt, or `-`.
        image: an address, a path, or `-`.
        appends: whether stdin goes below the prompt.

    Raises:
        InvalidRequest: stdin is empty, too long, or not text.
        BadImage: stdin is not an image.
    """
    if prompt == STDIN:
        prompt = _read_text()
        if not prompt.strip():
            raise InvalidRequest("stdin is empty, but --prompt - reads the prompt from it")
    elif appends:
        below = _read_text()
        if below.strip():
            prompt = f"{prompt}\n\n{below}"
        else:
            note("stdin is empty; only the prompt is sent")
    if image == STDIN:
        image = _read_image()
    return Query(prompt, image)


def has_unread_stdin() -> bool:
    """Return whether something was piped in that no `-` asked for, without waiting for it."""
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            return False
        waits = fcntl.ioctl(sys.stdin.fileno(), termios.FIONREAD, bytes(4))
    except (ImportError, AttributeError, OSError, ValueError):  # not on this system, closed, or not a file
        return False
    return bool(struct.unpack("i", waits)[0])


def _read_text() -> str:
    if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
        note("reading from the terminal; end with Ctrl-D")
    data = _read(MAX_TEXT)
    if len(data) > MAX_TEXT:
        raise InvalidRequest(f"stdin holds more than the limit of {MAX_TEXT:,} bytes; send less")
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{data[error.start]:02x} at position {error.start:,}"
        raise InvalidRequest(f"stdin is not valid UTF-8: {wrong}; convert it, for example with iconv") from error


def _read_image() -> str:
    from omni_router.images import MAX_BYTES, image_data_url

    data = _read(MAX_BYTES)
    try:
        return image_data_url(data)
    except BadImage as error:
        raise BadImage(f"stdin: {error}") from error


def _read(most: int) -> bytes:
    """Read stdin, at most one byte more than `most`, which shows that there is more."""
    try:
        return sys.stdin.buffer.read(most + 1)
    except (AttributeError, OSError, ValueError) as error:  # there is none, or it is closed
        raise InvalidRequest("stdin is closed, but - reads from it") from error
