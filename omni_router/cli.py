"""The command line. Neither langgraph nor torch is imported before a prompt has to be answered."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from omni_router.config.environment import Environment, RouterName
from omni_router.config.route_file import RouteFile
from omni_router.demo import DEFAULT_MULTI_MODAL_QUERIES, Query
from omni_router.errors import ConfigurationError, InvalidRequest, OmniRouterError
from omni_router.listing import core_versions, routes_as_json, routes_as_text

if TYPE_CHECKING:
    from omni_router.console import Console

ANSWERED, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """\
examples:
  omni-router --list-routes
        every route, what it is for, and the models it has used
  omni-router --prompt "Write a haiku about rivers" --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router --prompt "Write a haiku about rivers"
        the same with real ones
  omni-router --prompt "What flower is this?" --image-url garden.jpg
        ask about a picture: a local file or a public address
  omni-router --prompt "Plot twist ideas?" --skip-specialists --json | jq .route
        only route, for a script

files:
  ./route_config.json   the routes and their history; edit it freely. Another one: --route-config
  ./outputs/            generated pictures. Another folder: --output-dir

environment (a flag wins):
  HF_API_TOKEN, HF_TOKEN     the Hugging Face token; else the stored login of `hf auth login`
  OMNI_ROUTE_CONFIG, OMNI_OUTPUT_DIR, OMNI_ROUTER, OMNI_ROUTER_MODEL, OMNI_SANDBOX=1
  OMNI_ROUTER_PROMPT         json (route, model and reason) or trained (the checkpoint's own form, route only)
  OMNI_THREADS               how many slow calls may run at once under async hosts (64)
  OMNI_SANDBOX_LATENCY       seconds a simulated model takes (0)

exit status: 0 answered (or routed, when only routing), 1 no answer, 2 something to correct first
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    _check(args, parser)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # answers come in any script, terminals may not
    _log_to_stderr(debug=args.debug_router)
    try:
        if args.list_routes:
            return _list_routes(args)
        with _ending_at_once():
            return _answer(args)
    except (ConfigurationError, InvalidRequest) as error:
        print(f"omni-router: {error}", file=sys.stderr)
        return MISUSED
    except OmniRouterError as error:
        print(f"omni-router: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # whoever read our output has gone; keep Python from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _interrupted() -> int:
    print("omni-router: interrupted", file=sys.stderr, flush=True)
    return INTERRUPTED


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """End the process on Ctrl-C: Python would wait for the thread in which a model is called, for minutes perhaps.

    Nothing is lost by it: history is written whole or not at all.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may take signals
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(_interrupted()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omni-router",
        description="Pick the right Hugging Face model for a prompt, call it, and remember what worked.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to do (one of these)")
    what.add_argument("--list-routes", action="store_true", help="show the routes, their models and package versions")
    what.add_argument("--prompt", metavar="TEXT", help="route and answer one prompt")
    what.add_argument("--demo", action="store_true", help="route and answer eight queries of every kind")
    routing = parser.add_argument_group("routing")
    routing.add_argument("--router", choices=get_args(RouterName), help="the router engine (auto)")
    routing.add_argument("--router-model", metavar="ID|PATH", help="the router's checkpoint: a Hub id or a folder")
    routing.add_argument("--route-config", type=Path, metavar="PATH", help="policy and history (./route_config.json)")
    routing.add_argument("--skip-specialists", action="store_true", help="only route; call no model")
    routing.add_argument("--debug-router", action="store_true", help="show the router's raw reply and the candidates")
    calling = parser.add_argument_group("calling models")
    calling.add_argument("--image-url", metavar="URL|PATH", help="a picture that belongs to the prompt")
    calling.add_argument(
        "--hf-token", metavar="T", help="Hugging Face token (HF_TOKEN keeps it out of the shell history)"
    )
    calling.add_argument("--sandbox", action="store_true", help="simulated models: no token, no network, no cost")
    calling.add_argument("--max-new-tokens", "--specialist-max-new-tokens", type=_at_least_one, metavar="N",
                         help="length limit of a text answer, in tokens (1024)")  # fmt: skip
    calling.add_argument("--temperature", "--specialist-temperature", type=_temperature, metavar="X",
                         help="sampling temperature of a text answer, 0 to 2 (0.7)")  # fmt: skip
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="one JSON object a query and line on stdout, nothing else")
    output.add_argument("--output-dir", type=Path, metavar="DIR", help="where generated pictures go (./outputs)")
    return parser


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
    if sum((args.list_routes, args.prompt is not None, args.demo)) != 1:
        parser.error("give one of --list-routes, --prompt TEXT or --demo (--help shows examples)")
    if args.image_url is not None and args.prompt is None:
        parser.error("--image-url belongs to a --prompt")
    if args.prompt is not None and not args.prompt.strip():
        parser.error("--prompt is empty; say what you want answered")
    if args.hf_token is not None and not args.hf_token.strip():
        parser.error("--hf-token is empty; leave it out to use HF_TOKEN or the stored login")


def _log_to_stderr(*, debug: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[router] %(message)s"))
    logger = logging.getLogger("omni_router")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.INFO)


def _environment(args: argparse.Namespace) -> Environment:
    return Environment.read(
        route_config=args.route_config,
        output_dir=args.output_dir,
        router=args.router,
        router_model=args.router_model,
        sandbox=args.sandbox or None,
    )


def _list_routes(args: argparse.Namespace) -> int:
    file = RouteFile(_environment(args).route_config)
    versions = core_versions()
    missing = [name for name, version in versions.items() if version is None]
    print(routes_as_json(file) if args.json else routes_as_text(file))
    told = ", ".join(f"{name} {version or 'MISSING'}" for name, version in versions.items())
    print(f"\nPackages: {told}", file=sys.stderr if args.json else sys.stdout)
    if missing:
        print(f"omni-router: install what is missing: pip install {' '.join(missing)}", file=sys.stderr)
    return MISUSED if missing else ANSWERED


def _answer(args: argparse.Namespace) -> int:
    from omni_router.console import Console
    from omni_router.inference.client import find_token

    environment = _environment(args)
    queries = list(DEFAULT_MULTI_MODAL_QUERIES) if args.demo else [Query(args.prompt, args.image_url)]
    console = Console(as_json=args.json, debug=args.debug_router)
    only_route = args.skip_specialists
    if not only_route and not environment.sandbox and not find_token(args.hf_token):
        only_route = True
        console.note("no Hugging Face token: routing only. Set HF_TOKEN (or give --hf-token) for answers, "
                     "or --sandbox for simulated ones.")  # fmt: skip
    if environment.sandbox:
        console.note("sandbox: the models' answers and pictures below are simulated on this machine; routing is real.")
    return _run(queries, args, environment, console, only_route=only_route)


def _run(
    queries: list[Query], args: argparse.Namespace, environment: Environment, console: "Console", *, only_route: bool
) -> int:
    from omni_router import Services, Settings, build_graph, user_message

    given: dict[str, Any] = {"max_new_tokens": args.max_new_tokens, "temperature": args.temperature}
    settings = Settings(skip_specialists=only_route, **{k: v for k, v in given.items() if v is not None})
    messages = [user_message(query.prompt, query.image) for query in queries]
    graph = build_graph(Services.from_environment(environment, token=args.hf_token), settings).compile()
    failed = False
    for number, (query, message) in enumerate(zip(queries, messages, strict=True), 1):
        console.begin(query, number, len(queries))
        result = console.follow(graph.stream({"messages": [message]}, stream_mode=["custom", "updates", "values"]))
        console.end(query, result)
        decided = result.get("decision") and result["decision"]["model"]
        failed |= bool(result.get("error")) or (only_route and not decided)
    if args.demo:
        console.close(environment)
    return FAILED if failed else ANSWERED
