"""The OpenAI-compatible routes in a server of their own: its app, and its address."""

import ipaddress
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from omni_router.errors import ConfigurationError, missing_package

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from omni_router.server.graph_access import Compiled
    from omni_router.server.openai.guard import Limits

MAX_HEAD = 64 * 1024  # bytes of a request's line and headers: a decision and a key are a few hundred
REMEDY = "name their origin with --cors"


def server_config(app: "ASGIApp", **more: Any) -> Any:
    """Return uvicorn's configuration for an app: by h11, since the faster parser takes headers of any size."""
    return check_packages().Config(
        app, http="h11", h11_max_incomplete_event_size=MAX_HEAD, log_level="warning", server_header=False, **more
    )


def make_app(
    graph: "Compiled",
    *,
    only_local: bool = False,
    cors: Collection[str] = (),
    limits: "Limits | None" = None,
    variables: Mapping[str, str] = os.environ,
) -> "Starlette":
    """Return the app of a compiled graph; `only_local` refuses names that are neither this machine's nor in OMNI_HOSTS.

    `cors` names the origins, such as https://chat.example, whose pages may call it from a browser. Without `limits`,
    those in `variables` apply.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    from omni_router.server.allowed_hosts import Cors, HostGuard, allowed_hosts, configured_hosts
    from omni_router.server.health import health_routes
    from omni_router.server.metrics import metrics_routes
    from omni_router.server.openai.guard import Limits
    from omni_router.server.v1 import make_routes, root_routes

    allowed = allowed_hosts(variables, origins=cors)
    if not only_local and not configured_hosts(variables):  # a key guards a server whose names are not known
        allowed = replace(allowed, hosts=None)
    guards = [Middleware(HostGuard, allowed=allowed, remedy=REMEDY)]
    if cors:
        guards.append(Middleware(Cors, origins=cors))
    limits = limits or Limits.read(variables)
    routes = [*make_routes(graph, limits), *health_routes(graph), *metrics_routes(), *root_routes()]
    return Starlette(routes=routes, middleware=guards)


def check_packages() -> Any:
    """Return the module uvicorn.

    Raises:
        ConfigurationError: it is not installed, or Starlette is not.
    """
    try:
        import_module("starlette")
        return import_module("uvicorn")
    except ModuleNotFoundError as error:
        raise missing_package(f"the package {error.name} is missing", "api") from error


def is_local(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind the port before anything else is printed.

    Raises:
        ConfigurationError: it is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port"
        ) from error
    with listener:
        yield listener
