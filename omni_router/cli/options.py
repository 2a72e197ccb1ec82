"""Every option of more than one command, and how options reach environment and settings.

A `variable` wins over the environment variable of its field, and a `setting` is a field of the run's `Settings`. Each
has the name of its field, so that a new one is one line.
"""

import logging
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

import click

from omni_router.cli.completion import complete_routes, complete_words
from omni_router.cli.console import status
from omni_router.cli.parser import Option, Target
from omni_router.cli.validators import FOLDER, PATH, RouterChoice, parsed, text
from omni_router.config.client_environment import server_address
from omni_router.config.parameters import (
    EFFORTS,
    PREFER,
    parse_organization,
    parse_patterns,
    parse_prefer,
    parse_price,
)

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

MAX_PORT = 65_535
STDIN = "-"

ACTIONS, ROUTING, CALLING, OUTPUT = "what to do (one of these)", "routing", "calling models", "output"


# ---- options


def _set_quiet(_ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 (click's own form)
    status.quiet = value
    return value


def _set_debug(_ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 (as above)
    level = logging.INFO
    if value:
        level = logging.DEBUG
    logging.getLogger("omni_router").setLevel(level)
    return value


def _join(_ctx: click.Context, _param: click.Parameter, value: tuple[tuple[str, ...], ...]) -> tuple[str, ...] | None:
    """Return the patterns of an option that may be repeated; None without any, so that its variable holds."""
    return tuple(chain.from_iterable(value)) or None


def option(*names: str, section: str, sets: Target | None = None, **more: Any) -> Decorator[Any]:
    """Return the decorator that adds an option to a command."""
    return click.option(*names, cls=Option, section=section, sets=sets, **more)


def variable(*names: str, section: str = ROUTING, **more: Any) -> Decorator[Any]:
    """Return the decorator of an option that wins over an environment variable."""
    return option(*names, section=section, sets="environment", **more)


def setting(*names: str, section: str = CALLING, **more: Any) -> Decorator[Any]:
    """Return the decorator of an option that is a field of the run's Settings."""
    return option(*names, section=section, sets="settings", **more)


def all_of(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Return one decorator that adds several options, which help lists in this order."""

    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


router = variable(
    "--router",
    type=RouterChoice(),
    help="the router engine (auto); cascade: semantic, which asks a server or arch when it is unsure, and learns "
    "from their answers; decision: a decision model",
)
router_model = variable(
    "--router-model",
    type=text,
    metavar="ID|PATH",
    help="the checkpoint of the router, or the encoder of semantic: a Hub id or a folder; with a server, the name of "
    "its model; with decision, MODULE:NAME of a decision model, or its address",
)
router_url = variable(
    "--router-url", type=text, metavar="URL", help="a server like OpenAI's, for --router endpoint, cascade or decision"
)
route_config = variable("--route-config", type=PATH, metavar="PATH", help="policy and history (./route_config.json)")
history = variable(
    "--history", type=text, metavar="WHERE", help="file (beside the policy), or postgresql://USER@HOST/DATABASE"
)
fallback_route = variable(
    "--fallback-route",
    type=text,
    metavar="ROUTE|none",
    shell_complete=complete_routes,
    help="the route for requests that no route fits; none refuses them (the policy's)",
)
# Which models and providers are called: what counts, and limits that hold beside those of the policy.
CHOICE = (
    variable(
        "--prefer",
        type=parsed(parse_prefer),
        metavar="|".join(PREFER),
        shell_complete=complete_words(PREFER),
        help="what counts when a model and provider are chosen, or a number, the weight of the price (the policy's)",
    ),
    variable(
        "--only",
        type=parsed(parse_patterns),
        multiple=True,
        callback=_join,
        metavar="PATTERN",
        help="call only models and providers like org/*, org/name or *:provider; may be repeated, or hold commas",
    ),
    variable(
        "--never",
        type=parsed(parse_patterns),
        multiple=True,
        callback=_join,
        metavar="PATTERN",
        help="never call such models and providers",
    ),
    variable(
        "--max-price",
        type=parsed(parse_price),
        metavar="USD",
        help="call no provider that charges more for a million tokens of input or output",
    ),
)
hf_token = option(
    "--hf-token",
    type=text,
    section=CALLING,
    metavar="T",
    help="Hugging Face token (HF_TOKEN keeps it out of the shell history)",
)
sandbox = variable("--sandbox", is_flag=True, section=CALLING, help="simulated models: no token, no network, no cost")
max_new_tokens = variable(
    "--max-new-tokens",
    "--specialist-max-new-tokens",
    type=click.IntRange(min=1),
    section=CALLING,
    metavar="N",
    help="length limit of a text answer, in tokens (the policy's, else the provider's own)",
)
reasoning_effort = variable(
    "--reasoning-effort",
    type=click.Choice(EFFORTS),
    section=CALLING,
    help="how long a reasoning model thinks before it answers (the policy's)",
)
bill_to = variable(
    "--bill-to",
    type=parsed(parse_organization),
    section=CALLING,
    metavar="ORG",
    help="the organization on the Hub that pays, if the token may bill it",
)
decision_log = variable(
    "--decision-log", type=PATH, section=OUTPUT, metavar="PATH", help="append every decision to this file"
)
log_text = variable(
    "--log-text",
    "decision_log_text",
    is_flag=True,
    section=OUTPUT,
    help="keep the text of requests in the log, not only its hash",
)
output_dir = variable(
    "--output-dir", type=FOLDER, section=OUTPUT, metavar="DIR", help="the folder for generated images (./outputs)"
)
debug_router = option(
    "--debug-router",
    is_flag=True,
    callback=_set_debug,
    section=ROUTING,
    help="show the router's raw reply and the candidates",
)
route = setting(
    "--route",
    type=text,
    section=ROUTING,
    metavar="ROUTE",
    shell_complete=complete_routes,
    help="use this route, without asking the router",
)
model = setting(
    "--model",
    type=text,
    section=ROUTING,
    metavar="ORG/NAME[:PROVIDER]",
    help="use only this model; the route is still chosen by the router",
)
another = setting(
    "--another",
    is_flag=True,
    section=ROUTING,
    help="answer the prompt again with the next best model; the decision log tells which one has answered it",
)
skip_specialists = setting("--skip-specialists", is_flag=True, section=ROUTING, help="only route; do not call a model")
# How models answer: a flag for another field of `Settings` is one more line here.
SAMPLING = (
    setting(
        "--temperature",
        "--specialist-temperature",
        type=float,
        metavar="X",
        help="sampling temperature of a text answer, 0 to 2 (the policy's, else 0.7)",
    ),
    setting("--timeout", type=float, metavar="SECONDS", help="how long a model may stay silent (120)"),
)
server = option(
    "--server",
    type=parsed(server_address),
    section=ROUTING,
    metavar="URL",
    help="let a running omni-router serve, or a LangGraph server, answer in place of this process (OMNI_SERVER); "
    "OMNI_API_KEY is sent to it",
)
# What the server alone and the page both take.
SERVED = (route_config, fallback_route, *CHOICE, hf_token, sandbox, max_new_tokens, reasoning_effort, bill_to)
host = option("--host", default="127.0.0.1", section="server", metavar="ADDRESS", help="where to listen (127.0.0.1)")


def port(default: int, *, lowest: int = 1) -> Decorator[Any]:
    """Return the decorator that adds --port."""
    what = f"the port ({default})"
    if lowest == 0:
        what = f"{what}; 0: any free one"
    kind = click.IntRange(lowest, MAX_PORT)
    return option("--port", default=default, type=kind, section="server", metavar="N", help=what)


def json_output(what: str) -> Decorator[Any]:
    """Return the decorator that adds --json."""
    return option("--json", "as_json", is_flag=True, callback=_set_quiet, section=OUTPUT, help=what)
