"""How a server of our own ends: answers under way are waited for, cut off when that takes too long, and told so."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_router.server.openai.errors import SERVER, ApiError

GRACE = 20  # seconds for the answers under way: within the 30 that container hosts wait before they kill
LEAVE = 2.0  # seconds for what is written at the end of a process
INTERRUPTED = 130


class Server(uvicorn.Server):
    """A server that a second Ctrl-C ends at once; nothing is lost, history is written whole or not at all."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.should_exit and sig == signal.SIGINT:
            os._exit(INTERRUPTED)
        super().handle_exit(sig, frame)


class CutOff:
    """Outermost ASGI middleware: a request that the server's end cancels is answered, instead of logged as a crash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it if it is cut off before its answer began."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not begun:
                told = ApiError("The server is shutting down; ask again in a moment.", status=503, type=SERVER,
                                code="shutting_down", headers={"x-should-retry": "true"})  # fmt: skip
                await told.response()(scope, receive, send)


@contextmanager
def ending_well() -> Iterator[None]:
    """Let a signal end the server, and not the process: uvicorn raises it once more when it has shut down."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_soon(status: int) -> None:
    """End the process, if it does not end by itself: Python waits for threads in which models are still called."""
    last = threading.Timer(LEAVE, os._exit, [status])
    last.daemon = True
    last.start()
