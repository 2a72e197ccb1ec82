"""The command line. Neither langgraph nor torch is imported before a prompt has to be answered."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from omni_router.arguments import parse_arguments, read_environment
from omni_router.config.environment import Environment
from omni_router.demo import DEFAULT_MULTI_MODAL_QUERIES, Query
from omni_router.errors import OmniRouterError
from omni_router.missing_policy import missing_policy
from omni_router.terminal import RESET, is_terminal
from omni_router.waiting import ERASE, waiting

if TYPE_CHECKING:
    from omni_router.console import Console

ANSWERED, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit status."""
    args = parse_arguments(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # answers come in any script, terminals may not
    waiting.quiet = args.json
    _log_to_stderr(debug=args.debug_router)
    try:
        with _ending_at_once():
            try:
                status = _act(args)
            finally:
                waiting.end()
        sys.stdout.flush()
        return status  # noqa: TRY300 (the flush belongs to what may fail)
    except OmniRouterError as error:  # what can go wrong in a turn is in its result; this is to be corrected first
        print(f"omni-router: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        return _interrupted()
    except ModuleNotFoundError as error:
        print(
            f"omni-router: the package {error.name} is not installed; the README says how to install it",
            file=sys.stderr,
        )
        return MISUSED
    except OSError as error:  # of stdout: a full disk, or whoever read it has gone
        if not isinstance(error, BrokenPipeError):
            print(f"omni-router: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains about it at exit
        return FAILED


def _interrupted() -> int:
    """Say so below what is on the screen, with the terminal's own colours.

    Past Python's buffers, since what was interrupted may have been writing to them.
    """
    back = f"{RESET}{ERASE if waiting.shown else chr(10)}" if is_terminal(sys.stderr) else ""
    with suppress(OSError):  # whoever read it has gone
        os.write(2, f"{back}omni-router: interrupted\n".encode())
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


class _Log(logging.StreamHandler[TextIO]):
    """Takes back the line that says what is waited for before a line is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line."""
        waiting.end()
        super().emit(record)


def _log_to_stderr(*, debug: bool) -> None:
    handler = _Log(sys.stderr)
    handler.setFormatter(logging.Formatter("[router] %(message)s"))
    logger = logging.getLogger("omni_router")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.INFO)


# What the other actions do: a function of the environment and the arguments, imported when it is wanted.
_DEEDS = {
    "list_models": "omni_router.model_list:list_models",
    "check": "omni_router.policy_check:check_policy",
    "why": "omni_router.decisions.why:tell_why",
    "replay": "omni_router.evaluation.replay:replay",
    "feedback": "omni_router.decisions.feedback:take_feedback",
    "history_export": "omni_router.history.transfer:export_history",
    "history_import": "omni_router.history.transfer:import_history",
}


def _act(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    if args.act:  # a subcommand's own
        return int(_load(args.act)(args))
    environment = read_environment(args)
    if args.prompt is not None or args.demo:
        return _answer(environment, args)
    if not args.replay and (note := missing_policy(environment, records=bool(args.feedback or args.history_import))):
        print(f"omni-router: {note}", file=sys.stderr)  # a replay ends without the file
    if args.list_routes:
        return _list_routes(environment, args)
    deed = next(deed for action, deed in _DEEDS.items() if getattr(args, action) not in (None, False))
    return int(_load(deed)(environment, args))


def _load(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


def _list_routes(environment: Environment, args: argparse.Namespace) -> int:
    from omni_router.config.route_file import RouteFile
    from omni_router.listing import core_versions, routes_as_json, routes_as_text

    file = RouteFile(environment.route_config)
    versions = core_versions()
    missing = [name for name, version in versions.items() if version is None]
    print(routes_as_json(file) if args.json else routes_as_text(file))
    told = ", ".join(f"{name} {version or 'MISSING'}" for name, version in versions.items())
    print(f"\nPackages: {told}", file=sys.stderr if args.json else sys.stdout)
    if missing:
        print(f"omni-router: install what is missing: pip install {' '.join(missing)}", file=sys.stderr)
    return MISUSED if missing else ANSWERED


def _answer(environment: Environment, args: argparse.Namespace) -> int:
    from omni_router.console import Console
    from omni_router.hub.tokens import find_token
    from omni_router.stdin import asked

    queries = list(DEFAULT_MULTI_MODAL_QUERIES) if args.demo else [asked(args)]
    console = Console(as_json=args.json, debug=args.debug_router, policy=environment.route_config)
    if note := missing_policy(environment, records=True):
        console.note(note)
    only_route = args.skip_specialists
    if not only_route and not environment.sandbox and not find_token(args.hf_token):
        only_route = True
        console.note("no Hugging Face token: routing only. Set HF_TOKEN (or --hf-token) for answers, "
                     "or use --sandbox for simulated ones.")  # fmt: skip
    if environment.sandbox:
        console.note("sandbox: answers and images are simulated on this machine; routing is real.")
        console.note(f"policy and history: {environment.route_config}")
        if args.demo and args.route_config is None:
            _name_models_of_the_demo(environment, console)
    waiting.begin("starting")
    return _run(queries, args, environment, console, only_route=only_route)


def _name_models_of_the_demo(environment: Environment, console: "Console") -> None:
    from omni_router._sandbox.demo_policy import name_models
    from omni_router.config.route_file import RouteFile

    try:
        name_models(RouteFile(environment.route_config))
    except OSError as error:
        console.note(f"{environment.route_config} cannot be written: {error}")
    else:
        console.note(
            'in it, each route names a model of the sandbox, as yours may name real ones ("models": ["org/name"]); '
            "how they differ: omni-router --list-models text-generation --sandbox"
        )


def _run(
    queries: list[Query], args: argparse.Namespace, environment: Environment, console: "Console", *, only_route: bool
) -> int:
    from omni_router import Services, Settings, build_graph, user_message
    from omni_router.stdin import lies_unread

    names = ("route", "model", "temperature")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(args, name)) is not None}
    settings = Settings(skip_specialists=only_route, **given)
    messages = [user_message(query.prompt, query.image) for query in queries]
    graph = build_graph(Services.from_environment(environment, token=args.hf_token), settings).compile()
    if is_terminal(sys.stderr) and not args.stdin and lies_unread():
        console.note("stdin was not read; put a - after the prompt to add what is piped in below it.")
    failed = False
    for number, (query, message) in enumerate(zip(queries, messages, strict=True), 1):
        console.begin(query, number, len(queries))
        result = console.follow(graph.stream({"messages": [message]}, stream_mode=console.modes))
        console.end(query, result)
        decided = result.get("decision") and result["decision"]["model"]
        failed |= bool(result.get("error")) or (only_route and not decided)
    if args.demo:
        console.close(environment)
    return FAILED if failed else ANSWERED
