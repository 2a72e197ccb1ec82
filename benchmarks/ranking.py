"""What the choice by evidence adds to a turn: 100 models of 10 providers each, on 40 boards, for eight routes.

    python -m benchmarks.ranking

One turn gathers the candidates of all routes, and then those of the route that is taken. It is measured in milliseconds
of processor time (the median of many turns), with the evidence and without, in turns: as new routes, with a history
that changes after each turn, and once where all is read anew, as after a refresh.
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from benchmarks.gates import TASK, listed_models
from omni_router.config.parameters import RouteParameters
from omni_router.config.routes import Route
from omni_router.history import ModelRecord
from omni_router.hub.capabilities import Listing, read_listing
from omni_router.hub.evidence import BoardRow, EvidenceSnapshot
from omni_router.hub.requirements import Requirements
from omni_router.selection.order import rank_candidates
from omni_router.selection.ranked_models import RouteModels, prepare, rank_models
from omni_router.selection.scored_candidates import scored_candidates

BOARDS, ROUTES, USED, TURNS = 40, 8, 10, 200
REQUIRED = Requirements(tokens_in=2_000, tokens_out=1_000)


def snapshot_of(listing: Listing) -> EvidenceSnapshot:
    """Return made-up rows of boards that each know most of the models."""
    draw = random.Random(2026)
    rows = [
        BoardRow(f"org/board-{board}", model.id, draw.gauss(50, 15))
        for board in range(BOARDS)
        for model in listing
        if draw.random() < 0.8  # noqa: PLR2004 (most)
    ]
    return EvidenceSnapshot(rows=tuple(rows), at=0.0)


def read_anew(snapshot: EvidenceSnapshot) -> EvidenceSnapshot:
    """Return the same rows as a refresh brings them: in new objects."""
    return replace(snapshot, rows=(*snapshot.rows,))


def records_of(listing: Listing, answers: int) -> list[ModelRecord]:
    """Return the history of a route."""
    used = [ModelRecord(id=model.id, uses=answers, successes=answers) for model in listing[:USED]]
    return [{**record, "last_used": "2026-01-31T12:00:00Z"} for record in used]


def by_evidence(models: RouteModels, snapshot: EvidenceSnapshot) -> None:
    """Order the models of a route by score."""
    ranking = rank_models(models, snapshot)
    if ranking is None:
        raise RuntimeError("no board knows a model")
    scored_candidates(ranking, previous=None, cooldowns={}, now=models.now)


def as_before(models: RouteModels) -> None:
    """Order the models of a route as without evidence."""
    rank_candidates(models.records, models.listing, cooldowns={}, now=models.now)


def milliseconds(work: Callable[[int], object], turns: int = TURNS) -> float:
    """Return the median processor time of a call, which gets the number of its turn."""
    times: list[float] = []
    for turn in range(turns):
        started = time.process_time_ns()
        work(turn)
        times.append((time.process_time_ns() - started) / 1e6)
    return statistics.median(times)


def main() -> None:
    """Print what a turn takes with the evidence and without."""
    models = listed_models()
    listing = read_listing(TASK, models, {str(model["id"]): model for model in models}, limit=None)
    snapshot, now = snapshot_of(listing), datetime.now(timezone.utc)
    routes = [
        Route(f"route-{n}", TASK, "", parameters=RouteParameters(boards=(f"org/board-{n}",))) for n in range(ROUTES)
    ]

    def every_route(choose: Callable[[RouteModels], object], turn: int, *, used: bool) -> None:
        """Rank each route; in each turn the history of one of them has changed."""
        for number, route in enumerate(routes):
            answers = turn if number == turn % ROUTES else number
            records = records_of(listing, answers) if used else []
            choose(RouteModels(route, records, listing, REQUIRED, now))

    with_it, without = partial(by_evidence, snapshot=snapshot), as_before
    with_it(RouteModels(routes[0], [], listing, REQUIRED, now))
    for name, used in (("no route was used", False), ("all were used, and one since the last turn", True)):
        plain = milliseconds(partial(every_route, without, used=used))
        scored = milliseconds(partial(every_route, with_it, used=used))
        print(f"{name:<44} by score {scored:6.2f} ms, without {plain:6.2f} ms, ratio {scored / plain:.2f}")
    first = RouteModels(routes[0], [], listing, REQUIRED, now)
    anew = milliseconds(lambda _: by_evidence(first, read_anew(snapshot)), 5)
    print(f"{'one route after a refresh, in the background':<44} by score {anew:6.2f} ms")
    prepared = [read_anew(snapshot) for _ in range(5)]
    for each in prepared:
        prepare(each)
    anew = milliseconds(lambda turn: by_evidence(first, prepared[turn]), len(prepared))
    print(f"{'one route after a refresh, in the next turn':<44} by score {anew:6.2f} ms")


if __name__ == "__main__":
    main()
