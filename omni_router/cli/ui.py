"""`omni-router ui`: a page that is served until Ctrl-C."""

from typing import TYPE_CHECKING, Any

import click

from omni_router.cli import options
from omni_router.cli.console import log_note
from omni_router.cli.missing_policy import missing_policy
from omni_router.cli.options import option
from omni_router.cli.parser import Command, flag_of, is_set, read_environment
from omni_router.cli.validators import FOLDER, server_url

if TYPE_CHECKING:
    from omni_router.ui.start import Opened

PORT = 7860

# Flags that a page cannot change for a server that is already running.
OF_THE_SERVER = (
    *("sandbox", "hf_token", "route_config", "fallback_route", "prefer", "only", "never", "max_price"),
    *("max_new_tokens", "reasoning_effort", "bill_to"),
)

EXAMPLES = """\
examples:
  omni-router ui --sandbox
        the page with simulated models, on http://127.0.0.1:7860: no token, no network
  HF_TOKEN=hf_... omni-router ui
        the same with real ones; without a token the page uses the sandbox, and says so
  omni-router ui --server http://127.0.0.1:2024
        talk to the graph of a LangGraph server (make serve) instead of one in this process
  omni-router ui --host 0.0.0.0 --port 8000
        for other machines; everyone who can open the page spends the credit of your token

Unless OMNI_HOSTS adds names, the page answers only to this machine's name and addresses.

The page sends data only to the models that are called: no analytics, no external fonts, no share
link. Variables, policy and history are the same as for omni-router (omni-router --help).

exit status: 130 after Ctrl-C, 2 something to correct first
"""


@click.command(
    "ui",
    cls=Command,
    help="Chat with the router on a web page that shows why each model was chosen.",
    epilog=EXAMPLES,
)
@options.all_of(
    options.host,
    options.port(PORT),
    option("--server", type=server_url, section="server", metavar="URL",
           help="a LangGraph server to use instead of this process"),
    option("--open", "in_browser", is_flag=True, section="server", help="open the page in the browser"),
    *options.SERVED,
    options.variable("--output-dir", type=FOLDER, section=options.OUTPUT, metavar="DIR",
                     help="the folder for generated images (./outputs); with --server the folder of the server, when "
                          "it is on this machine"),
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, *, host: str, port: int, hf_token: str | None, **flags: Any) -> int:
    """Serve the page until the process is ended.

    Raises:
        ConfigurationError: the port is taken, Gradio is missing, the environment is not usable, or no LangGraph server
            answers at --server.
    """
    server = flags["server"]
    _check_flags_with_server(ctx, server)
    from omni_router.ui.start import check_free, check_gradio, open_server, serve_page

    check_free(host, port)
    check_gradio()
    opened = open_server(server, read_environment(ctx).output_dir) if server else open_page(ctx, hf_token)
    serve_page(opened, host=host, port=port, in_browser=flags["in_browser"])
    return 0


def open_page(ctx: click.Context, token: str | None) -> "Opened":
    """Return a graph of this process; without a token and models of one's own, models are simulated."""
    from omni_router.config.route_file import RouteFile
    from omni_router.hub.tokens import find_token
    from omni_router.ui.start import open_local

    environment = read_environment(ctx)
    has_own_models = bool(RouteFile(environment.route_config).providers())
    token_missing = not (environment.sandbox or has_own_models or find_token(token))
    if token_missing:
        environment = read_environment(ctx, sandbox=True)
    if text := missing_policy(environment, records=True):
        log_note(text)
    return open_local(environment, token, token_missing=token_missing)


def _check_flags_with_server(ctx: click.Context, server: str | None) -> None:
    flags = [flag_of(name) for name in OF_THE_SERVER if is_set(ctx.params[name])]
    if server and flags:
        raise click.UsageError(f"{' and '.join(flags)} cannot be used with --server: that server has its own", ctx)
