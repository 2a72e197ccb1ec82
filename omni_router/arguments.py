"""The flags of the command line: what they are, what they say of themselves, and which go together."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import get_args

from omni_router.config.environment import Environment, RouterName
from omni_router.parser import Parser, PrintVersion, did_you_mean, nearest

EXAMPLES = """\
examples:
  omni-router --list-routes
        every route, what it is for, and the models it has used
  omni-router --list-models code_generation
        the models that providers serve for a route, or for a task such as text-to-image
  omni-router --prompt "Write a haiku about rivers" --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router --prompt "Write a haiku about rivers"
        the same with real ones
  omni-router --prompt "What flower is this?" --image-url garden.jpg
        ask about a picture: a local file or a public address
  git diff | omni-router --prompt "Write a commit message for this" -
        add what is piped in below the prompt; stdin is read only where there is a -
  omni-router --prompt - < question.txt
        the prompt from stdin
  curl -s https://example.com/garden.jpg | omni-router --prompt "What flower is this?" --image-url -
        the picture from stdin
  omni-router --prompt "Plot twist ideas?" --route creative_writing --model ORG/NAME
        choose the route, the model, or both yourself
  omni-router --prompt "Plot twist ideas?" --skip-specialists --json | jq .route
        only route, for a script
  omni-router --check
        find problems in the policy: routes that overlap, models that no provider serves any more
  omni-router --prompt "Plot twist ideas?" --decision-log decisions.jsonl
  omni-router --why --decision-log decisions.jsonl
        keep a log of decisions, and explain the last one
  omni-router --replay decisions.jsonl --route-config new.json
        what a changed policy would have decided; exit status 1 when any decision differs
  omni-router --feedback 3f9a good
        rate a logged decision: good, bad, or the route it should have been (other: none fits)
  omni-router eval requests.jsonl
        measure how often the router is right (omni-router eval --help)
  source <(omni-router completion bash)
        complete flags, files and route names in the shell; also zsh, fish, tcsh and powershell

On a terminal answers are wrapped and coloured, and a small preview of each image is shown where
COLORTERM is truecolor. With --json stdout holds JSON only: one object, an array for --list-routes,
--list-models and --check, one object per line for --demo. On exit status 2 stdout is empty, and
stderr says what to correct.

files:
  ./route_config.json   the routes and their history; edit it freely (change with --route-config)
  ./outputs/            generated images (change with --output-dir)

