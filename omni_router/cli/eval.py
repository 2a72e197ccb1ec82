"""`omni-router eval`: evaluate routers, and write the report."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli import options
from omni_router.cli.console import note, progress_bar
from omni_router.cli.missing_policy import missing_policy
from omni_router.cli.options import OUTPUT, ROUTING, option, variable
from omni_router.cli.parser import Command, read_environment
from omni_router.cli.validators import FOLDER, PATH, Share, router_names
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, Document
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from omni_router.evaluation.compare import Comparison
    from omni_router.evaluation.data import Item
    from omni_router.evaluation.result import Evaluation
    from omni_router.routers import Router

REACHED, BELOW = 0, 1

EXAMPLES = """\
DATA.jsonl has one request per line, with the route it should take:
  {"text": "Plot twist ideas?", "route": "creative_writing"}
  {"text": "What flower is this?", "image": true, "route": "image_understanding"}
  {"text": "asdf qwer", "route": "other"}
  {"messages": [{"role": "user", "content": "Sort a list in Go"},
                {"role": "assistant", "content": "..."},
                {"role": "user", "content": "and backwards?"}], "route": "code_generation"}
The request is the newest message. "image" (true or an address) attaches an image to it. "other" is
the answer where no route fits. A hundred lines give the accuracy to within 8 points, four hundred
to within 4.

examples:
  omni-router eval mine.jsonl
        how good the default router is; report and plots go to ./outputs/eval
  omni-router eval mine.jsonl --router semantic,arch
        compare two routers
  omni-router eval mine.jsonl --router endpoint --router-url http://127.0.0.1:8000/v1
        the model that an OpenAI-compatible server runs
  omni-router eval mine.jsonl --router semantic --json --min-accuracy 0.8 | jq .accuracy
        for a script or CI: exit status 1 below 0.8
  omni-router eval mine.jsonl --route-config new.json --compare outputs/eval/report.json \\
      --output-dir new
        what another policy changes, and whether the difference is more than noise

Flags and variables shared with omni-router mean the same here (omni-router --help). Only the model
of the router is called, and no token is needed. Plots need matplotlib:
pip install -e ".[eval]" in a checkout.

