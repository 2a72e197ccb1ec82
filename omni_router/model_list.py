"""`--list-models`: what inference providers serve now for a task, and how a route ranks its own."""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import Route
from omni_router.errors import ConfigurationError
from omni_router.history import History
from omni_router.history.cooldowns import write_time
from omni_router.hub.catalog import Availability, CatalogModel, CatalogSnapshot, HubCatalog
from omni_router.model_id import is_sandbox_model
from omni_router.model_table import Row, format_table
from omni_router.services.history import open_history
from omni_router.simulation import is_simulated
from omni_router.tasks import TASKS
from omni_router.terminal import paint, table_width
from omni_router.waiting import waiting


def list_models(environment: Environment, args: argparse.Namespace) -> int:
    """Show what inference providers serve now for a task; of a route also how its history is ranked.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.services import open_catalog

    file = RouteFile(environment.route_config)
    task, route = _task_and_route(file, args.list_models)
    catalog = open_catalog(environment, args.hf_token)
    waiting.begin("asking the Hub for models and providers")
    snapshot = catalog.snapshot(task)
    rows = [_Row(model) for model in snapshot.models]
    if route:
        rows = _with_history(rows, route, open_history(environment, file), catalog)
    waiting.end()
    if args.json:
        as_of = None if snapshot.at is None else write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))
        print(json.dumps([{**row.as_json(), "as_of": as_of, "stale": snapshot.stale} for row in rows], indent=2))
    elif rows:
        print(_as_table(f"route {route.name}, task {task}" if route else f"task {task}", rows))
    for note in _notes(snapshot, task):
        print(f"omni-router: {note}", file=sys.stderr)
    return 0 if snapshot.models else 1


def _task_and_route(file: RouteFile, wanted: str) -> tuple[str, Route | None]:
    name, routes = wanted.strip().casefold(), file.routes()
    if name in TASKS:
        return name, None
    if route := next((route for route in routes if route.name.casefold() == name), None):
        return route.task, route
    names = ", ".join(route.name for route in routes)
    raise ConfigurationError(f"--list-models takes a task ({', '.join(TASKS)}) or a route ({names}), not {wanted!r}")


@dataclass(frozen=True)
class _Row:
    """A model, and, where a route's history has it, its place in the order of choice."""

    model: CatalogModel
    place: int | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        offers = [asdict(offer) for offer in self.model.entries]
        return {"id": self.model.id, "providers": offers, "place": self.place, "notes": self.notes}

    def as_row(self) -> Row:
        """Return the largest context and the lowest prices, which need not be those of one provider."""
        offers = self.model.entries
        contexts = [offer.context_length for offer in offers if offer.context_length is not None]
        tools = [offer.tools for offer in offers if offer.tools is not None]
        facts = (
            f"{max(contexts):,}" if contexts else "",
            _lowest(offer.input_price for offer in offers),
            _lowest(offer.output_price for offer in offers),
            ("yes" if any(tools) else "no") if tools else "",
        )
        notes = "; ".join([*([f"number {self.place}"] if self.place else []), *self.notes])
        return Row(self.model.id, self.model.providers, facts, notes)


def _lowest(prices: Iterable[float | None]) -> str:
    known = [price for price in prices if price is not None]
    return f"{min(known):.2f}" if known else ""


def _with_history(rows: Sequence[_Row], route: Route, history: History, catalog: HubCatalog) -> list[_Row]:
    """Put the models of the route's history first, in the order of choice; those in no list are looked up."""
    sandboxed = is_simulated()
    records = [r for r in history.models(route.name) if sandboxed or not is_sandbox_model(r["id"])]
    if not records:
        return list(rows)
    from omni_router.selection.order import cooling_down, rank_candidates

    served = {row.model.id: row.model for row in rows}
    waits, now = history.cooling(), datetime.now(timezone.utc)
    used = []
    for place, candidate in enumerate(rank_candidates(records, served.values(), cooldowns=waits, now=now), 1):
        if candidate["source"] != "history":
            continue
        model = served.pop(candidate["model"], None)
        unlisted = (
            None if model else catalog.check(candidate["model"], candidate["provider"], route.task, wait_for_fresh=True)
        )
        told = (candidate["why"], cooling_down(candidate["model"], waits, now), _standing(unlisted))
        used.append(_Row(model or CatalogModel(candidate["model"], ()), place, tuple(filter(None, told))))
    return [*used, *(_Row(model) for model in served.values())]


def _standing(check: Availability | None) -> str | None:
    """Say what the Hub knows of a model that is in none of its lists."""
    if check is None:
        return None
    if check.refused or not check.verified:
        return check.why
    return "served" if check.provider is None else f"served by {check.provider}"


def _as_table(title: str, rows: Sequence[_Row]) -> str:
    width = table_width()
    head, *lines = format_table([row.as_row() for row in rows], width)
    units = "Context: the largest, in tokens. Prices: the lowest, in US dollars per million tokens."
    served = f"Models served for {title}. {units}"
    return "\n".join([textwrap.fill(served, width) if width else served, "", paint(head, "bold"), *lines])


def _notes(snapshot: CatalogSnapshot, task: str) -> Iterator[str]:
    """Say what is not as good as it could be."""
    if snapshot.stale and snapshot.at is not None:
        at = write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))
        yield f"the Hub did not answer; this list is from {at}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
