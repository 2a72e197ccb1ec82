"""What history means, without any store: folding in a use or a verdict, merging. Pure functions."""

import operator
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from omni_router.config.records import (
    COUNTS,
    RECENT,
    as_entry,
    parts_of,
    read_record,
    with_decisions,
    with_recent,
    without_provider,
)
from omni_router.errors import KINDS
from omni_router.history.protocol import Feedback, LastFailure, ModelRecord, UsageRecord

__all__ = [
    "COUNTS",
    "RECENT",
    "add",
    "apply_feedback",
    "apply_usage",
    "as_entry",
    "counted",
    "import_record",
    "learn",
    "merge",
    "merge_max",
    "read_record",
]

# A route seldom sees more than a handful of models; fifty keep the file readable and a turn's candidates bounded.
MAX_MODELS = 50
MAX_LEARNED = 200  # examples kept of a route: past some hundred more of them teach a router little
MAX_LEARNED_CHARACTERS = 2000  # of one example: what is longer is mostly pasted material


def apply_usage(models: list[Any], use: UsageRecord) -> bool:
    """Fold a use into the raw `models` list of its route, in place; tell whether anything changed.

    A failure never adds a model, and neither does a use that the caller settled. A decision that was counted already
    is in there and counts no more. Keys this package does not know stay as they are.
    """
    at = _find(models, use.model)
    if at is None:
        if use.outcome is not None or use.by_caller:
            return False
        at = _add(models)
    known = read_record(models[at]) or ModelRecord(id=use.model)
    if not counted(known, use):
        _put(models, at, _settled(known, use) if use.by_caller else _folded(known, use))
    return True


def apply_feedback(models: list[Any], feedback: Feedback) -> bool:
    """Count a verdict on a model in the raw `models` list of its route, in place; tell whether anything changed."""
    at = _find(models, feedback.model)
    if feedback.verdict == "should_be" or at is None:  # the route was wrong, which is not the model's fault
        return False
    record = read_record(models[at]) or ModelRecord(id=feedback.model)
    record[feedback.verdict] = record.get(feedback.verdict, 0) + 1
    _put(models, at, record)
    return True


def learn(learned: list[Any], text: str) -> bool:
    """Add an example, newest last, in place; tell whether anything changed."""
    text = text.strip()[:MAX_LEARNED_CHARACTERS]
    if not text or text in learned:
        return False
    learned.append(text)
    del learned[:-MAX_LEARNED]
    return True


