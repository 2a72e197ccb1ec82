"""The host names that a server answers to, and the origins whose pages may call it.

A server without a key trusts everybody who can reach its port. A foreign page reaches it through the browser of a user
on this machine: by its address, or by a name of its own that resolves to it (DNS rebinding). A browser does not let a
page forge the headers Origin and Host, so one guard that reads both stands before every route.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_router.config.environment import ServerEnvironment
from omni_router.errors import ConfigurationError
from omni_router.server.headers import CORS_EXPOSED
from omni_router.server.openai.errors import ApiError

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY_VIOLATION = 1008  # the code with which a forbidden WebSocket is closed
# The LangGraph server calls its own routes without the network, under this root path, which no client can set.
IN_PROCESS = "/noauth"
SHOWN = 100  # characters of a header that a message repeats

CORS_METHODS = ("GET", "POST")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


@dataclass(frozen=True)
class AllowedHosts:
    """The host names and origins that are served."""

    hosts: frozenset[str] | None  # names without ports; None: every name, if a key or a proxy protects the routes
    origins: frozenset[str] = frozenset()  # further origins, as browsers write them
    origin_pattern: re.Pattern[str] | None = None  # a further one matches it as a whole
    any_origin: bool = False

    def serves_host(self, host: str) -> bool:
        """Check a Host header without its port; an address is always served, since only names can be rebound."""
        name = _name_of(f"//{host}")
        return name is not None and (self.hosts is None or name in self.hosts or _is_address(name))

    def serves_origin(self, origin: str, hosts: Collection[str]) -> bool:
        """Check an Origin header; `hosts` are those of the request, since a server's own pages may always call it."""
        if self.any_origin or origin in self.origins:
            return True
        if self.origin_pattern and self.origin_pattern.fullmatch(origin):
            return True
        scheme, _, host = origin.partition("://")
        name = _name_of(f"//{host}")
        if scheme not in ("http", "https") or name is None:  # a page that hides its origin sends "null"
            return False
        return name in THIS_MACHINE or name in (self.hosts or ()) or host in hosts


class HostGuard:
    """ASGI middleware that refuses requests to other host names, and from pages of other origins.

    A request without an Origin does not come from a foreign page's script: curl and SDKs send none. `remedy` says what
    the owner of the server has to do to allow a page.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedHosts, remedy: str) -> None:
        self._app, self._allowed, self._remedy = app, allowed, remedy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.code})
        else:
            await refusal.response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        if scope["type"] not in ("http", "websocket") or _is_in_process(scope):
            return None
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        for host in hosts:
            if not self._allowed.serves_host(host):
                return ApiError(
                    f"This server does not answer to the name {host[:SHOWN]!r}. If it is yours, add it to OMNI_HOSTS.",
                    status=421,
                    code="unknown_host",
                    headers={"connection": "close"},  # the body is not read
                )
        for origin in headers.getlist("origin"):
            if not self._allowed.serves_origin(origin, hosts):
                return ApiError(
                    f"Pages of {origin[:SHOWN]!r} may not call this server. If they are yours, {self._remedy}.",
                    status=403,
                    code="foreign_origin",
                    headers={"connection": "close"},
                )
        return None


class Cors:
    """ASGI middleware that answers the preflights of some origins; requests of all others pass unchanged.

    A trusted origin may send any header: OpenAI's client for browsers has a dozen `x-stainless-*` of its own.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)
        self._with_cors = CORSMiddleware(
            app, allow_origins=[*origins], allow_methods=CORS_METHODS, allow_headers=["*"], expose_headers=CORS_EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with CORS headers if its origin is trusted."""
        app = self._app
        if scope["type"] == "http" and Headers(scope=scope).get("origin") in self._origins:
            app = self._with_cors
        await app(scope, receive, send)


def allowed_hosts(
    variables: Mapping[str, str] = os.environ, *, also: Iterable[str] = (), origins: Iterable[str] = ()
) -> AllowedHosts:
    """Return the hosts in OMNI_HOSTS (`*`: every host), the names of this machine, and those in `also`.

    Raises:
        ConfigurationError: the variable holds something that cannot be a host name.
    """
    configured = configured_hosts(variables)
    if "*" in configured:
        return AllowedHosts(None, any_origin=True)
    names = {*THIS_MACHINE, socket.gethostname().lower(), *map(str.lower, also), *configured}
    return AllowedHosts(frozenset(names), frozenset(origins))


def configured_hosts(variables: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the names in OMNI_HOSTS, without ports.

    Raises:
        ConfigurationError: one of them cannot be a host name.
    """
    return frozenset(map(_host_name, ServerEnvironment.read(variables).hosts))


def _host_name(text: str) -> str:
    name = _name_of(f"//{text}")
    if text == "*":
        return text
    if "/" in text or name is None or not (_NAME.fullmatch(name) or _is_address(name)):
        raise ConfigurationError(
            f"OMNI_HOSTS holds {text!r}; allowed are host names such as agents.example.com, separated by commas, or *"
        )
    return name


def _name_of(address: str) -> str | None:
    """Return the host in `//HOST:PORT`, in lower case; None for text of another form."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 (raises where it is not a number)
    except ValueError:
        return None
    bare = not parts.path and not parts.query and not parts.fragment and "@" not in parts.netloc
    return parts.hostname if bare else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_in_process(scope: Scope) -> bool:
    return f"{scope.get('root_path', '')}/".startswith(f"{IN_PROCESS}/")
