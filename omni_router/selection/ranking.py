"""The ranking of a route's models by their record. Pure functions; docs/order-of-choice.md has the formula."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from omni_router.config.records import bad_ratings
from omni_router.history.cooldowns import read_time
from omni_router.history.protocol import ModelRecord

# A model that nobody has called counts as three answers of four: good enough to be tried before one that fails every
# third time, not good enough to replace one that has proved itself.
PRIOR_ANSWERS, PRIOR_CALLS = 3, 4
VERDICT = 2  # calls that a person's word is worth: an answer that arrives is not yet a good one
HALF_LIFE = timedelta(days=14)  # the bonus for being in use halves: providers swap what they serve within weeks
RECENCY = 0.1  # the largest such bonus: it decides between equals, and weighs less than one failure of ten calls
SLOW = 60.0  # median seconds that cost the most, as much as the bonus for being in use
LATENCY = 0.1


def score(record: ModelRecord, now: datetime) -> float:
    """Rate a model of the history: how often it answers, a little for being in use, a little against being slow."""
    answers = record.get("successes", 0) + VERDICT * record.get("good", 0)
    failures = sum(record.get("failures", {}).values()) + VERDICT * bad_ratings(record)
    rate = (answers + PRIOR_ANSWERS) / (answers + failures + PRIOR_CALLS)
    age = max(now - read_time(record.get("last_used", "")), timedelta())
    in_use = math.exp2(-(age / HALF_LIFE))
    slow = min(record.get("median_seconds", 0.0) / SLOW, 1.0)
    return rate + RECENCY * in_use - LATENCY * slow


def by_rank(records: Iterable[ModelRecord], now: datetime) -> list[ModelRecord]:
    """Order by score, and equals by their last use, since the bonus for being in use fades to nothing."""
    return sorted(records, key=lambda record: (round(score(record, now), 6), record.get("last_used", "")), reverse=True)


def describe_record(record: ModelRecord, now: datetime) -> str:
    """Describe a model's record in the history."""
    successes = record.get("successes", 0)
    calls = successes + sum(record.get("failures", {}).values())
    if not calls and not record.get("uses"):
        return "named in the policy, not used yet"
    parts = ["not called yet"]
    if calls:
        parts = [f"{successes} of {calls} answered"]
    if good := record.get("good"):
        parts.append(f"{good} good")
    if bad := record.get("bad"):
        parts.append(f"{bad} bad")
    if "median_seconds" in record:
        parts.append(f"{record['median_seconds']:g} s")
    return f"history: {', '.join(parts)}, score {score(record, now):.2f}"
