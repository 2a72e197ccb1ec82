"""`omni-router eval`: evaluate, write the report, and give the exit status."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, Document
from omni_router.errors import ConfigurationError, install_command
from omni_router.evaluation.compare import Comparison, check_same_data, compare, read_report
from omni_router.evaluation.data import read_items
from omni_router.evaluation.plots import draw
from omni_router.evaluation.report import PLOTS, markdown, summary
from omni_router.evaluation.result import Evaluation, as_json, items_as_json
from omni_router.evaluation.run import evaluate
from omni_router.missing_policy import missing_policy
from omni_router.routers import OTHER, Router
from omni_router.services.history import open_history
from omni_router.services.router import choose_router
from omni_router.storage.files import write_whole

REACHED, BELOW = 0, 1


def evaluate_routers(args: argparse.Namespace) -> int:
    """Evaluate the routers on the data; 1 when one is below the accuracy that is asked for.

    Raises:
        ConfigurationError: data, policy, old report or folder cannot be used, or a router cannot be loaded.
        HistoryUnreachable: the store of the history does not answer.
    """
    environment = _environment(args, args.router[0] if args.router else None)
    folder = args.output_dir or environment.output_dir / "eval"
    document, policy = _policy(environment, args)
    items = read_items(args.data, document.routes, args.limit)
    old = read_report(args.compare) if args.compare else None
    if old:
        check_same_data(items, old, args.compare)
    document = _with_learned(document, environment)
    _make(folder)
    outcomes = {
        name: evaluate(router, items, document, name) for name, router in _routers(args, environment.router).items()
    }
    done = Evaluation(args.data, policy, document, items, outcomes)
    comparisons = compare(done, old, args.compare) if old else []
    try:
        files = _write(done, comparisons, folder)
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error}; choose another --output-dir") from error
    _tell(done, comparisons, files, as_one_object=args.json)
    return _status(done, args.min_accuracy)


def _environment(args: argparse.Namespace, router: str | None) -> Environment:
    """Read the environment, in which the flags win; --output-dir is the folder of the report alone."""
    return Environment.read(
        route_config=args.route_config,
        router=router,
        router_model=args.router_model,
        router_url=args.router_url,
        sandbox=args.sandbox or None,
        history=args.history,
    )


def _routers(args: argparse.Namespace, default: str) -> dict[str, Router]:
    """Make the routers to evaluate; a checkpoint that is given for several is not the encoder of `semantic`."""
    routers = {}
    names = args.router or (default,)
    for name in names:
        environment = _environment(args, name)
        if name == "semantic" and len(names) > 1:
            environment = replace(environment, router_model=None)
        routers[name] = choose_router(environment, token=lambda: _token(args.hf_token), learning=False)
    return routers


def _policy(environment: Environment, args: argparse.Namespace) -> tuple[Document, Path]:
    """Read the policy; one that is named has to be there."""
    path = environment.route_config
    if args.route_config and not path.exists():
        raise ConfigurationError(f"{path} does not exist; name a policy with --route-config")
    if note := missing_policy(environment, records=False):
        print(f"omni-router: {note}", file=sys.stderr)
    document = RouteFile(path).document()
    if not document.routes:
        raise ConfigurationError(f"{path}: it has no routes to choose from")
    return document, path if path.exists() else DEFAULT_POLICY


def _with_learned(document: Document, environment: Environment) -> Document:
    """Have the examples that verdicts have made where the graph has them, which need not be the policy's file."""
    entries: list[dict[str, Any]] = []
    if environment.history == "file":
        return document
    if environment.history == "store":
        note = "OMNI_HISTORY=store exists only while a graph runs; examples learned from feedback are left out"
        print(f"omni-router: {note}", file=sys.stderr)
    else:  # exported, since a store that does not answer would not be told otherwise
        entries = open_history(environment, RouteFile(environment.route_config)).export()
    learned = {entry["name"].strip().casefold(): tuple(entry["learned"]) for entry in entries}
    others = dict.fromkeys((*document.counterexamples, *learned.get(OTHER, ())))
    return replace(document, learned=learned, counterexamples=tuple(others))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot create the folder {folder}: {error}; choose another --output-dir") from error


def _token(given: str | None) -> str | None:
    from omni_router.hub.tokens import find_token

    return find_token(given)


def _write(done: Evaluation, comparisons: list[Comparison], folder: Path) -> list[Path]:
    """Write report and plots, and give their paths; plots of an earlier run do not stay beside a report without any."""
    plots = draw(done, folder)
    if plots is None:
        print(f"omni-router: no plots, matplotlib is missing: {install_command('eval')}", file=sys.stderr)
    for name in PLOTS.keys() - set(plots or ()):
        (folder / name).unlink(missing_ok=True)
    compared = "\n\n".join(comparison.markdown() for comparison in comparisons)
    write_whole(folder / "report.md", markdown(done, plots or (), compared))
    report = {**as_json(done), **_compared(comparisons), "items": items_as_json(done)}
    write_whole(folder / "report.json", json.dumps(report, indent=1) + "\n")
    return [folder / name for name in ("report.md", "report.json", *(plots or ()))]


def _compared(comparisons: list[Comparison]) -> dict[str, Any]:
    return {"comparisons": [comparison.as_json() for comparison in comparisons]} if comparisons else {}


def _tell(done: Evaluation, comparisons: list[Comparison], files: list[Path], *, as_one_object: bool) -> None:
    if as_one_object:
        told = {**as_json(done), **_compared(comparisons), "files": [str(path) for path in files]}
        print(json.dumps(told))
        return
    parts = [*(summary(done, router) for router in done.outcomes), *(each.text() for each in comparisons)]
    print("\n\n".join(parts))
    print(f"\nFull report: {files[0]}; in the same folder: {', '.join(path.name for path in files[1:])}")


def _status(done: Evaluation, wanted: float | None) -> int:
    below = {
        router: found["accuracy"]
        for router, found in done.measures.items()
        if wanted is not None and found["accuracy"] < wanted
    }
    for router, accuracy in below.items():
        print(f"omni-router: the accuracy of {router} is {accuracy:.3f}, below {wanted}", file=sys.stderr)
    return BELOW if below else REACHED
