"""Hanging up on a model whose answer nobody waits for any more.

A thread that waits for a socket cannot be stopped, and closing the socket does not wake it; shutting it down does. The
client names the socket of a call only when the answer begins, so connections are made to tell who writes on them.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from typing import Any, cast

from omni_router.errors import HungUp
from omni_router.hub.answer_limits import AnswerLimit, Meter, unpack
from omni_router.hub.http import httpx


class Line:
    """The connection that a thread's call is on, for another thread to hang up."""

    def __init__(self) -> None:
        self._stream: Any = None  # httpcore's, None between two requests: a kept connection may then be another's
        self._hung_up = False
        self._lock = threading.Lock()

    def take(self, stream: Any) -> None:
        """Note the connection that is written on."""
        with self._lock:
            self.check()
            self._stream = stream

    def release(self) -> None:
        """Forget the connection, before it is closed or kept for whoever asks next."""
        with self._lock:
            self._stream = None

    def hang_up(self) -> None:
        """End the request under way, and let none begin; does not wait."""
        with self._lock:
            self._hung_up = True
            if self._stream and (connected := self._stream.get_extra_info("socket")):
                with suppress(OSError):  # it was closed meanwhile
                    # The plain method, also for TLS: that of an SSLSocket takes the session from under the reader.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise `HungUp` if nobody waits any more."""
        if self._hung_up:
            raise HungUp("nobody waits for this answer any more")


_line: ContextVar[Line | None] = ContextVar("line", default=None)


@contextmanager
def hung_up_after(context: Context) -> Iterator[None]:
    """Hang up, when the block is left, on whatever is still asked in `context`."""
    line = Line()
    context.run(_line.set, line)
    try:
        yield
    finally:
        line.hang_up()


def check() -> None:
    """Raise `HungUp` if nobody waits for what this thread does."""
    if line := _line.get():
        line.check()


def follow(request: httpx.Request) -> None:
    """Have the line of this thread know on which connection its request is."""
    check()
    request.extensions.setdefault("trace", _on_event)


def _on_event(event: str, info: dict[str, Any]) -> None:
    """Hear from httpcore, in the thread of the request, how it gets on."""
    if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
        _make_tell(info["return_value"])
    elif event == "http11.response_closed.started" and (line := _line.get()):
        line.release()


def _make_tell(stream: Any) -> None:
    """Make a connection tell who writes on it: it is kept, and then no event names the one that a request is on."""
    tls = stream.get_extra_info("ssl_object")
    if tls and tls.selected_alpn_protocol() == "h2":  # carries the requests of others at the same time
        return
    write = stream.write

    def told(buffer: bytes, timeout: float | None = None) -> None:
        if line := _line.get():
            line.take(stream)
        write(buffer, timeout)

    stream.write = told


class Heard(httpx.SyncByteStream):
    """The body of an answer, unpacked, for as long as somebody waits for it, the model speaks, and it is not too long.

    httpx's own limit is for one read, so that drops, or the comments that keep a stream of events open, would do for
    ever. A plain body has `limit` seconds from `asked` on, and a stream of events between two events.
    """

    def __init__(self, response: httpx.Response, asked: float, limit: float, most: AnswerLimit) -> None:
        self._stream, self._request = cast("httpx.SyncByteStream", response.stream), response.request
        self._events = response.headers.get("content-type", "").startswith("text/event-stream")
        self._asked, self._limit = asked, limit
        self._meter = Meter(most, is_stream=self._events)
        # Unpacked here, where it is counted: httpx would unpack what it is given at once, a thousand times as much.
        self._packed = response.headers.pop("content-encoding", "identity").strip().lower()
        if self._packed not in ("", "identity", "gzip"):
            raise httpx.DecodingError(f"the answer came packed as {self._packed}, which was not asked for")

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces as they come."""
        for piece in unpack(self._pieces()) if self._packed == "gzip" else self._pieces():
            self._meter.count(piece)
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        heard = self._asked
        for piece in self._stream:
            check()
            now = time.monotonic()
            if self._events and b"data:" in piece:
                heard = now
            elif now > heard + self._limit:
                raise httpx.ReadTimeout(f"no answer within {self._limit:g} s", request=self._request)
            yield piece

    def close(self) -> None:
        """Close the body itself."""
        self._stream.close()
