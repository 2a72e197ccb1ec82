"""A line for each request to a server of our own: its path, its route and model, its status, and how long it took."""

# ruff: noqa: T201 (printing is its job)

import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNLOGGED = ("/omni/health", "/omni/ready", "/omni/metrics")  # probes ask every few seconds
FAILED = 500  # uvicorn's answer when the app sent none


def to_stderr(line: str) -> None:
    """Write a line, and flush it."""
    with suppress(OSError):  # the disk is full, or the pipe has no reader: requests are still answered
        print(line, file=sys.stderr, flush=True)


class RequestLog:
    """ASGI middleware that writes a line when an answer, a stream too, has been sent.

    A line holds no prompt, no token and no query string. The path, which a client chooses, is percent-encoded.
    """

    def __init__(self, app: ASGIApp, write: Callable[[str], None] = to_stderr) -> None:
        self._app, self._write = app, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and write its line."""
        if scope["type"] != "http" or scope["path"] in UNLOGGED:
            await self._app(scope, receive, send)
            return
        started: Message = {"type": "http.response.start", "status": FAILED, "headers": []}

        async def send_and_note(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
            await send(message)

        scope.setdefault("state", {})  # the handlers note failures here that the status does not show
        begun = time.perf_counter()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._write(_line(scope, started, time.perf_counter() - begun))


def _line(scope: MutableMapping[str, Any], started: Message, seconds: float) -> str:
    headers = Headers(raw=started.get("headers", []))
    parts = [
        f"{scope['method']} {quote(scope['path'])}",
        headers.get("x-omni-route", "-"),
        headers.get("x-omni-model", "-"),
        str(started["status"]),
        f"{seconds:.2f} s",
    ]
    if failed := scope["state"].get("failed"):
        parts.append(failed)
    return "  ".join(parts)
