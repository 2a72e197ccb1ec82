"""Which models are on offer for a route, and in which order. Pure functions; docs/order-of-choice.md has the table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain

from omni_router.config.policy import Route
from omni_router.history.cooldown import Waits, read_time, still_cooling
from omni_router.history.protocol import ModelRecord
from omni_router.inference.catalog import CatalogModel
from omni_router.state import Candidate, PassedOver
from omni_router.tasks import TASKS

# Enough to choose from; a 1.5B router reads every one of them in its prompt, for every route.
MAX_CANDIDATES = 5

# A model that nobody has called counts as three answers of four: good enough to be tried before one that fails every
# third time, not good enough to replace one that has proved itself.
PRIOR_ANSWERS, PRIOR_CALLS = 3, 4
VERDICT = 2  # calls that a person's word is worth: an answer that arrives is not yet a good one
HALF_LIFE = timedelta(days=14)  # of the bonus for being in use: providers swap what they serve within weeks
RECENCY = 0.1  # that bonus at most: it decides between equals, and weighs less than one failure of ten calls
SLOW = 60.0  # median seconds that cost the most, as much as the bonus for being in use
LATENCY = 0.1


def offered_routes(routes: Iterable[Route], *, picture_now: bool, picture_before: bool) -> list[Route]:
    """Leave out the routes that cannot apply.

    A picture in the newest request needs a route that takes pictures; without any picture in the thread none of those
    can be meant; with one further up both may.
    """
    if picture_now:
        return [route for route in routes if TASKS[route.task].takes_pictures]
    return [route for route in routes if picture_before or not TASKS[route.task].takes_pictures]


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


def score(record: ModelRecord, now: datetime) -> float:
    """Rate a model of the history: how often it answers, a little for being in use, a little against being slow."""
    answers = record.get("successes", 0) + VERDICT * record.get("good", 0)
    failures = sum(record.get("failures", {}).values()) + VERDICT * record.get("bad", 0)
    rate = (answers + PRIOR_ANSWERS) / (answers + failures + PRIOR_CALLS)
    age = max(now - read_time(record.get("last_used", "")), timedelta())
    in_use = math.exp2(-(age / HALF_LIFE))
    slow = min(record.get("median_seconds", 0.0) / SLOW, 1.0)
    return rate + RECENCY * in_use - LATENCY * slow


def by_rank(records: Iterable[ModelRecord], now: datetime) -> list[ModelRecord]:
    """Order by score, and equals by their last use: the bonus for being in use fades until it tells nothing."""
    return sorted(records, key=lambda record: (round(score(record, now), 6), record.get("last_used", "")), reverse=True)


def passed_over(candidate: Candidate, why: str, kind: str | None = None) -> PassedOver:
    """Say why a candidate was not taken; `kind` is that of the error its call would have ended in."""
    return PassedOver(model=candidate["model"], source=candidate["source"], kind=kind, why=why)


def cooling_down(model: str, waits: Waits, now: datetime) -> str | None:
    """Say why and how long a model is left alone; None when it is not."""
    wait = still_cooling(waits.get(model, ()), now)
    return f"cooling down after {wait['kind']} until {wait['until']}" if wait else None


def untried(
    line: Iterable[Candidate], attempts: Iterable[Mapping[str, object]], over: Sequence[PassedOver]
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
