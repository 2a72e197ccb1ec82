"""Which host names a server answers to, and the pages of which origins may call it.

A server without a key trusts whoever reaches its port. A page of somewhere else reaches it through the browser of a
person on this machine: by its address, or by a name of the page's own that resolves to it (DNS rebinding). A browser
cannot lie about the headers Origin and Host, so one guard that reads both stands before every route.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_router.config.environment import ServerEnvironment
from omni_router.errors import ConfigurationError
from omni_router.server.openai.errors import ApiError

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY_VIOLATION = 1008  # how a WebSocket is closed for what it may not do
# The LangGraph server calls its own routes without the network, under this root path, which no client can set.
IN_PROCESS = "/noauth"
SHOWN = 100  # characters of a header that a message repeats

_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


@dataclass(frozen=True)
class AllowedHosts:
    """The host names and origins that are served."""

    hosts: frozenset[str] | None  # without ports; None: every name, where a key or a proxy stands before the routes
    origins: frozenset[str] = frozenset()  # pages of further origins, as browsers write them
    origin_pattern: re.Pattern[str] | None = None  # a further one matches it as a whole
    any_origin: bool = False

    def serves_host(self, host: str) -> bool:
        """Check a Host header; the port is not compared, and an address is not a name that could be rebound."""
        name = _name_of(f"//{host}")
        return name is not None and (self.hosts is None or name in self.hosts or _is_address(name))

    def serves_origin(self, origin: str, hosts: Collection[str]) -> bool:
        """Check an Origin header; `hosts` are the request's own, since its own pages may always call a server."""
        if self.any_origin or origin in self.origins:
            return True
        if self.origin_pattern and self.origin_pattern.fullmatch(origin):
            return True
        scheme, _, place = origin.partition("://")
        name = _name_of(f"//{place}")
        if scheme not in ("http", "https") or name is None:  # "null" is what a page says that hides where it is from
            return False
        return name in THIS_MACHINE or name in (self.hosts or ()) or place in hosts


class HostGuard:
    """ASGI middleware that refuses requests to other names, and those of pages of other origins.

    A request without an Origin is not one of a page that could spend anything: curl and SDKs send none. `remedy` is
    what the owner of the server has to do to let a page in.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedHosts, remedy: str) -> None:
        self._app, self._allowed, self._remedy = app, allowed, remedy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        from_outside = scope["type"] in ("http", "websocket") and not _is_in_process(scope)
        refusal = self._refusal(Headers(scope=scope)) if from_outside else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.code})
        else:
            await refusal.response()(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        hosts = headers.getlist("host")
        for host in hosts:
            if not self._allowed.serves_host(host):
                return ApiError(
                    f"This server does not answer to the name {host[:SHOWN]!r}. If it is yours, name it in OMNI_HOSTS.",
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


def allowed_hosts(
    variables: Mapping[str, str] = os.environ, *, also: Iterable[str] = (), origins: Iterable[str] = ()
) -> AllowedHosts:
    """Return what OMNI_HOSTS allows (`*`: everything) beside the names of this machine and those in `also`.

    Raises:
        ConfigurationError: a name in the variable cannot be one.
    """
    given = given_hosts(variables)
    if "*" in given:
        return AllowedHosts(None, any_origin=True)
    names = {*THIS_MACHINE, socket.gethostname().lower(), *(name.lower() for name in also), *given}
    return AllowedHosts(frozenset(names), frozenset(origins))


def given_hosts(variables: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Read the names in OMNI_HOSTS, and in OMNI_MCP_HOSTS, its older name, separated by commas; ports are left out.

    Raises:
        ConfigurationError: one of them cannot be a host name.
    """
    return frozenset(map(_checked, ServerEnvironment.read(variables).hosts))


def _checked(text: str) -> str:
    name = _name_of(f"//{text}")
    if text == "*":
        return text
    if "/" in text or name is None or not (_NAME.fullmatch(name) or _is_address(name)):
        raise ConfigurationError(
            f"OMNI_HOSTS holds {text!r}; allowed are host names such as agents.example.com, separated by commas, or *"
        )
    return name


def _name_of(address: str) -> str | None:
    """Take the host out of `//HOST:PORT`, in small letters; None when it is not of that form."""
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
