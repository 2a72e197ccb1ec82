"""One call of an OpenAI-compatible server: its address, the request, the time limit, and what can go wrong."""

import json
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx

from omni_router.errors import ConfigurationError, OmniRouterError
from omni_router.services import lazy

Fault = Literal["outage", "refused", "setup", "nonsense"]

# A reply takes a few kilobytes; a server that sends more than this sends something else.
_MOST_BYTES = 1_000_000
# Requests come minutes apart; servers that close earlier are noticed when the connection is taken up again.
_KEPT_ALIVE = 300.0
_SETUP = (401, 403, 404)  # the key, or the model's name or path: no later request will fare better
_REFUSED = (400, 422)  # something in this request
_DETAIL = 200  # characters of what the server said, enough for a sentence


class EndpointFailed(OmniRouterError):  # noqa: N818 (says what is the case)
    """The endpoint gave no usable reply; `fault` tells whether the next request may fare better."""

    def __init__(self, fault: Fault, why: str) -> None:
        self.fault = fault
        super().__init__(why)


class ChatServer:
    """Posts chat completions over one client, whose connections are used again."""

    def __init__(
        self, url: str, *, key: str | None, timeout: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Check address and key; nothing is connected yet.

        Raises:
            ConfigurationError: one of them cannot be used; the message shows neither.
        """
        self.address, self.timeout = _completions(url), timeout
        headers = {"content-type": "application/json", **_authorization(key)}
        self._key = key

        def client() -> httpx.Client:
            limits = httpx.Limits(keepalive_expiry=_KEPT_ALIVE)
            made = httpx.Client(headers=headers, transport=transport, limits=limits)
            weakref.finalize(self, made.close)
            return made

        self._client: Callable[[], httpx.Client] = lazy(client)

    @property
    def origin(self) -> str:
        """The address as it may be shown."""
        return f"{self.address.scheme}://{self.address.netloc.decode()}"

    def complete(self, request: Mapping[str, Any], deadline: float) -> str:
        """Give the content of the first choice.

        Args:
            request: the body.
            deadline: until when to wait, by `time.monotonic`.

        Raises:
            EndpointFailed: there is none in time.
        """
        try:
            status, body = self._post(json.dumps(request).encode(), deadline)
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.HTTPError as error:  # its text may name the address with all that is in it
            raise EndpointFailed("outage", f"no answer came through ({type(error).__name__})") from error
        if status != httpx.codes.OK:
            raise self._unwanted(status, body)
        return _content(body)

    def _post(self, body: bytes, deadline: float) -> tuple[int, bytes]:
        try:
            return self._once(body, deadline)
        except httpx.RemoteProtocolError:  # a kept connection that the server was just closing; asking costs nothing
            return self._once(body, deadline)

    def _once(self, body: bytes, deadline: float) -> tuple[int, bytes]:
        left = max(deadline - time.monotonic(), 0.001)
        with self._client().stream("POST", self.address, content=body, timeout=left) as response:
            read = bytearray()
            for chunk in response.iter_bytes():
                read += chunk
                if time.monotonic() > deadline:  # a timeout of httpx is for one read, and here come drops
                    raise self._late()
                if len(read) > _MOST_BYTES:
                    raise EndpointFailed("outage", "it answered more than a reply can be")
            return response.status_code, bytes(read)

    def _late(self) -> EndpointFailed:
        return EndpointFailed("outage", f"it did not answer within {self.timeout:g} s")

    def _unwanted(self, status: int, body: bytes) -> EndpointFailed:
        if status in _SETUP:
            detail = " ".join(body.decode(errors="replace").split())
            detail = detail.replace(self._key, "***") if self._key else detail
            return EndpointFailed("setup", f"it answered HTTP {status}: {detail[:_DETAIL]}")
        # The body stays out: servers that find fault with a request like to quote it.
        return EndpointFailed("refused" if status in _REFUSED else "outage", f"it answered HTTP {status}")


def _completions(given: str) -> httpx.URL:
    """Give the address to post to, from a base with or without /v1."""
    try:
        url = httpx.URL(given.strip())
        _ = url.host, url.raw_host.decode().encode("idna")  # both fail over names that no look-up takes
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    # Not the value: whoever mistypes an address may have put a password into it.
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "The address of the router's endpoint is not http(s)://HOST[:PORT][/PATH] (--router-url, OMNI_ROUTER_URL). "
            "A key goes into OMNI_ROUTER_API_KEY."
        )
    path = url.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")
    return url.copy_with(path=f"{path}/v1/chat/completions")


def _authorization(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:  # the HTTP client's complaint would quote it
        raise ConfigurationError("OMNI_ROUTER_API_KEY holds a character that no key has, such as a line break.")
    return {"authorization": f"Bearer {key}"}


def _content(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise EndpointFailed("outage", "what it answered is no chat completion") from error
    if not isinstance(content, str):
        raise EndpointFailed("nonsense", "its reply holds no text")
    return content
