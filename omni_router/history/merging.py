"""How the records that several writers have of one model are merged, whatever the store. Pure functions."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import add
from typing import Any

from omni_router.config.records import COUNTS, ModelRecord, parts_of, set_ids, set_recent
from omni_router.costs import rounded

# A route seldom sees more than a handful of models; fifty keep the file readable and a turn's candidates bounded.
MAX_MODELS = 50

Combine = Callable[[Any, Any], Any]  # merges two counts, or two amounts, into one


def merge(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Merge what several writers know of a route's models: each model once, its counts added."""
    merged: dict[str, ModelRecord] = {}
    for record in sorted(records, key=_last_used):  # the newest reason wins
        known = merged.get(record["id"])
        merged[record["id"]] = _combine(known, record, add) if known else record
    return list(merged.values())


def merge_bounded(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Merge what several writers know of a route's models; of too many, those used longest ago are dropped."""
    models = merge(records)  # sorted by their last use
    excess = len(models) - MAX_MODELS
    if excess <= 0:
        return models
    used = [record["id"] for record in models if "last_used" in record]
    dropped = set(used[:excess])
    return [record for record in models if record["id"] not in dropped]


def merge_max(known: ModelRecord | None, record: ModelRecord) -> ModelRecord:
    """Merge two copies of one history, and keep the higher of two counts."""
    if known is None:
        return record
    older, newer = sorted((known, record), key=_last_used)
    return _combine(older, newer, max)


def subtract(record: ModelRecord, known: ModelRecord | None) -> ModelRecord:
    """Return what has to be merged with `known` to get `record`."""
    if known is None:
        return record
    rest: ModelRecord = {**record}
    for key in COUNTS:
        if key in record:
            rest[key] = record.get(key, 0) - known.get(key, 0)
    if "cost" in record:
        rest["cost"] = rounded(record["cost"] - known.get("cost", 0.0))
    before = known.get("failures", {})
    rest["failures"] = {kind: number - before.get(kind, 0) for kind, number in record.get("failures", {}).items()}
    recent = Counter(record.get("recent", ())) - Counter(known.get("recent", ()))
    rest["recent"] = list(recent.elements())
    return rest


def _combine(older: ModelRecord, newer: ModelRecord, combine: Combine) -> ModelRecord:
    record: ModelRecord = {**older, **newer}
    first_seen = min(filter(None, (older.get("first_seen"), newer.get("first_seen"))), default=None)
    if first_seen:
        record["first_seen"] = first_seen
    for key in COUNTS:
        if key in older or key in newer:
            record[key] = combine(older.get(key, 0), newer.get(key, 0))
    if "cost" in record:
        record["cost"] = rounded(combine(older.get("cost", 0.0), newer.get("cost", 0.0)))
    record["failures"] = _combine_failures(older.get("failures", {}), newer.get("failures", {}), combine)
    before, after = Counter(older.get("recent", ())), Counter(newer.get("recent", ()))
    recent = before | after if combine is max else before + after
    set_recent(record, sorted(recent.elements()))
    set_ids(record, "decisions", [*older.get("decisions", ()), *newer.get("decisions", ())])
    set_ids(record, "doubted", [*older.get("doubted", ()), *newer.get("doubted", ())])
    _combine_last_failure(record, older, newer)
    return record


def _combine_failures(ours: Mapping[str, int], theirs: Mapping[str, int], combine: Combine) -> dict[str, int]:
    failures: dict[str, int] = {}
    for kind in sorted({*ours, *theirs}):
        failures[kind] = combine(ours.get(kind, 0), theirs.get(kind, 0))
    return failures


def _combine_last_failure(record: ModelRecord, older: ModelRecord, newer: ModelRecord) -> None:
    """Set the later of two last failures, in place, unless an answer came after it."""
    record.pop("last_failure", None)
    failures = [each["last_failure"] for each in (older, newer) if "last_failure" in each]
    if not failures:
        return
    last = max(failures, key=lambda failure: failure["at"])
    if not _answered_since(record, last["at"]):
        record["last_failure"] = last


def _answered_since(record: ModelRecord, time: str) -> bool:
    """Return whether the model answered later than a time; within one second the order is not known."""
    for line in record.get("recent", ()):
        at, outcome, _ = parts_of(line)
        if outcome == "answered" and at > time:
            return True
    return False


def _last_used(record: ModelRecord) -> str:
    return record.get("last_used", "")
