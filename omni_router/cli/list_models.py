"""`--list-models`: what inference providers serve now for a task, and in which order a route takes them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omni_router.cli.console import UNLIMITED, console, note, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.cli.model_table import NUMBERS, Row, print_table
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Route
from omni_router.errors import ConfigurationError, missing_package
from omni_router.history.cooldowns import write_time
from omni_router.hub.catalog import CatalogSnapshot
from omni_router.hub.requirements import Requirements
from omni_router.services.history import open_history
from omni_router.tasks import TASKS

if TYPE_CHECKING:
    from omni_router.cli.route_models import KnownModels
    from omni_router.config.environment import Environment
    from omni_router.own_models.joined_catalog import JoinedCatalog

SERVED, NONE_SERVED = 0, 1


def run(
    ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, plot: Path | None, **_: Any
) -> int:
    """Show what inference providers serve now for a task; for a route, also in which order they are chosen, and why.

    Raises:
        ConfigurationError: there is no such task or route, or nothing that could be drawn.
    """
    from omni_router.services import open_joined_catalog

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    task, route = _task_and_route(file, list_models, for_plot=plot is not None)
    catalog = open_joined_catalog(environment, hf_token, file.providers)
    routes = [route] if route else file.routes()
    limits = [Requirements(only=each.parameters.only) for each in routes]
    status.begin("asking for models and providers")
    snapshot = catalog.snapshot_within(limits, task)
    title = f"task {task}"
    rows = list(map(Row, snapshot.models))
    sources: list[str] = []
    known: KnownModels | None = None
    if route:
        title = f"route {route.name}, {title}"
        known, rows, sources = _rank(environment, file, route, snapshot, catalog)
    status.end()
    if as_json:
        _print_json(rows, snapshot)
    else:
        _print(title, rows, known)
    for text in (*_notes(snapshot, task), *sources):
        note(text)
    if plot:
        _draw(title, rows, plot)
    return SERVED if snapshot.models else NONE_SERVED


def _rank(
    environment: "Environment", file: RouteFile, route: Route, snapshot: CatalogSnapshot, catalog: "JoinedCatalog"
) -> "tuple[KnownModels, list[Row], list[str]]":
    """Return the models of a route, their rows in the order of choice, and where the figures come from."""
    from omni_router.cli.route_models import KnownModels, rows_of_route
    from omni_router.services import open_evidence

    allowed = catalog.within([Requirements(only=route.parameters.only)])
    known = KnownModels(route, snapshot.models, open_history(environment, file), allowed, environment.prefer)
    if allowed is not catalog:
        rows, _ = rows_of_route(known, None, shadow=False)
        return known, rows, ["`only` allows models of your own alone, so the Hub was not asked"]
    rows, sources = rows_of_route(known, open_evidence(environment), shadow=environment.evidence == "shadow")
    return known, rows, sources


def _print(title: str, rows: Sequence[Row], known: "KnownModels | None") -> None:
    """Print the models of a task, or of a route; a pipe has a line for each provider, too."""
    from omni_router.cli.ranking_table import print_legend, print_ranking

    if not rows:
        return
    if known and console().width < UNLIMITED:
        print_ranking(title, rows, known.required.prefer)
        return
    print_table(title, rows)
    if known and any(map(attrgetter("ranked"), rows)):
        print_legend(NUMBERS, known.required.prefer, UNLIMITED)


def _draw(title: str, rows: Sequence[Row], path: Path) -> None:
    from omni_router.evaluation.served_plot import ServedModel, draw_served

    ranked = filter(None, map(attrgetter("ranked"), rows))
    models = [ServedModel(each.model, each.score.quality, each.terms.price) for each in ranked]
    if set(map(attrgetter("price"), models)) <= {None}:
        raise ConfigurationError(f"{path}: nothing to draw: quality and price are known of no model of the {title}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_served(f"Quality against price: {title}", models, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error}") from error
    if not drawn:
        raise missing_package(f"{path}: --plot needs matplotlib", "eval")


def _task_and_route(file: RouteFile, name: str, *, for_plot: bool) -> tuple[str, Route | None]:
    folded, routes = name.strip().casefold(), file.routes()
    if folded in TASKS and for_plot:
        raise ConfigurationError(f"--plot needs a route, such as {routes[0].name}, not a task such as {name}")
    if folded in TASKS:
        return folded, None
    for route in routes:
        if route.name.casefold() == folded:
            return route.task, route
    names = ", ".join(route.name for route in routes)
    raise ConfigurationError(f"--list-models takes a task ({', '.join(TASKS)}) or a route ({names}), not {name!r}")


def _print_json(rows: Sequence[Row], snapshot: CatalogSnapshot) -> None:
    freshness = {"as_of": _as_of(snapshot), "stale": snapshot.stale}
    models = [row.as_json() | freshness for row in rows]
    click.echo(json.dumps(models, indent=2))


def _as_of(snapshot: CatalogSnapshot) -> str | None:
    """Return the time of the oldest list in a snapshot."""
    if snapshot.at is None:
        return None
    return write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Yield what is missing or old in a snapshot."""
    if snapshot.stale and snapshot.at is not None:
        yield f"the Hub did not answer; this list is from {_as_of(snapshot)}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
