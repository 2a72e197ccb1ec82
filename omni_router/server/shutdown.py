"""End a server of our own: wait for running answers, and cancel those that take too long with a response."""

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

GRACE = 20  # seconds for running answers: within the 30 that container hosts wait before they kill
EXIT_SECONDS = 2.0  # time for what is written at the end of a process
INTERRUPTED = 130


class Server(uvicorn.Server):
    """A server that a second Ctrl-C ends at once; nothing is lost, history is written whole or not at all."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.should_exit and sig == signal.SIGINT:
            os._exit(INTERRUPTED)
        super().handle_exit(sig, frame)


class ShutdownMiddleware:
    """Outermost ASGI middleware that answers requests cancelled by the shutdown; they would be logged as crashes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it if it is cancelled before its answer began."""
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not begun:
                error = ApiError("The server is shutting down; ask again in a moment.", status=503, type=SERVER,
                                 code="shutting_down", headers={"x-should-retry": "true"})  # fmt: skip
                await error.response()(scope, receive, send)


@contextmanager
def graceful_shutdown() -> Iterator[None]:
    """Stop the server on a signal, but not the process: uvicorn raises the signal again after the shutdown."""
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def exit_after(seconds: float, status: int) -> None:
    """End the process unless it ends by itself before: Python waits for threads in which models are still called."""
    timer = threading.Timer(seconds, os._exit, [status])
    timer.daemon = True
    timer.start()
