"""The middleware of the routes: keys, rates, the largest body, and how many requests run at once."""

import asyncio
import hmac
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_router.config.environment import ServerEnvironment
from omni_router.server.bodies import replayed
from omni_router.server.openai.errors import ApiError, ErrorWriter, openai_error
from omni_router.server.openai.user_accounts import UserAccounts
from omni_router.server.openai.users import RateLimits, User, UserFile

BODY_SECONDS = 30.0  # the time limit of a whole body: the largest one needs 5 Mbit/s


@dataclass(frozen=True)
class Limits:
    """The limits of the routes, which come from the environment."""

    key: str | None = field(default=None, repr=False)
    users: UserFile | None = None  # with neither, the routes are open to everybody who can reach the port
    max_body: int = ServerEnvironment.max_body  # bytes
    max_concurrent: int = ServerEnvironment.max_concurrent  # requests
    body_seconds: float = BODY_SECONDS

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Limits":
        """Read OMNI_API_KEY, OMNI_USERS, OMNI_MAX_BODY and OMNI_MAX_CONCURRENT.

        Raises:
            ConfigurationError: the key cannot be sent in a header, the users cannot be read, or a limit is not a whole
                number of at least 1.
        """
        environment = ServerEnvironment.read(variables)
        users: UserFile | None = None
        if environment.users:
            users = UserFile(environment.users)
        return cls(environment.api_key, users, environment.max_body, environment.max_concurrent)

    @property
    def with_key(self) -> bool:
        """Whether clients have to send a key."""
        return self.key is not None or self.users is not None


class ConcurrencyLimit:
    """Bounds the requests that run at once, and the bodies that are being read; one object for all routes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running = 0  # requests; changed only on the event loop
        self._unread = 0  # bytes of bodies that are still being read

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot until the answer, which may be a stream, has been sent.

        Raises:
            ApiError: all slots are taken.
        """
        self.check()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def check(self) -> None:
        """Raise at once if all slots are taken: a client that waits holds its body, and may time out.

        Raises:
            ApiError: all slots are taken.
        """
        if self._running >= self._limits.max_concurrent:
            raise self._busy()

    async def read_body(self, headers: Headers, receive: Receive) -> deque[Message]:
        """Read a whole body, and count it as it comes, since a chunked body does not announce its length.

        Raises:
            ApiError: it is too large, it does not end in time, or too much is being read at once.
        """
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.max_body:
            raise self._too_large()
        try:
            return await asyncio.wait_for(self._read(receive), self._limits.body_seconds)
        except asyncio.TimeoutError:
            raise ApiError(
                f"The request's body was not complete within {self._limits.body_seconds:g} seconds.",
                status=408,
                code="request_timeout",
                headers={"connection": "close"},
            ) from None

    async def _read(self, receive: Receive) -> deque[Message]:
        body = bytearray()
        try:
            while (message := await receive())["type"] == "http.request":
                chunk = message.get("body", b"")
                body += chunk
                self._unread += len(chunk)
                if len(body) > self._limits.max_body:
                    raise self._too_large()
                if self._unread > self._limits.max_body * self._limits.max_concurrent:
                    raise self._busy()  # the running requests may hold as much
                if not message.get("more_body", False):
                    return deque([{"type": "http.request", "body": bytes(body), "more_body": False}])
            return deque([message])  # the client disconnected
        finally:
            self._unread -= len(body)

    def _busy(self) -> ApiError:
        return ApiError(
            f"The server is busy with {self._running} requests; OMNI_MAX_CONCURRENT allows "
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


class AuthMiddleware:
    """ASGI middleware of one route, so that it holds alone and within another server: key first, then the limits."""

    def __init__(self, app: ASGIApp, access: "Access", error_writer: ErrorWriter = openai_error) -> None:
        self._app, self._access, self._error_writer = app, access, error_writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        headers, access = Headers(scope=scope), self._access
        user: User | None = None
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            user = access.user_of(headers)
            if user:
                scope["user"] = user
                access.check_rate(user)
            access.concurrency.check()
            body = await access.concurrency.read_body(headers, receive)  # before a slot is taken: it may never end
            with access.concurrency.slot():
                await self._app(scope, replayed(body, receive), send_and_note)
        except ApiError as error:
            scope.setdefault("state", {})["failed"] = error.code  # for the line of the log
            await self._error_writer(error, headers)(scope, receive, send_and_note)
        finally:
            if user:
                access.accounts.count(user, status)


class Access:
    """Who may use the routes, and how much; one object for all of them."""

    def __init__(self, limits: Limits, accounts: UserAccounts) -> None:
        self.concurrency, self.accounts = ConcurrencyLimit(limits), accounts
        self._limits, self._rates = limits, RateLimits()

    def user_of(self, headers: Headers) -> User | None:
        """Return the user who sends a request; None for one with the key of the server, or where none is required.

        Raises:
            ApiError: the key is missing or wrong.
        """
        if not self._limits.with_key:
            return None
        keys = _sent_keys(headers)
        # All are compared, each in constant time.
        if any([self._is_server_key(key) for key in keys]):  # noqa: C419 (a generator would stop at the first)
            return None
        for user in map(self._find, keys):
            if user:
                return user
        raise ApiError(
            "The API key is missing or wrong: send it as `Authorization: Bearer KEY` or as `x-api-key: KEY`. It is the "
            "server's OMNI_API_KEY, or a key of a user in OMNI_USERS.",
            status=401,
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )

    def check_rate(self, user: User) -> None:
        """Count a request of a user.

        Raises:
            ApiError: the user sends more requests than allowed.
        """
        seconds = self._rates.take(user)
        if seconds and user.rate:
            raise ApiError(
                f"The user {user.name} may send no more requests now: the rate is {user.rate.text}.",
                status=429,
                type="rate_limit_error",
                code="rate_limit_exceeded",
                headers={"retry-after": str(ceil(seconds)), "x-should-retry": "true"},
            )

    def _is_server_key(self, sent: str) -> bool:
        return self._limits.key is not None and hmac.compare_digest(sent.encode(), self._limits.key.encode())

    def _find(self, key: str) -> User | None:
        return self._limits.users.find(key) if self._limits.users else None


def _sent_keys(headers: Headers) -> list[str]:
    """Return the keys of a request; Anthropic's clients send theirs in a header of their own."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = ""
    return [key.strip(), headers.get("x-api-key", "").strip()]
