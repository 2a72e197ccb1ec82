"""`--list-models`: what inference providers serve now for a task, and in which order a route takes them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import click

from omni_router.cli.console import note, status
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.cli.model_table import Row, print_table
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Route
from omni_router.errors import ConfigurationError
from omni_router.history.cooldowns import write_time
from omni_router.hub.catalog import CatalogSnapshot
from omni_router.hub.requirements import Requirements
from omni_router.services.history import open_history
from omni_router.tasks import TASKS

SERVED, NONE_SERVED = 0, 1


def run(ctx: click.Context, *, list_models: str, hf_token: str | None, as_json: bool, **_: Any) -> int:
    """Show what inference providers serve now for a task; for a route, also in which order they are chosen, and why.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.cli.route_models import KnownModels, rows_of_route
    from omni_router.services import open_evidence, open_joined_catalog

    environment = read_environment_and_warn(ctx)
    file = RouteFile(environment.route_config, environment.limits())
    task, route = _task_and_route(file, list_models)
    catalog = open_joined_catalog(environment, hf_token, file.providers)
    routes = [route] if route else file.routes()
    limits = [Requirements(only=each.parameters.only) for each in routes]
    status.begin("asking for models and providers")
    snapshot = catalog.snapshot_within(limits, task)
    title = f"task {task}"
    rows = [Row(model) for model in snapshot.models]
    sources: list[str] = []
    if route:
        title = f"route {route.name}, {title}"
        allowed = catalog.within(limits)
        known = KnownModels(route, snapshot.models, open_history(environment, file), allowed)
        evidence = open_evidence(environment) if allowed is catalog else None
        rows, sources = rows_of_route(known, evidence, shadow=environment.evidence == "shadow")
        if allowed is not catalog:
            sources = ["`only` allows models of your own alone, so the Hub was not asked"]
    status.end()
    if as_json:
        _print_json(rows, snapshot)
    elif rows:
        print_table(title, rows)
    for text in (*_notes(snapshot, task), *sources):
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


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Yield what is missing or old in a snapshot."""
    if snapshot.stale and snapshot.at is not None:
        yield f"the Hub did not answer; this list is from {_as_of(snapshot)}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
