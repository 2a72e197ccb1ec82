"""Cancel the call of a model when the caller no longer waits for the answer.

A thread that waits for a socket cannot be stopped, and closing the socket does not wake it; shutting it down does. The
client names the socket of a call only once the answer begins, so every connection tracks which call owns it.
"""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from typing import Any, cast

from omni_router.errors import RunCancelled
from omni_router.hub.answer_limits import AnswerLimit, Meter, unpack
from omni_router.hub.http import httpx
from omni_router.hub.wire import escape_line_ends


class CancelScope:
    """The connection that a thread's call uses, so that another thread can cancel the call."""

    def __init__(self) -> None:
        self._stream: Any = None  # httpcore's; None between two requests: a kept connection may then be another call's
        self._cancelled = False
        self._lock = threading.Lock()

    def attach(self, stream: Any) -> None:
        """Note the connection that the call writes to."""
        with self._lock:
            self.check()
            self._stream = stream

    def detach(self) -> None:
        """Forget the connection, before it is closed or kept for the next call."""
        with self._lock:
            self._stream = None

    def cancel(self) -> None:
        """End the request under way, and let no other begin; does not wait."""
        with self._lock:
            self._cancelled = True
            if self._stream and (connection := self._stream.get_extra_info("socket")):
                with suppress(OSError):  # it was closed meanwhile
                    # The plain method, also for TLS: that of an SSLSocket takes the session from under the reader.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise `RunCancelled` if the call was cancelled."""
        if self._cancelled:
            raise RunCancelled("the caller no longer waits for this answer")


_scope: ContextVar[CancelScope | None] = ContextVar("cancel_scope", default=None)


@contextmanager
def cancelled_after(context: Context) -> Iterator[None]:
    """Cancel, when the block is left, every call that is still under way in `context`."""
    scope = CancelScope()
    context.run(_scope.set, scope)
    try:
        yield
    finally:
        scope.cancel()


def check_cancelled() -> None:
    """Raise `RunCancelled` if the run that this thread works for was cancelled."""
    if scope := _scope.get():
        scope.check()


def track(request: httpx.Request) -> None:
    """Track in this thread's scope which connection its request uses."""
    check_cancelled()
    request.extensions.setdefault("trace", _on_event)


def _on_event(event: str, info: dict[str, Any]) -> None:
    """Receive httpcore's events of a request, in the thread of the request."""
    if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
        _track_writes(info["return_value"])
    elif event == "http11.response_closed.started" and (scope := _scope.get()):
        scope.detach()


def _track_writes(stream: Any) -> None:
    """Track which call owns a pooled connection: no event names the one that a later request uses."""
    tls = stream.get_extra_info("ssl_object")
    if tls and tls.selected_alpn_protocol() == "h2":  # it carries the requests of other calls at the same time
        return
    write = stream.write

    def attach_and_write(buffer: bytes, timeout: float | None = None) -> None:
        if scope := _scope.get():
            scope.attach(stream)
        write(buffer, timeout)

    stream.write = attach_and_write


class DeadlineStream(httpx.SyncByteStream):
    """The body of an answer, unpacked; it ends when the call is cancelled, the model falls silent, or it is too long.

    httpx's own timeout is for one read, so that single bytes, or the comments that keep a stream of events open, would
    do for ever. A plain body has `timeout` seconds from `started` on, and a stream of events between two events.
    """

    def __init__(self, response: httpx.Response, started: float, timeout: float, limit: AnswerLimit) -> None:
        self._stream, self._request = cast("httpx.SyncByteStream", response.stream), response.request
        self._has_events = response.headers.get("content-type", "").startswith("text/event-stream")
        self._started, self._timeout = started, timeout
        self._meter = Meter(limit, is_stream=self._has_events)
        # Unpacked here, where it is counted: httpx would unpack a whole chunk at once, up to a thousand times as much.
        self._encoding = response.headers.pop("content-encoding", "identity").strip().lower()
        if self._encoding not in ("", "identity", "gzip"):
            raise httpx.DecodingError(f"the answer is encoded as {self._encoding}, which was not requested")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they come."""
        if self._has_events:
            yield from escape_line_ends(self._counted())
        else:
            yield from self._counted()

    def _counted(self) -> Iterator[bytes]:
        chunks: Iterable[bytes] = self._chunks()
        if self._encoding == "gzip":
            chunks = unpack(chunks)
        for chunk in chunks:
            self._meter.count(chunk)
            yield chunk

    def _chunks(self) -> Iterator[bytes]:
        last_event = self._started
        for chunk in self._stream:
            check_cancelled()
            now = time.monotonic()
            if self._has_events and b"data:" in chunk:
                last_event = now
            elif now > last_event + self._timeout:
                raise httpx.ReadTimeout(f"no answer within {self._timeout:g} s", request=self._request)
            yield chunk

    def close(self) -> None:
        """Close the body itself."""
        self._stream.close()
