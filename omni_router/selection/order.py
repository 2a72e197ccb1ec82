"""Which models are on offer for a route, and in which order. Pure functions; docs/order-of-choice.md has the table."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

from omni_router.errors import ErrorKind
from omni_router.history.cooldowns import Waits, still_cooling
from omni_router.history.protocol import ModelRecord
from omni_router.hub.catalog import CatalogModel
from omni_router.selection.ranking import by_rank, score
from omni_router.selection.routes import eligible_routes
from omni_router.state import Candidate, RejectedCandidate

__all__ = ["MAX_CANDIDATES", "cooling_down", "eligible_routes", "order_of_choice", "rejected", "untried"]

# Enough to choose from; a 1.5B router reads every one of them in its prompt, for every route.
MAX_CANDIDATES = 5


def order_of_choice(
    records: Iterable[ModelRecord],
    listed: Iterable[CatalogModel],
    *,
    previous: str | None = None,
    waits: Waits,
    now: datetime,
) -> list[Candidate]:
    """Line up a route's models, best first, each once.

    First `previous`, the model that this thread used last for this route; then history by `score`; then what the
    catalog lists, in its order. Models that are cooling down come after all others, those that wait shortest first.
    """
    line = [
        Candidate(model=record["id"], provider=record.get("provider"), source="history", why=_told(record, now))
        for record in by_rank(records, now)
    ]
    line += [
        Candidate(model=model.id, provider=None, source="catalog", why=f"number {place} in the catalog")
        for place, model in enumerate(listed, 1)
    ]
    unique: dict[str, Candidate] = {}
    for candidate in line:
        unique.setdefault(candidate["model"], candidate)
    if previous in unique:
        kept: Candidate = {**unique.pop(previous), "why": "this thread's model for the route"}
        unique = {previous: kept, **unique}
    line = list(unique.values())
    ends = {c["model"]: wait["until"] for c in line if (wait := still_cooling(waits.get(c["model"], ()), now))}
    return sorted(line, key=lambda candidate: ends.get(candidate["model"], ""))


def rejected(candidate: Candidate, why: str, kind: ErrorKind | None = None) -> RejectedCandidate:
    """Say why a candidate was not taken; `kind` is that of the error its call would have ended in."""
    return RejectedCandidate(model=candidate["model"], source=candidate["source"], kind=kind, why=why)


def cooling_down(model: str, waits: Waits, now: datetime) -> str | None:
    """Say why and how long a model is left alone; None when it is not."""
    wait = still_cooling(waits.get(model, ()), now)
    return f"cooling down after {wait['kind']} until {wait['until']}" if wait else None


def untried(
    line: Iterable[Candidate], attempts: Iterable[Mapping[str, object]], over: Sequence[RejectedCandidate]
) -> list[Candidate]:
    """Leave out what was called in this turn, or refused without a call."""
    out = {each["model"] for each in chain(attempts, (one for one in over if one["kind"]))}
    return [candidate for candidate in line if candidate["model"] not in out]


def _told(record: ModelRecord, now: datetime) -> str:
    failures = sum(record.get("failures", {}).values())
    calls = record.get("successes", 0) + failures
    if not calls and not record.get("uses"):
        return "named in the policy, not used yet"
    answered = f"{record.get('successes', 0)} of {calls} answered" if calls else "not called yet"
    verdicts = "".join(f", {record[key]} {key}" for key in ("good", "bad") if record.get(key))
    speed = f", {record['median_seconds']:g} s" if "median_seconds" in record else ""
    return f"history: {answered}{verdicts}{speed}, score {score(record, now):.2f}"
