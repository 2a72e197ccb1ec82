"""How uses, feedback and records of other copies are added to a route's models, whatever the store. Pure functions."""

import hashlib
from typing import Any

from omni_router.config.records import (
    LastFailure,
    ModelRecord,
    model_of,
    read_record,
    read_records,
    set_ids,
    set_recent,
    without_provider,
)
from omni_router.costs import rounded
from omni_router.errors import KINDS
from omni_router.history.merging import MAX_MODELS, merge, merge_max
from omni_router.history.protocol import Feedback, UsageRecord

MAX_LEARNED = 200  # examples kept of a route: past some hundred more of them teach a router little
MAX_LEARNED_CHARACTERS = 2000  # characters of one example: longer ones are mostly pasted material


def route_key(route: str) -> str:
    """Return the name under which a shared history knows a route, however it is written."""
    return str(storable(route)).strip().casefold()


def digest(text: str) -> str:
    """Return a short key for any text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def storable(value: Any) -> Any:
    """Copy a value without what PostgreSQL cannot hold: NUL, and half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(each) for each in value]
    return value


def apply_usage(models: list[Any], use: UsageRecord) -> bool:
    """Add a use to the raw `models` list of its route, in place, and return whether there was something to store.

    A failure never adds a model, and neither does a use whose model the caller named, or a doubt about an earlier one.
    A decision that was counted already is not counted again. Keys this package does not know stay as they are.
    """
    index = _find(models, use.model)
    if index is None:
        if use.outcome is not None or use.by_caller or use.is_earlier:
            return False
        index = _append(models)
    record = read_record(models[index]) or ModelRecord(id=use.model)
    if is_counted(record, use):
        return True
    updated: ModelRecord = {**record}
    if use.by_caller:
        updated["by_callers"] = record.get("by_callers", 0) + 1  # these calls do not affect the ranking
    elif not use.is_earlier:
        _count(updated, use)
        _add_cost(updated, use)
    if use.decision is not None and not use.is_earlier:  # last, as people read the counts first
        set_ids(updated, "decisions", [*record.get("decisions", ()), f"{use.at} {use.decision}"])
    if use.is_doubted and not use.by_caller:
        _add_doubt(updated, use)
    _put(models, index, updated)
    return True


def is_counted(record: ModelRecord, use: UsageRecord) -> bool:
    """Return whether the decision of a use, or a doubt about an earlier one, is among those counted last."""
    lines = record.get("doubted", ()) if use.is_earlier else record.get("decisions", ())
    return any(line.split()[-1] == use.decision for line in lines)


def apply_feedback(models: list[Any], feedback: Feedback) -> bool:
    """Count feedback on a model in the raw `models` list of its route, in place; return whether anything changed."""
    index = _find(models, feedback.model)
    if feedback.verdict == "should_be" or index is None:  # the route was wrong, which is not the model's fault
        return False
    record = read_record(models[index]) or ModelRecord(id=feedback.model)
    record[feedback.verdict] = record.get(feedback.verdict, 0) + 1
    _put(models, index, record)
    return True


def learn(learned: list[Any], text: str) -> bool:
    """Add an example, newest last, in place; return whether anything changed."""
    text = text.strip()[:MAX_LEARNED_CHARACTERS]
    if not text or text in learned:
        return False
    learned.append(text)
    del learned[:-MAX_LEARNED]
    return True


def add_record(models: list[Any], record: ModelRecord) -> None:
    """Add the counts of a record to the raw `models` list of its route, in place."""
    index = _find(models, record["id"])
    if index is None:
        _put(models, _append(models), record)
    else:
        known = read_records([models[index]])
        [merged] = merge([*known, record])
        _put(models, index, merged)


def import_record(models: list[Any], record: ModelRecord) -> bool:
    """Merge a record of another copy into the raw `models` list of its route, in place; return whether it changed."""
    index = _find(models, record["id"])
    if index is None:
        _put(models, _append(models), record)
        return True
    known = read_record(models[index])
    merged = merge_max(known, record)
    if merged == known:
        return False
    _put(models, index, merged)
    return True


def _count(record: ModelRecord, use: UsageRecord) -> None:
    """Count a use in its record, in place; uses may arrive out of order."""
    answered = use.called and use.outcome is None
    record["first_seen"] = record.get("first_seen", use.at)
    record["last_used"] = max(use.at, record.get("last_used", ""))
    record["last_reason"] = use.reason
    record["uses"] = record.get("uses", 0) + 1
    record["successes"] = record.get("successes", 0) + answered
    failures = {**record.get("failures", {})}
    if use.outcome is not None and KINDS[use.outcome].penalizes_model:
        failures[use.outcome] = failures.get(use.outcome, 0) + 1
        record["last_failure"] = LastFailure(at=use.at, kind=use.outcome)
    record["failures"] = failures
    if use.called and use.seconds is not None:
        set_recent(record, [*record.get("recent", ()), f"{use.at} {use.outcome or 'answered'} {use.seconds:.2f}s"])
    if answered:
        record.pop("last_failure", None)


def _add_cost(record: ModelRecord, use: UsageRecord) -> None:
    """Add the tokens and the cost of a use to its record, in place."""
    if use.usage is not None:
        record["input_tokens"] = record.get("input_tokens", 0) + use.usage["input_tokens"]
        record["output_tokens"] = record.get("output_tokens", 0) + use.usage["output_tokens"]
    if use.cost is not None:
        record["cost"] = rounded(record.get("cost", 0.0) + use.cost)
    elif use.is_cost_unknown:
        record["unknown_costs"] = record.get("unknown_costs", 0) + 1


def _add_doubt(record: ModelRecord, use: UsageRecord) -> None:
    """Count a doubt in its record, in place, and note the decision, which is doubted only once."""
    record["doubts"] = record.get("doubts", 0) + 1
    if use.decision is not None:
        set_ids(record, "doubted", [*record.get("doubted", ()), f"{use.at} {use.decision}"])


def _find(models: list[Any], model: str) -> int | None:
    for index, entry in enumerate(models):
        if model_of(entry)[0] == model:
            return index
    return None


def _append(models: list[Any]) -> int:
    """Add an empty entry, and return its index; without room for it, the model used longest ago is dropped."""
    while len(models) >= MAX_MODELS:
        spare = _used_longest_ago(models)
        if spare is None:
            break
        del models[spare]
    models.append({})
    return len(models) - 1


def _used_longest_ago(models: list[Any]) -> int | None:
    """Return the index of the model used longest ago; one written by hand and never used is not ours to drop."""
    used: dict[int, str] = {}
    for index, entry in enumerate(models):
        record = read_record(entry)
        if record and "last_used" in record:
            used[index] = record["last_used"]
    return min(used, key=used.__getitem__, default=None)


def _put(models: list[Any], index: int, record: ModelRecord) -> None:
    """Change an entry; unknown keys stay, and so does the id as it was written, with its provider if it has one."""
    entry, known = models[index], dict[str, Any]()
    model_id = record["id"]
    if isinstance(entry, dict):
        known, model_id = entry, entry.get("id", model_id)
    elif isinstance(entry, str):
        model_id = entry
    changed = {**known, **without_provider(record), "id": model_id}
    if "last_failure" not in record:  # an answer removed it
        changed.pop("last_failure", None)
    models[index] = changed
