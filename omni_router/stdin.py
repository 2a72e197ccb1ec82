"""What a `-` among the arguments stands for: the text, or the picture, that comes on stdin.

Stdin is never read without one. A command that reads it whenever it is no terminal waits for ever where it inherits a
pipe that nobody closes (CI, cron, a supervisor), and in `while read line; do omni-router ...; done < file` it takes the
lines that were meant for the loop.
"""

import argparse
import os
import stat
import struct
import sys

from omni_router.arguments import STDIN
from omni_router.demo import Query
from omni_router.errors import BadImage, InvalidRequest

MAX_TEXT = 2**20  # bytes: 250,000 tokens, more than what most models take


def asked(args: argparse.Namespace) -> Query:
    """Give what is asked, with what comes on stdin where a `-` says so.

    Raises:
        InvalidRequest: stdin holds nothing, too much, or no text.
        BadImage: it does not hold an image.
    """
    prompt, image = args.prompt, args.image_url
    if prompt == STDIN:
        prompt = _text()
        if not prompt.strip():
            raise InvalidRequest("stdin is empty, and --prompt - reads the prompt from it")
    elif args.stdin:
        below = _text()
        prompt = f"{prompt}\n\n{below}" if below.strip() else prompt
        if not below.strip():
            _tell("stdin is empty; only the prompt is sent")
    return Query(prompt, _image() if image == STDIN else image)


def lies_unread() -> bool:
    """Tell whether something was piped in that no `-` asked for; does not wait for it."""
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            return False
        waits = fcntl.ioctl(sys.stdin.fileno(), termios.FIONREAD, bytes(4))
    except (ImportError, AttributeError, OSError, ValueError):  # not here, closed, or no file at all
        return False
    return bool(struct.unpack("i", waits)[0])


def _text() -> str:
    if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
        _tell("reading from the terminal; end with Ctrl-D")
    data = _read(MAX_TEXT)
    if len(data) > MAX_TEXT:
        raise InvalidRequest(f"stdin holds more than {MAX_TEXT:,} bytes, which is the limit; send less")
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{data[error.start]:02x} at position {error.start:,}"
        raise InvalidRequest(f"stdin is not valid UTF-8: {wrong}; convert it, for example with iconv") from error


def _image() -> str:
    from omni_router.images import MAX_BYTES, image_data_url

    data = _read(MAX_BYTES)
    try:
        return image_data_url(data)
    except BadImage as error:
        raise BadImage(f"stdin: {error}") from error


def _read(most: int) -> bytes:
    """Read what comes, and one byte more than `most` where there is more."""
    try:
        return sys.stdin.buffer.read(most + 1)
    except (AttributeError, OSError, ValueError) as error:  # there is none, or it is closed
        raise InvalidRequest("stdin is closed, and - reads from it") from error


def _tell(text: str) -> None:
    sys.stderr.write(f"omni-router: {text}\n")
