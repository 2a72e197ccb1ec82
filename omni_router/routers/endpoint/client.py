"""One call of an OpenAI-compatible server: its address, the request, the time limit, and its failures.

What is called is a path under /v1 that takes and returns JSON; `ChatClient` is the one for chat completions.
"""

import json
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

import httpx

from omni_router.errors import ConfigurationError, EndpointFailed

# A reply takes a few kilobytes; a server that sends more than this sends something else.
_MAX_BYTES = 1_000_000
# Requests come minutes apart; a connection that the server closed earlier is replaced when it is used again.
_KEEPALIVE_SECONDS = 300.0
_SETUP = (401, 403, 404)  # the key, or the model's name or path: no later request will succeed either
_REFUSED = (400, 422)  # something in this request
_DETAIL = 200  # characters of the server's message, enough for a sentence


class JsonClient:
    """Posts JSON to one path of a server over one HTTP client, whose connections are used again."""

    def __init__(
        self, url: str, path: str, *, key: str | None, timeout: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Check address and key; nothing is connected yet.

        Args:
            url: of the server, with or without /v1, or with the path behind it.
            path: what is called under /v1, such as /chat/completions.
            key: sent as a bearer token.
            timeout: seconds for an answer, whatever it takes.
            transport: sends the requests instead of the network.

        Raises:
            ConfigurationError: one of them cannot be used; the message shows neither.
        """
        self.address, self.timeout = _address_of(url, path), timeout
        self._headers = {"content-type": "application/json", **_authorization(key)}
        self._key, self._transport = key, transport
        self._opening = threading.Lock()
        self._opened: httpx.Client | None = None

    @property
    def origin(self) -> str:
        """The address as it may be shown."""
        return f"{self.address.scheme}://{self.address.netloc.decode()}"

    def post(self, request: Mapping[str, Any], deadline: float) -> bytes:
        """Return the body of the answer.

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
            raise EndpointFailed("outage", f"no answer was received ({type(error).__name__})") from error
        if status != httpx.codes.OK:
            raise self._failed_status(status, body)
        return body

    def _client(self) -> httpx.Client:
        """Open the HTTP client with the first request; it is closed with this object."""
        with self._opening:
            if self._opened is None:
                limits = httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS)
                self._opened = httpx.Client(headers=self._headers, transport=self._transport, limits=limits)
                weakref.finalize(self, self._opened.close)
            return self._opened

    def _post(self, body: bytes, deadline: float) -> tuple[int, bytes]:
        try:
            return self._post_once(body, deadline)
        except httpx.RemoteProtocolError:  # the server was just closing a kept connection; a second request is safe
            return self._post_once(body, deadline)

    def _post_once(self, body: bytes, deadline: float) -> tuple[int, bytes]:
        seconds = max(deadline - time.monotonic(), 0.001)
        with self._client().stream("POST", self.address, content=body, timeout=seconds) as response:
            answer = bytearray()
            for chunk in response.iter_bytes():
                answer += chunk
                if time.monotonic() > deadline:  # a timeout of httpx is for one read, and a server may send drops
                    raise self._late()
                if len(answer) > _MAX_BYTES:
                    raise EndpointFailed("outage", "its answer is too long for a reply")
            return response.status_code, bytes(answer)

    def _late(self) -> EndpointFailed:
        return EndpointFailed("outage", f"it did not answer within {self.timeout:g} s")

    def _failed_status(self, status: int, body: bytes) -> EndpointFailed:
        if status in _SETUP:
            detail = " ".join(body.decode(errors="replace").split())
            if self._key:
                detail = detail.replace(self._key, "***")
            return EndpointFailed("setup", f"it answered HTTP {status}: {detail[:_DETAIL]}")
        # The message leaves out the body: servers that reject a request often quote it.
        return EndpointFailed("refused" if status in _REFUSED else "outage", f"it answered HTTP {status}")


class ChatClient(JsonClient):
    """Posts chat completions."""

    def __init__(
        self, url: str, *, key: str | None, timeout: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(url, "/chat/completions", key=key, timeout=timeout, transport=transport)

    def complete(self, request: Mapping[str, Any], deadline: float) -> str:
        """Return the content of the first choice.

        Args:
            request: the body.
            deadline: until when to wait, by `time.monotonic`.

        Raises:
            EndpointFailed: there is none in time.
        """
        return _content(self.post(request, deadline))


def _address_of(base: str, path: str) -> httpx.URL:
    """Return the address to post to, from a base with or without /v1."""
    try:
        url = httpx.URL(base.strip())
        _ = url.host, url.raw_host.decode().encode("idna")  # both fail for names that cannot be looked up
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    # The message leaves out the value: a mistyped address may hold a password.
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "The address of the router's endpoint is not http(s)://HOST[:PORT][/PATH] (--router-url, OMNI_ROUTER_URL). "
            "A key goes into OMNI_ROUTER_API_KEY."
        )
    whole = url.path.rstrip("/")
    if not whole.endswith(path):  # else it is the address itself, which need not have /v1
        whole = f"{whole.removesuffix('/v1')}/v1{path}"
    return url.copy_with(path=whole)


def _authorization(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:  # the HTTP client's error would quote it
        raise ConfigurationError("OMNI_ROUTER_API_KEY holds a character that a key cannot have, such as a line break.")
    return {"authorization": f"Bearer {key}"}


def _content(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise EndpointFailed("outage", "its answer is not a chat completion") from error
    if not isinstance(content, str):
        raise EndpointFailed("invalid_reply", "its reply holds no text")
    return content