environment (a flag wins):
  HF_API_TOKEN, HF_TOKEN     the Hugging Face token; else the login stored by `hf auth login`
  OMNI_ROUTE_CONFIG, OMNI_OUTPUT_DIR, OMNI_ROUTER, OMNI_ROUTER_MODEL, OMNI_SANDBOX=1
                             the same as the flags of these names
  OMNI_ROUTER_PROMPT         json (asks for route, model and reason) or trained (the form that the
                             checkpoint was trained on; route only)
  OMNI_ROUTER_URL            the server for --router endpoint and cascade; with one, auto is cascade
  OMNI_ROUTER_API_KEY        the key of that server
  OMNI_ROUTER_TIMEOUT        seconds that server may take before semantic decides instead (2)
  OMNI_FALLBACK_ROUTE        the route that answers what no route is for; none refuses it
                             (the policy's)
  OMNI_MAX_NEW_TOKENS        length limit of text answers, in tokens (the provider's own)
  OMNI_ENCODER               the encoder of semantic and cascade: a Hub id or a folder
                             (all-MiniLM-L6-v2)
  OMNI_CASCADE_TARGET        --router cascade: semantic decides alone at or above this confidence,
                             0 to 1 (0.9); below it, the server of OMNI_ROUTER_URL or else arch
                             decides, and semantic learns from that
  OMNI_CASCADE_SIZE          how many of these decisions are kept to learn from (1500)
  OMNI_CASCADE_PATH          the file they are kept in (beside the policy, or in the store of
                             OMNI_HISTORY)
  OMNI_CASCADE_TEXT=1        keep the text of the requests with them
  OMNI_HISTORY               file, postgresql://USER@HOST/DATABASE (shared by many machines), or
                             store (of the graph that embeds this one)
  OMNI_DECISION_LOG          a file to which every decision is appended
  OMNI_DECISION_LOG_TEXT=1   keep the text of the requests in it
  OMNI_API_KEY, OMNI_MAX_BODY, OMNI_MAX_CONCURRENT
                             key and limits of /v1 (omni-router serve --help)
  OMNI_TRACING=1             send spans to the OpenTelemetry SDK of the program around the graph
  OMNI_METRICS=1             count for Prometheus; a server shows the counts at /omni/metrics
  OMNI_CACHE_DIR             where answers of the Hub are cached (the cache folder of the user)
  OMNI_ROUTER_NEW_IDS=1      let arch name models that are no candidates; the catalog checks them
  OMNI_HOSTS                 servers: further host names to answer to, separated by commas; *: every
                             name (OMNI_MCP_HOSTS is its older name)
  OMNI_THREADS               how many blocking calls run at once under async hosts (64); one model
                             takes seven eighths of them at most
  OMNI_SANDBOX_LATENCY       seconds that a simulated model takes (0)
  NO_COLOR, FORCE_COLOR      never use colours; use them even when stdout is not a terminal

exit status:
  0    answered; when only routing, a model was chosen
  1    no answer
  2    something to correct first
  130  interrupted
"""


STDIN = "-"

# What the command does, by the name of the flag; one of them is given.
ACTIONS = (
    *("prompt", "demo", "list_routes", "list_models", "check", "why", "replay", "feedback"),
    *("history_export", "history_import"),
)
_FLAGS = {action: f"--{action}".replace("_", "-") for action in ACTIONS}


# What makes the parser of each subcommand, apart from reading flags with it, so that help and completion know them. It
# sets `act`, the place of the function that then does the work.
SUBCOMMANDS = {
    "eval": "omni_router.evaluation.arguments:eval_parser",
    "completion": "omni_router.completion:completion_parser",
    "serve": "omni_router.server.serve_arguments:serve_parser",
    "ui": "omni_router.ui.arguments:ui_parser",
}

USAGE = f"""\
omni-router --prompt TEXT [-] [FLAG ...]
       omni-router --demo | --list-routes | --check | ... [FLAG ...]
       omni-router {{{",".join(SUBCOMMANDS)}}} ...
"""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the flags; what cannot be meant ends the process with status 2."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given and given[0] in SUBCOMMANDS:
        without = argparse.Namespace(json=False, debug_router=False)  # of those that have no such flag
        below = subcommand(given[0])
        below.check_flags(given[1:])
        return below.parse_args(given[1:], without)
    parser = _make_parser()
    if given and not given[0].startswith("-"):  # before the flags, which may be those of the command that was meant
        parser.error(_no_command(given[0], parser))
    parser.check_flags(given)
    args, more = parser.parse_known_args(given)
    args.stdin = _read_dash([*args.stdin, *more], args, parser)
    _check(args, parser)
    return args


def _read_dash(words: Sequence[str], args: argparse.Namespace, parser: Parser) -> str | None:
    """Return the - that is not the value of a flag, if there is one; any other such word ends with status 2."""
    for word in words:
        if word in SUBCOMMANDS:
            parser.error(f"the command comes first: omni-router {word}")
        if word != STDIN and args.prompt is not None:
            parser.error(f"unexpected {word!r}; put quotes around a prompt of several words")
        if word != STDIN:
            parser.error(_no_command(word, parser))
    if len(words) > 1:
        parser.error("stdin can be read only once; use - once")
    return words[0] if words else None


def _no_command(word: str, parser: Parser) -> str:
    """Say that there is no such command, with the one that was probably meant, or the action of that name."""
    if nearest(word, SUBCOMMANDS):
        return f"there is no command {word!r}{did_you_mean(word, SUBCOMMANDS)}"
    if f"--{word}" in parser.flags:
        return f"there is no command {word!r}; did you mean --{word}?"
    names = ", ".join(SUBCOMMANDS)
    return f"there is no command {word!r}; a prompt goes after --prompt, and the commands are {names}"


def subcommand(name: str) -> Parser:
    """Make the parser of a subcommand."""
    module, function = SUBCOMMANDS[name].split(":")
    made: Parser = getattr(import_module(module), function)()
    return made


def _make_parser() -> Parser:
    parser = _MainParser(
        "omni-router",
        usage=USAGE,
        description="Pick the right Hugging Face model for a prompt, call it, and remember what worked.",
        epilog=EXAMPLES,
    )
    add_flags(parser)
    parser.add_argument("stdin", nargs="*", metavar="-", help="add what comes on stdin below the prompt")
    return parser


class _MainParser(Parser):
    """Lists the subcommands too; their parsers are made only when that is asked for."""

    def format_help(self) -> str:
        """Put what each subcommand is for before the examples."""
        before, examples, after = super().format_help().partition("\nexamples:\n")
        return f"{before}\ncommands (omni-router NAME --help has their flags):\n{_commands()}{examples}{after}"


def _commands() -> str:
    return "".join(f"  {name:<21} {subcommand(name).description}\n" for name in SUBCOMMANDS)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command itself."""
    parser.set_defaults(act=None)
    parser.add_argument("--version", action=PrintVersion, nargs=0, help="show the version and exit")
    _add_actions(parser)
    _add_routing(parser)
    _add_calling(parser)
    _add_output(parser)


def _add_actions(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to do (one of these)")
    what.add_argument("--prompt", metavar="TEXT|-", help="route and answer one prompt; - reads it from stdin")
    what.add_argument("--demo", action="store_true", help="route and answer eight sample prompts")
    what.add_argument("--list-routes", action="store_true", help="show the routes, their models and package versions")
    what.add_argument("--list-models", type=_not_empty, metavar="TASK|ROUTE",
                      help="show the models that inference providers serve now")  # fmt: skip
    what.add_argument("--check", action="store_true", help="report problems in the policy")
    what.add_argument("--why", nargs="?", const="", metavar="ID",
                      help="explain a logged decision: the last one, or the one whose id starts with ID")  # fmt: skip
    what.add_argument(
        "--replay", type=_path, metavar="LOG", help="decide a log's requests again, and show what differs"
    )
    what.add_argument("--feedback", nargs=2, type=_not_empty, metavar=("ID", "good|bad|ROUTE|other"),
                      help="rate a logged decision; ratings count when models are ranked")  # fmt: skip
    what.add_argument("--history-export", type=_path, metavar="FILE", help="write the history to a file")
    what.add_argument(
        "--history-import", type=_path, metavar="FILE", help="add the history in such a file, or in a route_config.json"
    )


def _add_routing(parser: argparse.ArgumentParser) -> None:
    routing = parser.add_argument_group("routing")
    routing.add_argument(
        "--router",
        choices=get_args(RouterName),
        help="the router engine (auto); cascade: semantic, which asks a server or arch "
        "where it is unsure, and learns from them",
    )
    routing.add_argument(
        "--router-model",
        metavar="ID|PATH",
        help="the checkpoint of the router, or the encoder of semantic: a Hub id or a folder; "
        "with a server, the name of its model",
    )
    routing.add_argument("--router-url", type=_not_empty, metavar="URL",
                         help="an OpenAI-compatible server, for --router endpoint or cascade")  # fmt: skip
    routing.add_argument("--route-config", type=_path, metavar="PATH", help="policy and history (./route_config.json)")
    routing.add_argument("--history", type=_not_empty, metavar="WHERE",
                         help="file (beside the policy), or postgresql://USER@HOST/DATABASE")  # fmt: skip
    routing.add_argument("--route", type=_not_empty, metavar="ROUTE", help="use this route, without asking the router")
    routing.add_argument("--model", type=_not_empty, metavar="ORG/NAME[:PROVIDER]",
                         help="use only this model; the route is still chosen by the router")  # fmt: skip
    add_fallback_route(routing)
    routing.add_argument("--skip-specialists", action="store_true", help="only route; do not call a model")
    routing.add_argument("--debug-router", action="store_true", help="show the router's raw reply and the candidates")


def _add_calling(parser: argparse.ArgumentParser) -> None:
    calling = parser.add_argument_group("calling models")
    calling.add_argument(
        "--image-url",
        type=_not_empty,
        metavar="URL|PATH|-",
        help="an image to send with the prompt; - reads it from stdin",
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
        help="print JSON only on stdout: one object per line and prompt, an array for --list-routes",
    )
    output.add_argument("--decision-log", type=_path, metavar="PATH", help="append every decision to this file")
    output.add_argument(
        "--log-text", action="store_true", help="keep the text of requests in the log, not only its hash"
    )
    output.add_argument("--output-dir", type=_path, metavar="DIR", help="the folder for generated images (./outputs)")


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
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _path(text: str) -> Path:
    return Path(_not_empty(text))


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
    given = [flag for action, flag in _FLAGS.items() if getattr(args, action) not in (None, False)]
    if not given:
        parser.error(f"one of {', '.join(_FLAGS.values())} is required")
    if len(given) > 1:
        parser.error(f"{', '.join(given[:-1])} and {given[-1]} exclude each other")
    if args.image_url is not None and args.prompt is None:
        parser.error("--image-url needs --prompt")
    if args.stdin and args.prompt is None:
        parser.error("- needs --prompt")
    if [args.prompt, args.image_url, args.stdin].count(STDIN) > 1:
        parser.error("stdin can be read only once; use - once")
    if args.prompt is not None and not args.prompt.strip():
        parser.error("--prompt must not be empty")
    if args.hf_token is not None and not args.hf_token.strip():
        parser.error("--hf-token must not be empty; leave it out to use HF_TOKEN or the stored login")
