"""How long a model is left alone after a failure. Pure functions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from omni_router.errors import KINDS
from omni_router.history.protocol import Cooling, UsageRecord

LONG = timedelta(hours=6)  # nobody serves it: providers change their lists within days, not minutes
FIRST = timedelta(seconds=15)  # a hiccup: then twice as long each time
MOST = timedelta(minutes=15)  # an overloaded provider is back by then, or stays away for good
MOST_ASKED = timedelta(hours=1)  # what a server may ask for: a wrong clock is not to silence a model for days
FORGET = timedelta(hours=1)  # after a wait is over, failures count as in a row no longer than this

Cooldowns = Mapping[str, Sequence[Cooling]]


def next_cooldowns(waits: Sequence[Cooling], use: UsageRecord) -> list[Cooling]:
    """Give a model's waits after a use: none after an answer, one more or a longer one after a failure."""
    if use.outcome is None:
        return [] if use.called else list(waits)
    cooldown = KINDS[use.outcome].cooldown
    if cooldown is None:
        return list(waits)
    now = read_time(use.at)
    before = next((wait for wait in waits if wait["kind"] == use.outcome), None)
    if before is not None and use.decision is not None and before.get("decision") == use.decision:
        return list(waits)  # a run that was resumed tells of the same failure
    in_a_row = before is not None and now < read_time(before["until"]) + FORGET
    times = before["times"] + 1 if before and in_a_row else 1
    if cooldown == "long":
        wait = LONG
    elif use.retry_after is not None:
        wait = min(timedelta(seconds=use.retry_after), MOST_ASKED)
    else:
        wait = min(FIRST * 2 ** min(times - 1, 10), MOST)
    entry = Cooling(kind=use.outcome, until=write_time(now + wait), times=times)
    if use.decision is not None:
        entry["decision"] = use.decision
    return [*(wait for wait in waits if wait["kind"] != use.outcome), entry]


def active_cooldown(waits: Sequence[Cooling], now: datetime) -> Cooling | None:
    """Give the wait that ends last, if it is not over."""
    last = max(waits, key=lambda wait: wait["until"], default=None)
    return last if last and read_time(last["until"]) > now else None


def without_forgotten(waits: Cooldowns, now: datetime) -> dict[str, list[Cooling]]:
    """Leave out what no longer matters, so that a store of waits stays small."""
    kept = {model: [w for w in each if read_time(w["until"]) + FORGET > now] for model, each in waits.items()}
    return {model: each for model, each in kept.items() if each}


def write_time(time: datetime) -> str:
    """Write a time as history does: UTC, ISO 8601, seconds, `Z`; a started second counts, or a wait would end early."""
    return f"{time + timedelta(microseconds=-time.microsecond % 1_000_000):%Y-%m-%dT%H:%M:%SZ}"


def read_time(text: str) -> datetime:
    """Read such a time; what is none lies in the distant past."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)
