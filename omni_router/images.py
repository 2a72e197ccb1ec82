"""Pictures from outside: local files, data URLs and addresses, checked before anybody relies on them."""

import base64
import io
import ipaddress
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from omni_router.errors import BadPicture
from omni_router.image_header import header_of

if TYPE_CHECKING:
    from omni_router.hub.http import httpx

MAX_BYTES = 20 * 2**20  # what the large providers accept
MAX_PIXELS = 50_000_000  # a full-frame camera's; decoded it takes 150 MB
MAX_REDIRECTS = 5
TIMEOUT = 15.0  # seconds, for all of a fetch
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 addresses in IPv6 clothes, RFC 6052

Resolver = Callable[[str], Iterable[str]]


def picture_type(data: bytes) -> str:
    """Verify that `data` is a picture, and give its mime type.

    Raises:
        BadPicture: it is empty, too large, or nothing that Pillow can read as one of `FORMATS`.
    """
    from PIL import Image

    if len(data) > MAX_BYTES:
        raise BadPicture(f"the picture has {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(header_of(data)), formats=list(FORMATS)) as image:
                width, height, name = image.width, image.height, str(image.format)
                image.verify()
    except Image.DecompressionBombError as error:
        raise BadPicture(f"the picture has too many pixels; at most {MAX_PIXELS} are allowed") from error
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise BadPicture(f"this is not a readable picture ({', '.join(FORMATS)} are)") from error
    if width * height > MAX_PIXELS:
        raise BadPicture(f"the picture has {width} x {height} pixels; at most {MAX_PIXELS} are allowed")
    return FORMATS[name]


def file_to_data_url(path: Path) -> str:
    """Read a local picture.

    Raises:
        BadPicture: there is no such file, or it is no picture.
    """
    try:
        stat = path.stat()
        # A pipe would be waited for, a device never ends; a large file need not be read to be refused.
        data = path.read_bytes() if S_ISREG(stat.st_mode) and stat.st_size <= MAX_BYTES else None
    except OSError as error:
        raise BadPicture(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no file can have such a name
        raise BadPicture(f"{str(path)!r} cannot be read: {error}") from error
    if data is None:
        large = f"it has {stat.st_size} bytes, at most {MAX_BYTES} are allowed"
        raise BadPicture(f"{path} cannot be read: {large if S_ISREG(stat.st_mode) else 'it is not a file'}")
    try:
        return f"data:{picture_type(data)};base64,{base64.b64encode(data).decode()}"
    except BadPicture as error:
        raise BadPicture(f"{path}: {error}") from error


def load_picture(url: str, *, resolve: Resolver | None = None, transport: "httpx.BaseTransport | None" = None) -> bytes:
    """Get the bytes of a data URL or of a public http(s) address.

    Raises:
        BadPicture: it is no picture, or cannot or may not be fetched.
    """
    data = _decode(url) if url[:5].lower() == "data:" else _fetch(url, resolve or look_up, transport)
    picture_type(data)
    return data


def _decode(url: str) -> bytes:
    header, comma, data = url.partition(",")
    if not comma or not header.endswith(";base64"):
        raise BadPicture("a picture's data URL starts with data:image/<type>;base64,")
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:  # also for characters outside ASCII
        raise BadPicture("the data URL's base64 is broken") from error


def _fetch(url: str, resolve: Resolver, transport: "httpx.BaseTransport | None") -> bytes:
    from omni_router.hub.http import httpx

    try:
        return _follow(httpx.URL(url), resolve, transport)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadPicture(f"the picture could not be fetched ({type(error).__name__})") from error


def _follow(target: "httpx.URL", resolve: Resolver, transport: "httpx.BaseTransport | None") -> bytes:
    from omni_router.hub.http import httpx

    deadline = time.monotonic() + TIMEOUT
    # Not through a proxy of the environment: it would look the name up again, after our check.
    with httpx.Client(transport=transport, trust_env=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            url, headers, extensions = pinned(target, resolve)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with client.stream("GET", url, headers=headers, extensions=extensions, timeout=left) as response:
                if not response.has_redirect_location:
                    if response.status_code != httpx.codes.OK:
                        raise BadPicture(f"{target.host} answered {response.status_code} for the picture")
                    return _read(response, deadline)
                target = target.join(response.headers["location"])
        else:
            raise BadPicture(f"more than {MAX_REDIRECTS} redirects on the way to the picture")
    raise BadPicture(f"the picture did not arrive within {TIMEOUT:g} s")


def pinned(target: "httpx.URL", resolve: Resolver) -> tuple["httpx.URL", dict[str, str], dict[str, str]]:
    """Address a request to the very address that was checked: a name could point elsewhere a moment later.

    Gives the URL, the headers and httpx's extensions of the request.

    Raises:
        BadPicture: it is no http(s) address, or not a public one.
    """
    if target.scheme not in ("http", "https") or not target.host:
        raise BadPicture(f"a picture's address starts with http:// or https://, not {target.scheme or target.path!r}")
    try:
        addresses = [ipaddress.ip_address(address) for address in resolve(target.host)]
    except (OSError, ValueError) as error:
        raise BadPicture(f"the name {target.host} cannot be looked up") from error
    if not addresses or not all(_is_public(address) for address in addresses):
        raise BadPicture(f"{target.host} is not a public address")
    return (
        target.copy_with(host=str(addresses[0])),
        {"host": target.netloc.decode(), "user-agent": "omni-router", "accept-encoding": "identity"},
        {"sni_hostname": target.host},
    )


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    # Python counts two old IPv6 ranges as global that reach this machine or its site.
    local = address.is_reserved or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    return address.is_global and not address.is_multicast and not local


def _read(response: "httpx.Response", deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":  # a few KB may unpack to GB
        raise BadPicture(f"the picture came packed as {response.headers['content-encoding']}, which was not asked for")
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadPicture(f"the picture has more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise BadPicture(f"the picture did not arrive within {TIMEOUT:g} s")
    return bytes(data)


def look_up(host: str) -> list[str]:
    """Give the addresses of a name, as the machine's resolver has them."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
