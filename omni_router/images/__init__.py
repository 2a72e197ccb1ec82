"""Images from outside: local files, data URLs and addresses, checked before anything relies on them.

__init__.py  the limits, the check of an image, data URLs    fetch.py  public addresses only (the SSRF guard)
header.py    the part of an image that says its format and size
"""

import base64
import io
import warnings
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from omni_router.errors import BadImage
from omni_router.images.header import header_of

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image

    from omni_router.images.fetch import Resolver

MAX_BYTES = 20 * 2**20  # the large providers accept this much
MAX_PIXELS = 50_000_000  # a full-frame camera's; decoded it takes 150 MB
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")  # a JPEG of a provider may be CMYK


def image_type(data: bytes) -> str:
    """Check that `data` is an image, and return its mime type.

    Raises:
        BadImage: it is empty, too large, or nothing that Pillow can read as one of `FORMATS`.
    """
    from PIL import Image

    if len(data) > MAX_BYTES:
        raise BadImage(f"the image has {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(header_of(data)), formats=list(FORMATS)) as image:
                width, height, name = image.width, image.height, str(image.format)
                image.verify()
    except Image.DecompressionBombError as error:
        raise BadImage(f"the image has too many pixels; at most {MAX_PIXELS} are allowed") from error
    except Exception as error:  # Pillow's decoders raise all kinds of exceptions
        raise BadImage(f"this is not a readable image ({', '.join(FORMATS)} are)") from error
    if width * height > MAX_PIXELS:
        raise BadImage(f"the image has {width} x {height} pixels; at most {MAX_PIXELS} are allowed")
    return FORMATS[name]


def load_image(url: str, *, resolve: "Resolver | None" = None, transport: "httpx.BaseTransport | None" = None) -> bytes:
    """Return the bytes of a data URL, or those at a public http(s) address.

    Raises:
        BadImage: it is not an image, or cannot or may not be fetched.
    """
    if url[:5].lower() == "data:":
        data = _decode(url)
    else:
        from omni_router.images.fetch import fetch

        data = fetch(url, MAX_BYTES, resolve, transport)
    image_type(data)
    return data


def image_data_url(data: bytes) -> str:
    """Return an image as a data URL of its real type.

    Raises:
        BadImage: it is not an image, or too large.
    """
    return data_url(data, image_type(data))


def file_to_data_url(path: Path) -> str:
    """Return a local image as a data URL.

    Raises:
        BadImage: there is no such file, or it is not an image.
    """
    data = _read_file(path)
    try:
        return image_data_url(data)
    except BadImage as error:
        raise BadImage(f"{path}: {error}") from error


def _read_file(path: Path) -> bytes:
    """Read a file: a pipe would be waited for, a device never ends, and a large file is refused before it is read."""
    try:
        stat = path.stat()
        if S_ISREG(stat.st_mode) and stat.st_size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no file can have such a name
        raise BadImage(f"{str(path)!r} cannot be read: {error}") from error
    if not S_ISREG(stat.st_mode):
        raise BadImage(f"{path} cannot be read: it is not a file")
    raise BadImage(f"{path} cannot be read: it has {stat.st_size} bytes, at most {MAX_BYTES} are allowed")


def to_png(image: "Image") -> bytes:
    """Return an image as PNG, converted where its colours are of a kind that PNG does not have."""
    file = io.BytesIO()
    if image.mode not in PNG_MODES:
        image = image.convert("RGB")
    image.save(file, format="PNG")
    return file.getvalue()


def data_url(data: bytes, mime_type: str) -> str:
    """Return bytes of any type as a data URL."""
    return f"data:{mime_type};base64,{encode_base64(data)}"


def encode_base64(data: bytes) -> str:
    """Return bytes as base64 text, as JSON and data URLs hold them."""
    return base64.b64encode(data).decode()


def _decode(url: str) -> bytes:
    header, comma, data = url.partition(",")
    if not comma or not header.endswith(";base64"):
        raise BadImage("the data URL of an image must start with data:image/<type>;base64,")
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:  # raised for characters outside ASCII, too
        raise BadImage("the data URL does not hold valid base64") from error
