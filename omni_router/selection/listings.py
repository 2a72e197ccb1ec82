"""What the routes of a policy are, and which models there are for them, as JSON for commands and servers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from omni_router.config.routes import Policy, Route
from omni_router.errors import ConfigurationError
from omni_router.history import History, ModelRecord
from omni_router.history.cooldowns import write_time
from omni_router.selection.ranking import by_rank
from omni_router.tasks import TASKS

if TYPE_CHECKING:  # the Hub's client comes with these
    from omni_router.config.parameters import Prefer
    from omni_router.hub.catalog import CatalogSnapshot, HubCatalog
    from omni_router.hub.evidence import HubEvidence
    from omni_router.own_models.joined_catalog import JoinedCatalog, OwnCatalog

ONLY_OWN = "`only` allows models of your own alone, so the Hub was not asked"


def route_as_json(route: Route, records: Sequence[ModelRecord]) -> dict[str, Any]:
    """Return a route with the models of its history, the best first."""
    return {
        "name": route.name,
        "task": route.task,
        "description": route.description,
        "fallback": route.fallback,
        "models": by_rank(records, datetime.now(timezone.utc)),
        "parameters": route.parameters.as_json(),
    }


@dataclass(frozen=True)
class ModelSources:
    """Where the models of routes are known from."""

    policy: Policy
    history: History
    catalog: "HubCatalog | JoinedCatalog"
    evidence: "HubEvidence | None"
    shadow: bool  # whether what the evidence would choose is only shown
    prefer: "Prefer | float | None" = None  # where a request leaves it open; None: the route's


def list_models(sources: ModelSources, name: str) -> dict[str, Any]:
    """Return the models that providers serve now for a task or a route; for a route in the order of choice.

    Returns:
        `title`, what was listed; `prefer`, what counts on the route, None for a task; `models`, each as JSON; `notes`,
        what is missing or old, and what the order rests on; `served`, whether a provider serves any.

    Raises:
        ConfigurationError: there is no such task or route.
    """
    from omni_router.selection.model_rows import KnownModels, Row, rows_of_route

    task, route = _task_and_route(sources.policy, name)
    catalog = _allowed(sources.catalog, [route] if route else sources.policy.routes())
    snapshot = catalog.snapshot(task)
    title, prefer = f"task {task}", None
    rows = list(map(Row, snapshot.models))
    remarks: list[str] = []
    if route:
        title = f"route {route.name}, {title}"
        known = KnownModels(route, snapshot.models, sources.history, catalog, sources.prefer)
        prefer = known.required.prefer
        evidence = sources.evidence if catalog is sources.catalog else None
        rows, remarks = rows_of_route(known, evidence, shadow=sources.shadow)
        if catalog is not sources.catalog:
            remarks = [ONLY_OWN]
    freshness = {"as_of": _as_of(snapshot), "stale": snapshot.stale}
    return {
        "title": title,
        "prefer": prefer,
        "models": [row.as_json() | freshness for row in rows],
        "notes": [*_notes(snapshot, task), *remarks],
        "served": bool(snapshot.models),
    }


def _allowed(
    catalog: "HubCatalog | JoinedCatalog", routes: Iterable[Route]
) -> "HubCatalog | JoinedCatalog | OwnCatalog":
    """Return the catalog for these routes: without the Hub, if they allow models of one's own alone."""
    from omni_router.hub.requirements import Requirements
    from omni_router.own_models.joined_catalog import JoinedCatalog

    if not isinstance(catalog, JoinedCatalog):
        return catalog
    return catalog.within([Requirements(only=route.parameters.only) for route in routes])


def _task_and_route(policy: Policy, name: str) -> tuple[str, Route | None]:
    folded, routes = name.strip().casefold(), policy.routes()
    if folded in TASKS:
        return folded, None
    for route in routes:
        if route.name.casefold() == folded:
            return route.task, route
    names = ", ".join(route.name for route in routes)
    raise ConfigurationError(f"--list-models takes a task ({', '.join(TASKS)}) or a route ({names}), not {name!r}")


def _as_of(snapshot: "CatalogSnapshot") -> str | None:
    """Return the time of the oldest list in a snapshot."""
    if snapshot.at is None:
        return None
    return write_time(datetime.fromtimestamp(snapshot.at, timezone.utc))


def _notes(snapshot: "CatalogSnapshot", task: str) -> Iterator[str]:
    """Yield what is missing or old in a snapshot."""
    if snapshot.stale and snapshot.at is not None:
        yield f"the Hub did not answer; this list is from {_as_of(snapshot)}"
    if snapshot.missing:
        yield f"could not load {' and '.join(snapshot.missing)}: check the network connection and the token"
    elif not snapshot.models:
        yield f"no inference provider serves a model for {task} right now"
