"""A model's record: reading it from an entry of route_config.json, and the parts of it that are bounded."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Literal, get_args

from omni_router.history.protocol import LastFailure, ModelRecord
from omni_router.model_id import split_model_id

RECENT = 10  # calls kept of a model: enough for a median that follows the provider, few enough to read
MAX_DECISIONS = 20  # ids kept of a model, so that a run that was killed and resumed is not counted twice

Count = Literal["uses", "successes", "good", "bad", "by_callers"]
COUNTS: tuple[Count, ...] = get_args(Count)


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
    for key in COUNTS:
        if key in ("uses", "successes") or key in record:
            clean[key] = _count(record.get(key))
    return clean | _outcomes(record)


def _outcomes(record: dict[str, Any]) -> ModelRecord:
    """Read what came of the calls, as the part of a record."""
    failures, last, recent = record.get("failures"), record.get("last_failure"), record.get("recent")
    part: Any = {"failures": {str(k): _count(n) for k, n in failures.items()} if isinstance(failures, dict) else {}}
    if isinstance(last, dict) and isinstance(last.get("at"), str):
        part["last_failure"] = LastFailure(at=last["at"], kind=str(last.get("kind", "")))
    part |= with_recent(_strings(recent))
    return part | with_decisions(_strings(record.get("decisions")))  # type: ignore[no-any-return]


def as_entry(record: ModelRecord) -> dict[str, Any]:
    """Write a record as it stands in route_config.json, the provider with the id."""
    provider = record.get("provider")
    entry = without_provider(record)
    return {**entry, "id": f"{record['id']}:{provider}"} if provider else entry


def without_provider(record: ModelRecord) -> dict[str, Any]:
    """Copy a record without its provider, which stands with the id."""
    return {key: value for key, value in record.items() if key != "provider"}


def with_recent(lines: Sequence[str]) -> ModelRecord:
    """Give the last calls and the median of their seconds, as the part of a record."""
    if not lines:
        return {}  # type: ignore[typeddict-item]
    kept = list(lines[-RECENT:])
    part: Any = {"recent": kept}
    if seconds := [s for line in kept if (s := _seconds(line)) is not None]:
        part["median_seconds"] = round(median(seconds), 2)
    return part  # type: ignore[no-any-return]


def _seconds(line: str) -> float | None:
    """Read how long an answered call took; None for another outcome, or a line that is none of ours."""
    _, outcome, seconds = parts_of(line)
    try:
        return float(seconds.removesuffix("s")) if outcome == "answered" else None
    except ValueError:
        return None


def parts_of(line: str) -> tuple[str, str, str]:
    """Split a line of `recent` into time, outcome and seconds; what it lacks is empty."""
    at, outcome, seconds = [*line.split(), "", "", ""][:3]
    return at, outcome, seconds


def with_decisions(lines: Iterable[str]) -> ModelRecord:
    """Give the last decisions, oldest first, as the part of a record."""
    part: Any = {"decisions": kept} if (kept := sorted(filter(str.strip, {*lines}))[-MAX_DECISIONS:]) else {}
    return part  # type: ignore[no-any-return]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
