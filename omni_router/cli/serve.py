"""`omni-router serve`: the OpenAI-compatible routes in a server of their own."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli import options
from omni_router.cli.console import note
from omni_router.cli.missing_policy import missing_policy
from omni_router.cli.options import option
from omni_router.cli.parser import Command, read_environment
from omni_router.cli.validators import origin
from omni_router.config.environment import Environment, ServerEnvironment
from omni_router.config.parsing import declared
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from omni_router.server.graph_access import Compiled
    from omni_router.server.openai.guard import Limits

PORT = 8080
SHUT_DOWN = 0

EXAMPLES = """\
routes:
  POST /v1/chat/completions      like OpenAI's: plain or streamed, tools, images, structured output
  POST /v1/responses             the same by OpenAI's Responses API: Agents SDK, Codex, ...
  POST /v1/messages              the same by Anthropic's API, base URL without /v1: Claude Code, ...
  POST /v1/images/generations    an image
  POST /v1/embeddings            vectors of texts, by a model of the Hub
  POST /v1/route                 the body of a chat; only the decision, without calling a model
  POST /v1/decisions             one of a few choices in words, by the embedded router
  GET  /v1/models                omni (the router chooses), omni/ROUTE, omni:cheapest, Hub models
  GET  /omni/routes, /omni/routes/ROUTE/models, /omni/decisions/ID; POST /omni/feedback
                                 what omni-router --server URL shows, and ratings
  GET  /omni/health, /omni/ready, /omni/metrics; GET / lists the paths

One line per request on stderr: method, path, route, model, status, seconds.

examples:
  omni-router serve --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router serve --port 9000
        real models, for this machine only
  omni-router serve --cors http://localhost:5173
        for a page of your own that calls it from a browser
  OMNI_API_KEY=... HF_TOKEN=hf_... omni-router serve --host 0.0.0.0
        for other machines, which send the key as `Authorization: Bearer ...` or `x-api-key: ...`

Ctrl-C stops the server once the answers under way are sent, or after 20 seconds; a second Ctrl-C
stops it at once.

exit status: 0 stopped by Ctrl-C or SIGTERM, 130 by a second Ctrl-C, 2 something to correct first
"""


@click.command(
    "serve",
    cls=Command,
    help="Serve the graph to OpenAI's and Anthropic's clients, without the LangGraph server.",
    epilog=EXAMPLES,
    variables=declared(ServerEnvironment),
)
@options.all_of(
    options.host,
    options.port(PORT, lowest=0),
    option("--cors", type=origin, multiple=True, section="server", metavar="ORIGIN",
           help="let pages of this origin call the server; may be repeated (none)"),
    option("--quiet", is_flag=True, section="server", help="do not log requests"),
    options.router,
    options.router_model,
    options.router_url,
    options.history,
    *options.SERVED,
    options.decision_log,
    options.log_text,
    options.output_dir,
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, *, host: str, port: int, hf_token: str | None, **flags: Any) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        ConfigurationError: the environment or the policy cannot be used, the address is taken or open without a key,
            or a package is missing.
    """
    environment = read_environment(ctx)
    from omni_router.server.serve import check_packages, listening, make_app, server_config

    check_packages()
    from omni_router.server import shutdown
    from omni_router.server.health import readiness_of
    from omni_router.server.openai.guard import Limits
    from omni_router.server.request_log import RequestLog

    limits = Limits.read()
    _check_host(host, with_key=limits.with_key)
    graph = _build_graph(environment, hf_token)
    routes = make_app(graph, only_local=not limits.with_key, cors=flags["cors"], limits=limits)
    app: ASGIApp = shutdown.ShutdownMiddleware(routes)
    if not flags["quiet"]:
        app = RequestLog(app)
    with listening(host, port) as listener:
        readiness_of(graph).start()  # otherwise the first request waits for the router to load
        _print_address(host, listener.getsockname()[1], limits)
        _print_notes(environment, hf_token)
        server = shutdown.Server(server_config(app, timeout_graceful_shutdown=shutdown.GRACE))
        with shutdown.graceful_shutdown():
            server.run(sockets=[listener])
    shutdown.exit_after(shutdown.EXIT_SECONDS, SHUT_DOWN)
    return SHUT_DOWN


def _check_host(host: str, *, with_key: bool) -> None:
    """Refuse to serve other machines without a key."""
    from omni_router.server.serve import is_local

    if not with_key and not is_local(host):
        raise ConfigurationError(
            f"without a key only this machine is served: set OMNI_API_KEY or OMNI_USERS, or leave out --host {host}"
        )


def _build_graph(environment: Environment, token: str | None) -> "Compiled":
    from omni_router.decisions.recent import RecentDecisions
    from omni_router.graph import build_graph
    from omni_router.services import Services

    services = Services.from_environment(environment, token=token)
    services = replace(services, decision_log=RecentDecisions(services.decision_log))  # for --why --server
    return build_graph(services).compile(name="omni_router")


def _print_address(host: str, port: int, limits: "Limits") -> None:
    shown = host
    if ":" in host:
        shown = f"[{host}]"
    reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104 (compared, not bound)
    header, access = "", "open without a key, to this machine only"
    if limits.with_key:
        header, access = " -H 'Authorization: Bearer '$OMNI_API_KEY", "clients must send a key"
    if limits.with_key and limits.key is None:
        header = " -H 'Authorization: Bearer THE_KEY_OF_A_USER'"
    body = '{"model": "omni", "messages": [{"role": "user", "content": "How do tides work?"}]}'
    click.echo(f"omni-router listens on http://{shown}:{port}/v1  (Ctrl-C stops it)")
    click.echo(access)
    click.echo(
        f"\n  curl http://{reached}:{port}/v1/chat/completions{header} \\\n"
        f"    -H 'Content-Type: application/json' -d '{body}'\n"
    )


def _print_notes(environment: Environment, token: str | None) -> None:
    from omni_router.config.route_file import RouteFile
    from omni_router.hub.tokens import find_token

    if text := missing_policy(environment, records=True):
        note(text)
    if environment.sandbox:
        note("sandbox: answers and images are simulated on this machine; routing is real")
    elif not find_token(token) and RouteFile(environment.route_config).providers():
        note("no Hugging Face token: only models of the policy's own providers can be called; --only keeps to them")
    elif not find_token(token):
        note("no Hugging Face token: only /v1/route and /v1/models will work. Set HF_TOKEN, or try --sandbox.")
