"""`omni-router serve`: the OpenAI-compatible routes in a server of their own."""

# ruff: noqa: T201 (a command says where it listens)

import argparse
import ipaddress
import os
import socket
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from omni_router.arguments import read_environment
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, missing_package
from omni_router.missing_policy import missing_policy

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from omni_router.server.graph_access import Compiled
    from omni_router.server.openai.guard import Limits

SHUT_DOWN = 0
MAX_HEAD = 64 * 1024  # bytes of a request's line and headers: a decision and a key are a few hundred
REMEDY = "name their origin with --cors"


def serve(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        ConfigurationError: the environment or the policy cannot be used, the address is taken or open without a key,
            or a package is missing.
    """
    environment = read_environment(args)
    _uvicorn()
    from omni_router.server.health import readiness_of
    from omni_router.server.openai.guard import Limits
    from omni_router.server.request_log import RequestLog
    from omni_router.server.shutdown import GRACE, CutOff, Server, ending_well, leave_soon

    limits = Limits.read()
    key = limits.key
    if key is None and not _is_local(args.host):
        raise ConfigurationError(
            f"without a key only this machine is served: set OMNI_API_KEY, or leave out --host {args.host}"
        )
    graph = _graph(environment, args.hf_token)
    app: ASGIApp = CutOff(make_app(graph, only_local=key is None, cors=args.cors, limits=limits))
    with _listening(args.host, args.port) as listener:
        readiness_of(graph).start()  # or whoever asks first waits for the router to load
        _tell(environment, args, listener.getsockname()[1], with_key=key is not None)
        app = app if args.quiet else RequestLog(app)
        server = Server(server_config(app, timeout_graceful_shutdown=GRACE))
        with ending_well():
            server.run(sockets=[listener])
    leave_soon(SHUT_DOWN)
    return SHUT_DOWN


def server_config(app: "ASGIApp", **more: Any) -> Any:
    """Return uvicorn's configuration for an app: by h11, since the faster parser takes headers of any size."""
    return _uvicorn().Config(
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
    """Make the app of a compiled graph; `only_local` refuses names that are neither this machine's nor in OMNI_HOSTS.

    `cors` names the origins, such as https://chat.example, whose pages may call it from a browser. Without `limits`
    the environment's hold.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    from omni_router.server.allowed_hosts import Cors, HostGuard, allowed_hosts, configured_hosts
    from omni_router.server.health import health_routes
    from omni_router.server.metrics import metrics_routes
    from omni_router.server.openai import openai_routes
    from omni_router.server.openai.routes import root_routes

    allowed = allowed_hosts(variables, origins=cors)
    if not only_local and not configured_hosts(variables):  # a key guards a server whose names are not known
        allowed = replace(allowed, hosts=None)
    guards = [Middleware(HostGuard, allowed=allowed, remedy=REMEDY)]
    if cors:
        guards.append(Middleware(Cors, origins=cors))
    routes = [*openai_routes(graph, limits), *health_routes(graph), *metrics_routes(), *root_routes()]
    return Starlette(routes=routes, middleware=guards)


def _uvicorn() -> Any:
    try:
        import_module("starlette")
        return import_module("uvicorn")
    except ModuleNotFoundError as error:
        raise missing_package(f"the package {error.name} is missing", "api") from error


def _graph(environment: Environment, token: str | None) -> "Compiled":
    from omni_router.graph import build_graph
    from omni_router.services import Services

    return build_graph(Services.from_environment(environment, token=token)).compile(name="omni_router")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take the port before anything else is printed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {error.strerror}; give another --port"
        ) from error
    with listener:
        yield listener


def _tell(environment: Environment, args: argparse.Namespace, port: int, *, with_key: bool) -> None:
    from omni_router.hub.tokens import find_token

    host = f"[{args.host}]" if ":" in args.host else args.host
    reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 (compared, not bound)
    header = " -H 'Authorization: Bearer '$OMNI_API_KEY" if with_key else ""
    body = '{"model": "omni", "messages": [{"role": "user", "content": "How do tides work?"}]}'
    print(f"omni-router listens on http://{host}:{port}/v1  (Ctrl-C ends it)")
    print("clients have to send a key: OMNI_API_KEY" if with_key else "open without a key, to this machine only")
    print(f"\n  curl http://{reached}:{port}/v1/chat/completions{header} \\\n"
          f"    -H 'Content-Type: application/json' -d '{body}'\n", flush=True)  # fmt: skip
    if note := missing_policy(environment, records=True):
        print(f"omni-router: {note}", file=sys.stderr)
    if environment.sandbox:
        print("omni-router: sandbox: answers and pictures are simulated on this machine; routing is real",
              file=sys.stderr)  # fmt: skip
    elif not find_token(args.hf_token):
        print("omni-router: no Hugging Face token: only /v1/route and /v1/models will work. Set HF_TOKEN, or try "
              "--sandbox.", file=sys.stderr)  # fmt: skip