def merge(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Join what several writers know of a route's models: each model once, its counts added."""
    joined: dict[str, ModelRecord] = {}
    for record in sorted(records, key=lambda record: record.get("last_used", "")):  # the newest reason wins
        known = joined.get(record["id"])
        joined[record["id"]] = _joined(known, record, operator.add) if known else record
    return list(joined.values())


def merge_max(known: ModelRecord | None, given: ModelRecord) -> ModelRecord:
    """Join two copies of one history: of each count the higher one holds."""
    if known is None:
        return given
    older, newer = sorted((known, given), key=lambda record: record.get("last_used", ""))
    return _joined(older, newer, max)


def import_record(models: list[Any], given: ModelRecord) -> bool:
    """Join a record of another copy into the raw `models` list of its route, in place; tell whether it changed."""
    at = _find(models, given["id"])
    known = None if at is None else read_record(models[at])
    joined = merge_max(known, given)
    if joined == known:
        return False
    _put(models, _add(models) if at is None else at, joined)
    return True


def add(models: list[Any], given: ModelRecord) -> None:
    """Add a record to the raw `models` list of its route, in place."""
    at = _find(models, given["id"])
    known = None if at is None else read_record(models[at])
    [joined] = merge([known, given] if known else [given])
    _put(models, _add(models) if at is None else at, joined)


def _joined(older: ModelRecord, newer: ModelRecord, join: Callable[[int, int], int]) -> ModelRecord:
    record: ModelRecord = {**older, **newer}
    if first := sorted(filter(None, (older.get("first_seen"), newer.get("first_seen")))):
        record["first_seen"] = first[0]
    for key in COUNTS:
        if key in older or key in newer:
            record[key] = join(older.get(key, 0), newer.get(key, 0))
    ours, theirs = older.get("failures", {}), newer.get("failures", {})
    record["failures"] = {kind: join(ours.get(kind, 0), theirs.get(kind, 0)) for kind in sorted({*ours, *theirs})}
    lines = [Counter(each.get("recent", ())) for each in (older, newer)]
    ours_and_theirs = lines[0] + lines[1] if join is operator.add else lines[0] | lines[1]
    record |= with_recent(sorted(ours_and_theirs.elements()))
    record |= with_decisions((*older.get("decisions", ()), *newer.get("decisions", ())))
    record.pop("last_failure", None)
    if failures := [r["last_failure"] for r in (older, newer) if "last_failure" in r]:
        last = max(failures, key=lambda failure: failure["at"])
        answers = (at for at, outcome, _ in map(parts_of, record.get("recent", ())) if outcome == "answered")
        if not any(at > last["at"] for at in answers):  # within one second nobody can tell
            record["last_failure"] = last
    return record


def _folded(record: ModelRecord, use: UsageRecord) -> ModelRecord:
    speaks_against = use.outcome is not None and KINDS[use.outcome].penalizes_model
    folded: ModelRecord = {
        **_noted(record, use),
        "first_seen": record.get("first_seen", use.at),
        "last_used": max(use.at, record.get("last_used", "")),  # uses may arrive out of order
        "last_reason": use.reason,
        "uses": record.get("uses", 0) + 1,
        "successes": record.get("successes", 0) + (use.called and use.outcome is None),
        "failures": record.get("failures", {}),
    }
    if use.outcome is not None and speaks_against:
        folded["failures"] = {**folded["failures"], use.outcome: folded["failures"].get(use.outcome, 0) + 1}
        folded["last_failure"] = LastFailure(at=use.at, kind=use.outcome)
    if use.called and use.seconds is not None:
        line = f"{use.at} {use.outcome or 'answered'} {use.seconds:.2f}s"
        folded |= with_recent([*record.get("recent", ()), line])
    if use.called and use.outcome is None:
        folded.pop("last_failure", None)
    return folded


def _settled(record: ModelRecord, use: UsageRecord) -> ModelRecord:
    """Count a use that the caller settled, in nothing that ranks."""
    noted = _noted(record, use)
    return {**noted, "by_callers": noted.get("by_callers", 0) + 1}


def _noted(record: ModelRecord, use: UsageRecord) -> ModelRecord:
    """Keep the id of a use's decision."""
    if use.decision is None:
        return {**record}
    return {**record, **with_decisions((*record.get("decisions", ()), f"{use.at} {use.decision}"))}


def counted(record: ModelRecord, use: UsageRecord) -> bool:
    """Tell whether a use's decision is among those counted last."""
    return use.decision is not None and any(use.decision == line.split()[-1] for line in record.get("decisions", ()))


def _find(models: list[Any], model: str) -> int | None:
    return next((i for i, entry in enumerate(models) if (r := read_record(entry)) and r["id"] == model), None)


def _add(models: list[Any]) -> int:
    """Make an empty place at the end, dropping the model used longest ago when there is no room.

    What was written by hand and never used is not ours to drop.
    """
    while len(models) >= MAX_MODELS:
        used = [i for i, entry in enumerate(models) if (r := read_record(entry)) and "last_used" in r]
        if not used:
            break
        del models[min(used, key=lambda i: models[i]["last_used"])]
    models.append({})
    return len(models) - 1


def _put(models: list[Any], at: int, record: ModelRecord) -> None:
    """Change an entry; unknown keys stay, and so does the id as it was written, with its provider if it has one."""
    known = models[at] if isinstance(models[at], dict) else {}
    written = models[at] if isinstance(models[at], str) else known.get("id", record["id"])
    changed: dict[str, Any] = {**known, **without_provider(record), "id": written}
    if "last_failure" not in record:  # an answer took it away
        changed.pop("last_failure", None)
    models[at] = changed
