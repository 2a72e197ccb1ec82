"""The flags of the command line: what they are, what they say of themselves, and which go together."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import get_args

from omni_router.config.environment import Environment, RouterName

EXAMPLES = """\
examples:
  omni-router --list-routes
        every route, what it is for, and the models it has used
  omni-router --list-models code_generation
        who serves what for a route, or for a task such as text-to-image
  omni-router --prompt "Write a haiku about rivers" --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router --prompt "Write a haiku about rivers"
        the same with real ones
  omni-router --prompt "What flower is this?" --image-url garden.jpg
        ask about a picture: a local file or a public address
  git diff | omni-router --prompt "Write a commit message for this" -
        put what is piped in below the prompt; without the - stdin is not read. --prompt - takes it as the prompt
  curl -s https://example.com/garden.jpg | omni-router --prompt "What flower is this?" --image-url -
        the picture from stdin
  omni-router --prompt "Plot twist ideas?" --route creative_writing --model ORG/NAME
        settle the route, the model, or both yourself
  omni-router --prompt "Plot twist ideas?" --skip-specialists --json | jq .route
        only route, for a script
  omni-router --check
        what is wrong with the policy: routes that overlap, models that nobody serves any more
  omni-router --prompt "Plot twist ideas?" --decision-log decisions.jsonl
  omni-router --why --decision-log decisions.jsonl
        keep a log of decisions, and have the last one explained
  omni-router --replay decisions.jsonl --route-config new.json
        what a changed policy would have decided; exit status 1 when something differs
  omni-router --feedback 3f9a good
        say that a decision of the log was good, bad, or should have been another route ("other": none of them)
  omni-router eval requests.jsonl
        how often the router is right on requests whose route you know (omni-router eval --help)
  source <(omni-router completion bash)
        have the shell complete flags, files and names of routes; zsh, fish, tcsh and powershell too

On a terminal an answer is wrapped, in colours, and a picture is shown small where COLORTERM says truecolor.
With --json stdout is JSON alone: one object, but an array of --list-routes, --list-models and --check, and a line a
query of --demo. What ends with status 2 leaves it empty, and says on stderr what to correct.

files:
  ./route_config.json   the routes and their history; edit it freely. Another one: --route-config
  ./outputs/            generated pictures. Another folder: --output-dir

