"""Watch what the client gets over the wire: the answers as they came, before anything reads them.

Nothing of a request but its method and address is kept, so that no token is.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from omni_router.hub.http import httpx

_DATA = b"data:"
_DONE = b"[DONE]"


@dataclass
class Exchange:
    """A request, and the answer to it; the body grows while it is read."""

    method: str
    url: str
    status: int
    headers: httpx.Headers
    body: bytearray = field(default_factory=bytearray)
    first_byte: float | None = None  # when the body began, on the monotonic clock

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """Return the server-sent events of a streamed body.

        Raises:
            ValueError: one is not JSON.
        """
        datas = [line.removeprefix(_DATA).strip() for line in self.body.splitlines() if line.startswith(_DATA)]
        return [json.loads(data) for data in datas if data != _DONE]


# Line ends of Unicode in UTF-8, and as JSON escapes them. httpx ends a line at them, but in JSON they belong to a text.
_LINE_ENDS = {b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029", b"\xc2\x85": b"\\u0085"}
_BEGINNINGS = (b"\xe2\x80", b"\xe2", b"\xc2")  # of one of them, at the end of a chunk


def escape_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a stream of JSON events so that no text in them ends a line."""
    begun = b""
    for chunk in chunks:
        text, begun = begun + chunk, b""
        for beginning in _BEGINNINGS:
            if text.endswith(beginning):
                text, begun = text.removesuffix(beginning), beginning
                break
        for end, escape in _LINE_ENDS.items():
            text = text.replace(end, escape)
        yield text
    yield begun


_exchanges: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


@contextmanager
def watch() -> Iterator[list[Exchange]]:
    """Collect the answers that the client gets within the block, in this thread and inside a `hub_session`."""
    exchanges: list[Exchange] = []
    before = _exchanges.set(exchanges)
    try:
        yield exchanges
    finally:
        _exchanges.reset(before)


def watch_response(response: httpx.Response) -> None:
    """Keep a copy of what is read of an answer, if this thread watches."""
    exchanges = _exchanges.get()
    if exchanges is None:
        return
    request = response.request
    exchange = Exchange(request.method, str(request.url), response.status_code, response.headers)
    exchanges.append(exchange)
    try:
        exchange.body += response.content
    except httpx.ResponseNotRead:  # as always over the wire; a stand-in may answer with the whole
        response.stream = _Copied(cast("httpx.SyncByteStream", response.stream), exchange)


class _Copied(httpx.SyncByteStream):
    """A body that is copied while it is read."""

    def __init__(self, stream: httpx.SyncByteStream, exchange: Exchange) -> None:
        self._stream, self._exchange = stream, exchange

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they come."""
        for chunk in self._stream:
            if self._exchange.first_byte is None:
                self._exchange.first_byte = time.monotonic()
            self._exchange.body += chunk
            yield chunk

    def close(self) -> None:
        """Close the body itself."""
        self._stream.close()
