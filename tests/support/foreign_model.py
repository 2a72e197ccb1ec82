"""A provider that answers whatever a test wants, and as much of it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx

from omni_router._sandbox import Sandbox
from tests.support.hub_client import hub_client


class Foreign(httpx.BaseTransport):
    """Answers each call of a specialist as a test says, and everything else as the sandbox does."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200)
        self.web: Callable[[], httpx.Response] | None = None  # answers what is fetched from elsewhere
        self.listing: Callable[[], httpx.Response] | None = None  # answers what the Hub is asked
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        if request.method == "POST":
            return self.answer()
        if self.web and not request.url.host.endswith("huggingface.co"):
            return self.web()
        if self.listing:
            return self.listing()
        return self._box.transport.handle_request(request)


class Sent(httpx.SyncByteStream):
    """A body that counts how much of it was taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.pieces = self.bytes = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.pieces += 1
            self.bytes += len(piece)
            yield piece

    def close(self) -> None:
        self.closed = True


@contextmanager
def foreign_model(box: Sandbox) -> Iterator[Foreign]:
    """Let the client of this process call such a model."""
    transport = Foreign(box)
    with hub_client(transport):
        yield transport