exit status: 0 evaluated, 1 less accurate than --min-accuracy, 2 something to correct first
"""


def _routers(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(map(str.strip, value.split(","))))
    allowed = router_names()
    for name in names:
        if name not in allowed:
            raise click.BadParameter(f"unknown router {name!r}; choose from {', '.join(allowed)}")
    return names


@click.command(
    "eval",
    cls=Command,
    help="Measure how often a router picks the right route, on labelled requests.",
    epilog=EXAMPLES,
)
@options.all_of(
    click.argument("data", type=PATH, metavar="DATA.jsonl"),
    option("--router", "routers", type=_routers, section=ROUTING, metavar="A,B,...",
           help="the router, or several to compare (OMNI_ROUTER, else auto)"),
    options.router_model,
    options.router_url,
    variable("--route-config", "--policy", "route_config", type=PATH, metavar="PATH",
             help="the routes (./route_config.json)"),
    options.history,
    options.hf_token,
    options.sandbox,
    options.debug_router,
    option("--output-dir", type=FOLDER, section=OUTPUT, metavar="DIR",
           help="the folder for the report (./outputs/eval)"),
    options.json_output("print one JSON object on stdout, and nothing else"),
    option("--min-accuracy", type=Share(), section=OUTPUT, metavar="X",
           help="exit with status 1 when a router is less accurate than this, 0 to 1"),
    option("--limit", type=click.IntRange(min=1), section=OUTPUT, metavar="N",
           help="use only N requests, evenly spread over the file"),
    option("--compare", type=PATH, section=OUTPUT, metavar="OLD.json",
           help="compare with the report.json of another run on the same data"),
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, *, data: Path, compare: Path | None, limit: int | None, **flags: Any) -> int:
    """Evaluate the routers on the data; return 1 if one is below the required accuracy."""
    from omni_router.evaluation.compare import compare as compare_with
    from omni_router.evaluation.data import read_items
    from omni_router.evaluation.report_files import make_folder, write_report
    from omni_router.evaluation.result import Evaluation
    from omni_router.evaluation.run import evaluate

    routers: Sequence[str] = flags["routers"] or ()
    environment = read_environment(ctx)
    if routers:
        environment = read_environment(ctx, router=routers[0])
    folder = flags["output_dir"] or environment.output_dir / "eval"
    document, policy = _read_policy(environment, must_exist=flags["route_config"] is not None)
    items = read_items(data, document.routes, limit)
    old = _read_old_report(compare, items)
    document = _with_learned_examples(document, environment)
    make_folder(folder)
    outcomes = {}
    for name, router in _open_routers(ctx, routers or (environment.router,), flags["hf_token"]).items():
        with progress_bar(name, len(items)) as advance:
            outcomes[name] = evaluate(router, items, document, advance)
    done = Evaluation(data, policy, document, items, outcomes)
    comparisons: list[Comparison] = []
    if compare and old:
        comparisons = compare_with(done, old, compare)
    files, missing = write_report(done, comparisons, folder)
    if missing:
        note(missing)
    _print(done, comparisons, files, as_json=flags["as_json"])
    return _status(done, flags["min_accuracy"])


def _read_old_report(path: Path | None, items: "Sequence[Item]") -> dict[str, Any] | None:
    """Read the report to compare with, if one is named, and check that it is about the same data."""
    from omni_router.evaluation.compare import check_same_data, read_report

    if path is None:
        return None
    old = read_report(path)
    check_same_data(items, old, path)
    return old


def _open_routers(ctx: click.Context, names: Sequence[str], token: str | None) -> "dict[str, Router]":
    """Open the routers to evaluate; a checkpoint named for several routers is not the encoder of `semantic`."""
    from omni_router.hub.tokens import find_token
    from omni_router.services.router import choose_router

    routers = {}
    for name in names:
        environment = read_environment(ctx, router=name)
        if name == "semantic" and len(names) > 1:
            environment = replace(environment, router_model=None)
        routers[name] = choose_router(environment, token=lambda: find_token(token), learning=False)
    return routers


def _read_policy(environment: Environment, *, must_exist: bool) -> tuple[Document, Path]:
    """Read the policy; a policy that a flag names must exist."""
    path = environment.route_config
    if must_exist and not path.exists():
        raise ConfigurationError(f"{path} does not exist; name a policy with --route-config")
    if text := missing_policy(environment, records=False):
        note(text)
    document = RouteFile(path).document()
    if not document.routes:
        raise ConfigurationError(f"{path}: the policy has no routes to choose from")
    if not path.exists():
        return document, DEFAULT_POLICY
    return document, path


def _with_learned_examples(document: Document, environment: Environment) -> Document:
    """Return the document with the examples learned from feedback, which the history may keep elsewhere."""
    from omni_router.routers import OTHER
    from omni_router.services.history import open_history

    entries: list[dict[str, Any]] = []
    if environment.history == "file":
        return document
    if environment.history == "store":
        note("OMNI_HISTORY=store exists only while a graph runs; examples learned from feedback are left out")
    else:  # an export fails if the store does not answer
        entries = open_history(environment, RouteFile(environment.route_config)).export()
    learned = {entry["name"].strip().casefold(): tuple(entry["learned"]) for entry in entries}
    others = dict.fromkeys((*document.out_of_scope_examples, *learned.get(OTHER, ())))
    return replace(document, learned=learned, out_of_scope_examples=tuple(others))


def _print(done: "Evaluation", comparisons: "Sequence[Comparison]", files: Sequence[Path], *, as_json: bool) -> None:
    from omni_router.evaluation.report import summary
    from omni_router.evaluation.report_files import as_json as report_as_json

    if as_json:
        paths = [str(path) for path in files]
        click.echo(json.dumps({**report_as_json(done, comparisons), "files": paths}))
        return
    parts = [summary(done, router) for router in done.outcomes]
    parts += [comparison.text() for comparison in comparisons]
    click.echo("\n\n".join(parts))
    report, *others = files
    names = [path.name for path in others]
    click.echo(f"\nFull report: {report}; in the same folder: {', '.join(names)}")


def _status(done: "Evaluation", required: float | None) -> int:
    """Return 1 if a router is below the required accuracy, after a note on each."""
    status = REACHED
    for router, measures in done.measures.items():
        if required is not None and measures["accuracy"] < required:
            note(f"the accuracy of {router} is {measures['accuracy']:.3f}, below {required}")
            status = BELOW
    return status
