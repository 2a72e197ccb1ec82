"""Which pages of other origins may call a server of our own from a browser: those of `--cors`, and no others."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "POST")
# What a page may read of an answer beside its body.
EXPOSED = (
    *("x-omni-route", "x-omni-model", "x-omni-source", "x-omni-confidence", "x-omni-decision", "x-omni-ignored"),
    *("retry-after", "x-should-retry"),
)


class Cors:
    """ASGI middleware that answers preflights of the given origins; requests of all others pass unchanged.

    An origin that is trusted may send any header: OpenAI's client for browsers has a dozen `x-stainless-*` of its own.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)
        self._open = CORSMiddleware(
            app, allow_origins=[*origins], allow_methods=METHODS, allow_headers=["*"], expose_headers=EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with CORS headers if its origin may read it."""
        trusted = scope["type"] == "http" and Headers(scope=scope).get("origin") in self._origins
        await (self._open if trusted else self._app)(scope, receive, send)
