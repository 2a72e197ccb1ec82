"""Fetch the content of an address from outside, without reaching this machine's own network (the SSRF guard)."""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import httpx

from omni_router.errors import BadImage

MAX_REDIRECTS = 5
TIMEOUT = 15.0  # seconds, for all of a fetch
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv6 addresses that hold IPv4 ones, RFC 6052

Resolver = Callable[[str], Iterable[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PinnedRequest(NamedTuple):
    """A request addressed to an IP address that was checked, and no longer to a name."""

    url: httpx.URL
    headers: dict[str, str]
    extensions: dict[str, str]


def fetch(url: str, max_bytes: int, resolve: Resolver | None, transport: httpx.BaseTransport | None) -> bytes:
    """Return the content of a public http(s) address; redirects are followed, each checked anew.

    Raises:
        BadImage: it cannot or may not be fetched, is larger than `max_bytes`, or takes too long.
    """
    try:
        return _follow(httpx.URL(url), max_bytes, resolve or look_up, transport)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadImage(f"the image could not be fetched ({type(error).__name__})") from error


def pin_address(target: httpx.URL, resolve: Resolver) -> PinnedRequest:
    """Return a request to the very address that was checked, since the name could point elsewhere a moment later.

    Raises:
        BadImage: it is not an http(s) address, or not a public one.
    """
    if target.scheme not in ("http", "https") or not target.host:
        raise BadImage(f"an image's address must start with http:// or https://, not {target.scheme or target.path!r}")
    try:
        addresses = list(map(ipaddress.ip_address, resolve(target.host)))
    except (OSError, ValueError) as error:
        raise BadImage(f"the name {target.host} cannot be looked up") from error
    if not addresses or not all(map(_is_public, addresses)):
        raise BadImage(f"{target.host} is not a public address")
    return PinnedRequest(
        target.copy_with(host=str(addresses[0])),
        {"host": target.netloc.decode(), "user-agent": "omni-router", "accept-encoding": "identity"},
        {"sni_hostname": target.host},
    )


def look_up(host: str) -> list[str]:
    """Return the addresses of a name, as the machine's resolver has them."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _follow(target: httpx.URL, max_bytes: int, resolve: Resolver, transport: httpx.BaseTransport | None) -> bytes:
    deadline = time.monotonic() + TIMEOUT
    # Not through a proxy of the environment: it would look the name up again, after our check.
    with httpx.Client(transport=transport, trust_env=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            url, headers, extensions = pin_address(target, resolve)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with client.stream("GET", url, headers=headers, extensions=extensions, timeout=left) as response:
                if not response.has_redirect_location:
                    if response.status_code != httpx.codes.OK:
                        raise BadImage(f"{target.host} answered {response.status_code} for the image")
                    return _read(response, max_bytes, deadline)
                target = target.join(response.headers["location"])
        else:
            raise BadImage(f"more than {MAX_REDIRECTS} redirects on the way to the image")
    raise BadImage(f"the image did not arrive within {TIMEOUT:g} s")


def _read(response: httpx.Response, max_bytes: int, deadline: float) -> bytes:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":  # a few KB may unpack to GB
        raise BadImage(f"the image is encoded as {encoding}, which was not requested")
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise BadImage(f"the image has more than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise BadImage(f"the image did not arrive within {TIMEOUT:g} s")
    return bytes(data)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        address = _embedded_ipv4(address) or address
    # Python counts two old IPv6 ranges as global that reach this machine or its site.
    local = address.is_reserved or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    return address.is_global and not address.is_multicast and not local


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
