"""Bodies that arrive piece by piece, and how they break."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from omni_router.hub.http import httpx


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that arrives piece by piece, for both kinds of client."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces."""
        return self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces without holding up the loop."""
        while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None:
            yield piece


def cut() -> httpx.RemoteProtocolError:
    """Make what a client sees when the server goes away in the middle of a body."""
    return httpx.RemoteProtocolError(
        "peer closed connection without sending complete message body (incomplete chunked read) (simulated)"
    )


def broken(start: bytes) -> Pieces:
    """Make a body that ends with a cut."""

    def pieces() -> Iterator[bytes]:
        if start:
            yield start
        raise cut()

    return Pieces(pieces())
