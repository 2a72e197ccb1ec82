"""What history means, without any store: reading an entry, folding in a use, ranking. Pure functions."""

from collections.abc import Iterable
from typing import Any

from omni_router.errors import KINDS
from omni_router.history.protocol import LastFailure, ModelRecord, Use
from omni_router.model_id import split_model_id

# A route seldom sees more than a handful of models; fifty keep the file readable and a turn's candidates bounded.
MAX_MODELS = 50


def read_record(entry: Any) -> ModelRecord | None:
    """Read an entry of `models`, a string or an object; None when it is malformed."""
    record = {"id": entry} if isinstance(entry, str) else entry
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        return None
    model, provider = split_model_id(record["id"])
    if model is None:
        return None
    clean = ModelRecord(id=model)
    if provider:
        clean["provider"] = provider
    for key in ("first_seen", "last_used", "last_reason"):
        if isinstance(value := record.get(key), str):
            clean[key] = value
    for key in ("uses", "successes"):
        clean[key] = _count(record.get(key))  # type: ignore[literal-required]
    failures = record.get("failures")
    clean["failures"] = {str(k): _count(n) for k, n in failures.items()} if isinstance(failures, dict) else {}
    last = record.get("last_failure")
    if isinstance(last, dict) and isinstance(last.get("at"), str):
        clean["last_failure"] = LastFailure(at=last["at"], kind=str(last.get("kind", "")))
    return clean


def fold(models: list[Any], use: Use) -> bool:
    """Fold a use into the raw `models` list of its route, in place; tell whether anything changed.

    A failure never adds a model. Keys this package does not know stay as they are.
    """
    at = next((i for i, entry in enumerate(models) if (r := read_record(entry)) and r["id"] == use.model), None)
    if at is None:
        if use.outcome is not None:
            return False
        _make_room(models)
        models.append({})
        at = len(models) - 1
    known = models[at] if isinstance(models[at], dict) else {}
    written = (
        models[at] if isinstance(models[at], str) else known.get("id", use.model)
    )  # with its provider, if it has one
    models[at] = {**known, **_folded(read_record(models[at]) or ModelRecord(id=use.model), use), "id": written}
    if use.outcome is None and use.called:
        models[at].pop("last_failure", None)
    return True


def ranked(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Order models for a fallback: newest use first, those whose last attempt failed after all others."""
    newest_first = sorted(records, key=lambda record: record.get("last_used", ""), reverse=True)
    return sorted(newest_first, key=last_attempt_failed)


def last_attempt_failed(record: ModelRecord) -> bool:
    """Tell whether nothing has gone well since the newest failure."""
    failure = record.get("last_failure")
    return failure is not None and failure["at"] >= record.get("last_used", "")


def _folded(record: ModelRecord, use: Use) -> ModelRecord:
    counted = use.outcome is not None and KINDS[use.outcome].counts
    # A failure stands until a success: what says nothing of the model must not make it look better.
    says_nothing = not counted and not (use.called and use.outcome is None)
    newest = record["last_used"] if says_nothing and "last_used" in record and last_attempt_failed(record) else use.at
    folded = ModelRecord(
        id=use.model,
        first_seen=record.get("first_seen", use.at),
        last_used=max(newest, record.get("last_used", "")),  # uses may arrive out of order
        last_reason=use.reason,
        uses=record.get("uses", 0) + 1,
        successes=record.get("successes", 0) + (use.called and use.outcome is None),
        failures=record.get("failures", {}),
    )
    if use.outcome is not None and counted:
        folded["failures"] = {**folded["failures"], use.outcome: folded["failures"].get(use.outcome, 0) + 1}
        folded["last_failure"] = LastFailure(at=use.at, kind=use.outcome)
    return folded


def _make_room(models: list[Any]) -> None:
    """Drop the model used longest ago; what was written by hand and never used is not ours to drop."""
    while len(models) >= MAX_MODELS:
        used = [i for i, entry in enumerate(models) if (r := read_record(entry)) and "last_used" in r]
        if not used:
            return
        del models[min(used, key=lambda i: models[i]["last_used"])]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
