"""What the services know of a route's models, brought together and put in order."""

from collections.abc import Iterable
from datetime import datetime, timezone

from omni_router.config.routes import Route
from omni_router.hub.capabilities import Needs
from omni_router.hub.catalog import Listing
from omni_router.model_id import is_sandbox_model
from omni_router.selection.order import order_of_choice
from omni_router.services import Services
from omni_router.simulation import is_simulated
from omni_router.state import Candidate, Previous


def line_up(
    services: Services, routes: Iterable[Route], previous: Previous | None, needs: Needs = ()
) -> dict[str, list[Candidate]]:
    """Give the candidates of each route, best first; sandbox models that a file holds are left out of real runs."""
    routes = list(routes)
    listed: dict[str, Listing] = services.catalog.models(dict.fromkeys(route.task for route in routes))
    waits, now = services.history.cooling(), datetime.now(timezone.utc)
    sandboxed = is_simulated()
    lines = {
        route.name: order_of_choice(
            [r for r in services.history.models(route.name) if sandboxed or not is_sandbox_model(r["id"])],
            [model for model in listed[route.task] if model.meets(needs)] or listed[route.task],
            previous=previous["model"] if previous and previous["route"] == route.name else None,
            waits=waits,
            now=now,
        )
        for route in routes
    }
    if previous and previous["route"] in lines and previous.get("by_caller"):
        lines[previous["route"]] = [_as_callers(each, previous) for each in lines[previous["route"]]]
    return lines


def _as_callers(candidate: Candidate, previous: Previous) -> Candidate:
    """Return a candidate with the caller as its source if the thread had it from there."""
    return {**candidate, "source": "caller"} if candidate["model"] == previous["model"] else candidate
