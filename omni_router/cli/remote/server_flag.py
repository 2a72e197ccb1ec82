"""`--server URL` and OMNI_SERVER: whether a server answers in place of this process, and which flags exclude that."""

import click

from omni_router.cli.parser import flag_of, is_set
from omni_router.cli.remote.client import ServerClient
from omni_router.config.client_environment import server_key
from omni_router.config.environment import read_variable
from omni_router.errors import ConfigurationError

# Flags about what only the process that runs the graph has.
OF_THE_SERVER = (
    *("router", "router_model", "router_url", "route_config", "history", "debug_router", "hf_token", "sandbox"),
    *("timeout", "decision_log", "decision_log_text"),
)
OF_ITS_LISTING = ("prefer", "only", "never", "max_price")  # a prompt takes them along, --list-models does not
FLAGS = {"decision_log_text": "--log-text"}


def client_of(ctx: click.Context, action: str, *, is_served: bool) -> ServerClient | None:
    """Return the client of the server that is to answer; None if this process is.

    Args:
        ctx: the command line.
        action: the flag or the command that is to be run.
        is_served: whether a server can do it; if not, the variable has no effect, and the flag is refused.

    Raises:
        UsageError: a flag cannot be used with a server.
        ConfigurationError: OMNI_SERVER or OMNI_API_KEY has a value that is not allowed, or no server of ours answers.
    """
    address: str | None = ctx.params["server"]
    if not is_served:
        if address is not None:
            raise click.UsageError(f"{action} cannot be used with --server: it works on this machine", ctx)
        return None
    source = "--server"
    if address is None:
        address, source = read_variable("OMNI_SERVER"), "a server (OMNI_SERVER is set)"
    if address is None:
        return None
    _check_flags(ctx, source)
    try:
        key = server_key()
    except ValueError as error:
        raise ConfigurationError(f"OMNI_API_KEY must be {error}") from None
    client = ServerClient(address, key)
    client.check()
    return client


def _check_flags(ctx: click.Context, source: str) -> None:
    refused = [FLAGS.get(name, flag_of(name)) for name in OF_THE_SERVER if is_set(ctx.params.get(name))]
    if refused:
        raise click.UsageError(f"{' and '.join(refused)} cannot be used with {source}: that server has its own", ctx)
    of_listing = [flag_of(name) for name in OF_ITS_LISTING if is_set(ctx.params.get(name))]
    if of_listing and is_set(ctx.params.get("list_models")):
        raise click.UsageError(
            f"--list-models cannot be used with {' and '.join(of_listing)} and {source}: that server lists what its "
            "own policy allows and prefers",
            ctx,
        )
    if ctx.params.get("another"):
        raise click.UsageError(
            f"--another cannot be used with {source}, which does not know the answer: omni-router chat has /another",
            ctx,
        )
