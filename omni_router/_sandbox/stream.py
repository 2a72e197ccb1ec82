"""Bodies that arrive piece by piece, and how they break."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from omni_router.hub.http import httpx


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that arrives piece by piece, for both kinds of client."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces."""
        return self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces without blocking the loop."""
        while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None:
            yield piece


def event(data: str) -> bytes:
    """Return a server-sent event."""
    return f"data: {data}\n\n".encode()


def bend(response: httpx.Response, change: Callable[[Any], Any]) -> httpx.Response:
    """Return a response whose JSON, or that of each event, is changed."""
    if response.status_code != httpx.codes.OK:
        return response
    events = response.stream
    if not isinstance(events, Pieces):
        return httpx.Response(200, json=change(json.loads(response.content)))

    def pieces() -> Iterator[bytes]:
        for piece in events:
            data = piece.decode().removeprefix("data: ").strip()
            yield piece if data == "[DONE]" else event(json.dumps(change(json.loads(data))))

    return httpx.Response(200, stream=Pieces(pieces()), headers=response.headers)


def cut() -> httpx.RemoteProtocolError:
    """Return the error of a client whose server goes away in the middle of a body."""
    return httpx.RemoteProtocolError(
        "peer closed connection without sending complete message body (incomplete chunked read) (simulated)"
    )


def broken(start: bytes) -> Pieces:
    """Return a body that is cut off after its start."""

    def pieces() -> Iterator[bytes]:
        if start:
            yield start
        raise cut()

    return Pieces(pieces())
