"""`--list-models`: what inference providers serve now for a task, and how a route ranks its own."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import click

from omni_router.cli.console import note, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.cli.model_table import Row, print_table
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError
from omni_router.history import History
from omni_router.history.cooldowns import write_time
from omni_router.hub.catalog import Availability, CatalogModel, CatalogSnapshot, HubCatalog
from omni_router.hub.requirements import requirements_with
from omni_router.model_id import is_sandbox_model
from omni_router.services.history import open_history
from omni_router.simulation import is_simulated
from omni_router.tasks import TASKS

SERVED, NONE_SERVED = 0, 1


def run(ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Show what inference providers serve now for a task; for a route, also how its history is ranked.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.services import open_catalog

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    task, route = _task_and_route(file, list_models)
    catalog = open_catalog(environment, hf_token)
    status.begin("asking the Hub for models and providers")
    snapshot = catalog.snapshot(task)
    title = f"task {task}"
    rows = [Row(model) for model in snapshot.models]
    if route:
        title = f"route {route.name}, {title}"
        rows = _with_history(rows, route, open_history(environment, file), catalog)
        required = requirements_with(Settings(), 0, route.parameters)
        rows = [replace(row, required=required) for row in rows]
    status.end()
    if as_json:
        _print_json(rows, snapshot)
    elif rows:
        print_table(title, rows)
    for text in _notes(snapshot, task):
        note(text)
    return SERVED if snapshot.models else NONE_SERVED


def _task_and_route(file: RouteFile, name: str) -> tuple[str, Route | None]:
    folded, routes = name.strip().casefold(), file.routes()
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


def _with_history(rows: Sequence[Row], route: Route, history: History, catalog: HubCatalog) -> list[Row]:
    """Sort the models of the route's history first, in the order of choice; look up those that are in no list."""
    records = list(history.models(route.name))
    if not is_simulated():
        records = [record for record in records if not is_sandbox_model(record["id"])]
    if not records:
        return list(rows)
    from omni_router.selection.order import cooling_down, rank_candidates

    served = {row.model.id: row.model for row in rows}
    cooldowns, now = history.cooling(), datetime.now(timezone.utc)
    used: list[Row] = []
    for place, candidate in enumerate(rank_candidates(records, served.values(), cooldowns=cooldowns, now=now), 1):
        if candidate["source"] != "history":
            continue
        name = candidate["model"]
        notes = [candidate["why"], cooling_down(name, cooldowns, now)]
        model = served.pop(name, None)
        if model is None:
            model = CatalogModel(name, ())
            check = catalog.check(name, candidate["provider"], route.task, wait_for_fresh=True)
            notes.append(_standing(check))
        used.append(Row(model, place, tuple(filter(None, notes))))
    return [*used, *map(Row, served.values())]


def _standing(check: Availability) -> str | None:
    """Return what the Hub knows about a model that is not in any of its lists."""
    if check.refused or not check.verified:
        return check.why
    if check.provider is None:
        return "served"
    return f"served by {check.provider}"


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Yield what is missing or old in a snapshot."""
    if snapshot.stale and snapshot.at is not None:
        yield f"the Hub did not answer; this list is from {_as_of(snapshot)}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
