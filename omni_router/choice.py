"""Which models are on offer for a route, and which of them come next. Pure functions."""

from collections.abc import Iterable, Sequence

from omni_router.config.policy import Route
from omni_router.history.protocol import ModelRecord
from omni_router.inference.catalog import CatalogModel
from omni_router.model_id import is_sandbox_model
from omni_router.state import Attempt, Candidate
from omni_router.tasks import TASKS

# Enough to choose from; a 1.5B router reads every one of them in its prompt, for every route.
MAX_CANDIDATES = 5


def offered_routes(routes: Iterable[Route], *, picture_now: bool, picture_before: bool) -> list[Route]:
    """Leave out the routes that cannot apply.

    A picture in the newest request needs a route that takes pictures; without any picture in the thread none of those
    can be meant; with one further up both may.
    """
    if picture_now:
        return [route for route in routes if TASKS[route.task].takes_pictures]
    return [route for route in routes if picture_before or not TASKS[route.task].takes_pictures]


def candidates(records: Sequence[ModelRecord], listed: Sequence[CatalogModel], *, sandboxed: bool) -> list[Candidate]:
    """Line up a route's models: its history, best first, then what the catalog lists; each once.

    Sandbox models that a file holds are left out of real runs.
    """
    line = [Candidate(model=record["id"], provider=record.get("provider"), source="history") for record in records]
    line += [Candidate(model=model.id, provider=None, source="catalog") for model in listed]
    seen: set[str] = set()
    return [
        candidate
        for candidate in line
        if (sandboxed or not is_sandbox_model(candidate["model"]))
        and not (candidate["model"] in seen or seen.add(candidate["model"]))  # type: ignore[func-returns-value]
    ]


def next_untried(line: Iterable[Candidate], attempts: Iterable[Attempt]) -> Candidate | None:
    """Give the first candidate not tried in this turn."""
    tried = {attempt["model"] for attempt in attempts}
    return next((candidate for candidate in line if candidate["model"] not in tried), None)