environment (a flag wins):
  HF_API_TOKEN, HF_TOKEN     the Hugging Face token; else the stored login of `hf auth login`
  OMNI_ROUTE_CONFIG, OMNI_OUTPUT_DIR, OMNI_ROUTER, OMNI_ROUTER_MODEL, OMNI_SANDBOX=1
  OMNI_ROUTER_PROMPT         json (route, model and reason) or trained (the checkpoint's own form, route only)
  OMNI_ROUTER_URL            the server of --router endpoint, or of cascade, which auto is with one;
                             OMNI_ROUTER_API_KEY is its key, OMNI_ROUTER_TIMEOUT how many seconds it may take for a
                             choice before semantic makes it (2)
  OMNI_FALLBACK_ROUTE        the route that answers what no route is for, or none, which refuses it (the policy's)
  OMNI_MAX_NEW_TOKENS        length limit of text answers, in tokens (the provider's own)
  OMNI_ENCODER               the encoder of semantic and cascade, a Hub id or a folder (all-MiniLM-L6-v2)
  OMNI_CASCADE_TARGET        --router cascade: semantic decides alone from this confidence on, 0 to 1 (0.9); below it
                             asks the server of OMNI_ROUTER_URL, else arch, and learns what that one decides
  OMNI_CASCADE_SIZE          how many of these lessons are kept (1500), in the file OMNI_CASCADE_PATH (beside the
                             policy, or in the store of OMNI_HISTORY); OMNI_CASCADE_TEXT=1 keeps what was asked
  OMNI_HISTORY               file, or postgresql://USER@HOST/DATABASE for many machines, or store (of the host's graph)
  OMNI_DECISION_LOG          a file that decisions are appended to; OMNI_DECISION_LOG_TEXT=1 keeps what was asked
  OMNI_API_KEY, OMNI_MAX_BODY, OMNI_MAX_CONCURRENT
                             key and limits of /v1, see omni-router serve --help
  OMNI_TRACING=1             spans for the OpenTelemetry SDK of the program around the graph
  OMNI_METRICS=1             counts for Prometheus, which a server shows at /omni/metrics
  OMNI_CACHE_DIR             where what the Hub said is kept between runs (the user's cache folder)
  OMNI_ROUTER_NEW_IDS=1      let arch name a model that is not among the candidates; the catalog has the last word
  OMNI_MCP_HOSTS             on the LangGraph server: names beside this machine's under which /mcp answers, by commas
  OMNI_THREADS               how many slow calls may run at once under async hosts (64), three quarters of
                             them of one model
  OMNI_SANDBOX_LATENCY       seconds a simulated model takes (0)
  NO_COLOR, FORCE_COLOR      no colours at all; colours even where stdout is no terminal

exit status: 0 answered (or routed to a model, when only routing), 1 no answer, 2 something to correct first,
130 interrupted
"""


STDIN = "-"

# What the command does, by the name of the flag; one of them is given.
ACTIONS = (
    *("prompt", "demo", "list_routes", "list_models", "check", "why", "replay", "feedback"),
    *("history_export", "history_import"),
)


# What makes the parser of each subcommand, apart from reading flags with it, so that help and completion know them. It
# sets `act`, the place of the function that then does the work.
SUBCOMMANDS = {
    "eval": "omni_router.evaluation.arguments:eval_parser",
    "completion": "omni_router.completion:completion_parser",
    "serve": "omni_router.server.serve_arguments:serve_parser",
    "ui": "omni_router.ui.arguments:ui_parser",
}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the flags; what cannot be meant ends the process with status 2."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given and given[0] in SUBCOMMANDS:
        without = argparse.Namespace(json=False, debug_router=False)  # of those that have no such flag
        return subcommand(given[0]).parse_args(given[1:], without)
    parser = _Parser(
        prog="omni-router",
        description="Pick the right Hugging Face model for a prompt, call it, and remember what worked.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser)
    parser.add_argument("stdin", nargs="?", type=_dash, metavar="-", help="put what comes on stdin below the prompt")
    args = parser.parse_args(given)
    _check(args, parser)
    return args


def subcommand(name: str) -> argparse.ArgumentParser:
    """Make the parser of a subcommand."""
    module, function = SUBCOMMANDS[name].split(":")
    made: argparse.ArgumentParser = getattr(import_module(module), function)()
    return made


class _Parser(argparse.ArgumentParser):
    """Tells of the subcommands too; they are read only when that is asked for."""

    def format_help(self) -> str:
        """Put what each subcommand is for before the examples."""
        before, examples, after = super().format_help().partition("\nexamples:\n")
        return f"{before}\ncommands (omni-router NAME --help has their flags):\n{_commands()}{examples}{after}"


def _commands() -> str:
    return "".join(f"  {name:<21} {subcommand(name).description}\n" for name in SUBCOMMANDS)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command itself."""
    parser.set_defaults(act=None)
    _add_actions(parser)
    _add_routing(parser)
    _add_calling(parser)
    _add_output(parser)


def _add_actions(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to do (one of these)")
    what.add_argument("--prompt", metavar="TEXT|-", help="route and answer one prompt; - reads it from stdin")
    what.add_argument("--demo", action="store_true", help="route and answer eight queries of every kind")
    what.add_argument("--list-routes", action="store_true", help="show the routes, their models and package versions")
    what.add_argument("--list-models", type=_not_empty, metavar="TASK|ROUTE",
                      help="show the models that inference providers serve now")  # fmt: skip
    what.add_argument("--check", action="store_true", help="report what is wrong with the policy")
    what.add_argument("--why", nargs="?", const="", metavar="ID",
                      help="explain a decision of the log (the last one), by the start of its id")  # fmt: skip
    what.add_argument("--replay", type=_path, metavar="LOG", help="decide a log's requests anew, and show what differs")
    what.add_argument("--feedback", nargs=2, type=_not_empty, metavar=("ID", "good|bad|ROUTE|other"),
                      help="judge a decision of the log; it counts when models are ranked")  # fmt: skip
    what.add_argument("--history-export", type=_path, metavar="FILE", help="write the history to a file")
    what.add_argument(
        "--history-import", type=_path, metavar="FILE", help="take in such a file, or a route_config.json"
    )


def _add_routing(parser: argparse.ArgumentParser) -> None:
    routing = parser.add_argument_group("routing")
    routing.add_argument(
        "--router",
        choices=get_args(RouterName),
        help="the router engine (auto); cascade: semantic, and where "
        "it is not sure a server or arch, from which it learns",
    )
    routing.add_argument(
        "--router-model",
        metavar="ID|PATH",
        help="the checkpoint of the router, or the encoder of semantic: a Hub id or a folder; for a server "
        "the name it knows the model by",
    )
    routing.add_argument("--router-url", type=_not_empty, metavar="URL",
                         help="an OpenAI-compatible server, for --router endpoint or cascade")  # fmt: skip
    routing.add_argument("--route-config", type=_path, metavar="PATH", help="policy and history (./route_config.json)")
    routing.add_argument("--history", type=_not_empty, metavar="WHERE",
                         help="file (beside the policy), or postgresql://USER@HOST/DATABASE")  # fmt: skip
    routing.add_argument("--route", type=_not_empty, metavar="ROUTE", help="take this route; the router is not asked")
    routing.add_argument("--model", type=_not_empty, metavar="ORG/NAME[:PROVIDER]",
                         help="call this model and no other; the route is still chosen")  # fmt: skip
    add_fallback_route(routing)
    routing.add_argument("--skip-specialists", action="store_true", help="only route; call no model")
    routing.add_argument("--debug-router", action="store_true", help="show the router's raw reply and the candidates")


def _add_calling(parser: argparse.ArgumentParser) -> None:
    calling = parser.add_argument_group("calling models")
    calling.add_argument(
        "--image-url",
        type=_not_empty,
        metavar="URL|PATH|-",
        help="a picture that belongs to the prompt; - reads it from stdin",
    )
    calling.add_argument(
        "--hf-token", metavar="T", help="Hugging Face token (HF_TOKEN keeps it out of the shell history)"
    )
    calling.add_argument("--sandbox", action="store_true", help="simulated models: no token, no network, no cost")
    add_max_new_tokens(calling, "--specialist-max-new-tokens")
    calling.add_argument("--temperature", "--specialist-temperature", type=_temperature, metavar="X",
                         help="sampling temperature of a text answer, 0 to 2 (0.7)")  # fmt: skip


def add_fallback_route(parser: argparse._ActionsContainer) -> None:
    """Add the flag that says which route answers what no route is for."""
    parser.add_argument("--fallback-route", type=_not_empty, metavar="ROUTE|none",
                        help="the route that answers what no route is for; none refuses it (the policy's)")  # fmt: skip


def add_max_new_tokens(parser: argparse._ActionsContainer, *aliases: str) -> None:
    """Add the flag that limits the length of answers."""
    parser.add_argument("--max-new-tokens", *aliases, type=_at_least_one, metavar="N",
                        help="length limit of a text answer, in tokens (the provider's own)")  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json",
        action="store_true",
        help="JSON alone on stdout: one object a query and line, an array with --list-routes",
    )
    output.add_argument("--decision-log", type=_path, metavar="PATH", help="append every decision to this file")
    output.add_argument("--log-text", action="store_true", help="keep in the log what was asked, not its hash alone")
    output.add_argument("--output-dir", type=_path, metavar="DIR", help="where generated pictures go (./outputs)")


def read_environment(args: argparse.Namespace) -> Environment:
    """Read the environment, in which these flags win.

    Raises:
        ConfigurationError: a value is not one of those allowed.
    """
    return Environment.read(
        route_config=args.route_config,
        output_dir=args.output_dir,
        router=args.router,
        router_model=args.router_model,
        router_url=args.router_url,
        fallback_route=getattr(args, "fallback_route", None),
        max_new_tokens=getattr(args, "max_new_tokens", None),
        sandbox=args.sandbox or None,
        history=args.history,
        decision_log=args.decision_log,
        decision_log_text=args.log_text or None,
    )


def _not_empty(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _path(text: str) -> Path:
    return Path(_not_empty(text))


def _dash(text: str) -> str:
    if text != STDIN:
        names = ", ".join(SUBCOMMANDS)
        raise argparse.ArgumentTypeError(f"there is no command {text!r}, only {names}; a prompt goes after --prompt")
    return text


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 2")
    return value


def _check(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """End with status 2 where flags contradict each other."""
    if sum(getattr(args, action) not in (None, False) for action in ACTIONS) != 1:
        parser.error(
            f"give one of {', '.join(f'--{action}' for action in ACTIONS)} (--help shows examples)".replace("_", "-")
        )
    if args.image_url is not None and args.prompt is None:
        parser.error("--image-url belongs to a --prompt")
    if args.stdin and args.prompt is None:
        parser.error("- belongs to a --prompt")
    if [args.prompt, args.image_url, args.stdin].count(STDIN) > 1:
        parser.error("stdin can be read once; give - once")
    if args.prompt is not None and not args.prompt.strip():
        parser.error("--prompt is empty; say what you want answered")
    if args.hf_token is not None and not args.hf_token.strip():
        parser.error("--hf-token is empty; leave it out to use HF_TOKEN or the stored login")
