"""What stands before the routes: their key, how large a body may be, and how many requests run at once."""

import asyncio
import hmac
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_router.config.environment import ServerEnvironment
from omni_router.server.openai.errors import ApiError
from omni_router.server.replay import replayed

BODY_SECONDS = 30.0  # for a whole body: the largest one comes at 5 Mbit/s, and one that never ends is not waited for


@dataclass(frozen=True)
class Limits:
    """What the environment says of the routes."""

    key: str | None = field(default=None, repr=False)  # None: open to whoever reaches the port
    max_body: int = ServerEnvironment.max_body  # bytes
    max_concurrent: int = ServerEnvironment.max_concurrent  # requests
    body_seconds: float = BODY_SECONDS

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Limits":
        """Read OMNI_API_KEY, OMNI_MAX_BODY and OMNI_MAX_CONCURRENT.

        Raises:
            ConfigurationError: the key cannot be sent in a header, or a limit is not a whole number of at least 1.
        """
        environment = ServerEnvironment.read(variables)
        return cls(environment.api_key, environment.max_body, environment.max_concurrent)


class Gate:
    """Lets requests in; one for all the routes, so that they are counted together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inside = 0  # requests; changed on the event loop alone
        self._unread = 0  # bytes of bodies that are still coming

    def check_key(self, headers: Headers) -> None:
        """Refuse who does not have the key."""
        if self._limits.key is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._limits.key.encode())  # in constant time
        if scheme.lower() != "bearer" or not same:
            raise ApiError(
                "The API key is missing or wrong: send the server's OMNI_API_KEY as `Authorization: Bearer KEY`.",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places until the answer, a stream too, has been sent."""
        self.check_place()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def check_place(self) -> None:
        """Refuse at once when all are taken: a client that waits holds its body, and would be the next to time out."""
        if self._inside >= self._limits.max_concurrent:
            raise self._busy()

    async def body_of(self, headers: Headers, receive: Receive) -> deque[Message]:
        """Read a whole body, counted as it comes, since a chunked one does not say its length.

        Raises:
            ApiError: it is too large, it does not end in time, or too much is being read at once.
        """
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._limits.max_body:
            raise self._too_large()
        try:
            return await asyncio.wait_for(self._read(receive), self._limits.body_seconds)
        except asyncio.TimeoutError:
            raise ApiError(
                f"The request's body did not end within {self._limits.body_seconds:g} seconds.",
                status=408,
                code="request_timeout",
                headers={"connection": "close"},
            ) from None

    async def _read(self, receive: Receive) -> deque[Message]:
        body = bytearray()
        try:
            while (message := await receive())["type"] == "http.request":
                piece = message.get("body", b"")
                body += piece
                self._unread += len(piece)
                if len(body) > self._limits.max_body:
                    raise self._too_large()
                if self._unread > self._limits.max_body * self._limits.max_concurrent:
                    raise self._busy()  # as much as those that run may hold
                if not message.get("more_body", False):
                    return deque([{"type": "http.request", "body": bytes(body), "more_body": False}])
            return deque([message])  # the client hung up
        finally:
            self._unread -= len(body)

    def _busy(self) -> ApiError:
        return ApiError(
            f"The server is busy with {self._inside} requests; OMNI_MAX_CONCURRENT allows "
            f"{self._limits.max_concurrent}. Ask again in a moment.",
            status=429,
            type="rate_limit_error",
            code="rate_limit_exceeded",
            headers={"retry-after": "1", "x-should-retry": "true"},
        )

    def _too_large(self) -> ApiError:
        limit = self._limits.max_body
        return ApiError(
            f"The request's body is larger than the {limit} bytes that OMNI_MAX_BODY allows.",
            status=413,
            code="request_too_large",
            headers={"connection": "close"},  # the rest of it is not read
        )


class Guard:
    """The gate as ASGI middleware of one route, so that it holds alone and within another server."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        headers = Headers(scope=scope)
        try:
            self._gate.check_key(headers)
            self._gate.check_place()
            body = await self._gate.body_of(headers, receive)  # before a place is taken: it may never end
            with self._gate.place():
                await self._app(scope, replayed(body, receive), send)
        except ApiError as error:
            await error.response()(scope, receive, send)
