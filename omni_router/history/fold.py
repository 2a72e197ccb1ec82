"""What history means, without any store: reading an entry, folding in a use or a verdict, merging. Pure functions."""

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, Literal, get_args

from omni_router.errors import KINDS
from omni_router.history.protocol import LastFailure, ModelRecord, Use, Verdict
from omni_router.model_id import split_model_id

# A route seldom sees more than a handful of models; fifty keep the file readable and a turn's candidates bounded.
MAX_MODELS = 50
RECENT = 10  # calls kept of a model: enough for a median that follows the provider, few enough to read
MAX_LEARNED = 200  # examples kept of a route: past some hundred more of them teach a router little
MAX_LEARNED_CHARACTERS = 2000  # of one example: what is longer is mostly pasted material

Count = Literal["uses", "successes", "good", "bad"]
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
    lines = [line for line in recent if isinstance(line, str)] if isinstance(recent, list) else []
    return part | _with_recent(lines)  # type: ignore[no-any-return]


def as_entry(record: ModelRecord) -> dict[str, Any]:
    """Write a record as it stands in route_config.json, the provider with the id."""
    provider = record.get("provider")
    entry = {key: value for key, value in record.items() if key != "provider"}
    return {**entry, "id": f"{record['id']}:{provider}"} if provider else entry


def fold(models: list[Any], use: Use) -> bool:
    """Fold a use into the raw `models` list of its route, in place; tell whether anything changed.

    A failure never adds a model. Keys this package does not know stay as they are.
    """
    at = _find(models, use.model)
    if at is None:
        if use.outcome is not None:
            return False
        at = _add(models)
    _put(models, at, use.model, lambda record: _folded(record, use))
    if use.outcome is None and use.called:
        models[at].pop("last_failure", None)
    return True


def fold_verdict(models: list[Any], verdict: Verdict) -> bool:
    """Count a verdict on a model in the raw `models` list of its route, in place; tell whether anything changed."""
    at = _find(models, verdict.model)
    if verdict.verdict == "should_be" or at is None:  # the route was wrong, which is not the model's fault
        return False
    if verdict.verdict == "good":
        _put(models, at, verdict.model, lambda record: {**record, "good": record.get("good", 0) + 1})
    else:
        _put(models, at, verdict.model, lambda record: {**record, "bad": record.get("bad", 0) + 1})
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


def lifted(known: ModelRecord | None, given: ModelRecord) -> ModelRecord:
    """Join two copies of one history: of each count the higher one holds."""
    if known is None:
        return given
    older, newer = sorted((known, given), key=lambda record: record.get("last_used", ""))
    return _joined(older, newer, max)


def lift_into(models: list[Any], given: ModelRecord) -> bool:
    """Join a record of another copy into the raw `models` list of its route, in place; tell whether it changed."""
    at = _find(models, given["id"])
    known = None if at is None else read_record(models[at])
    joined = lifted(known, given)
    if joined == known:
        return False
    _put(models, _add(models) if at is None else at, given["id"], lambda _: joined)
    return True


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
    record |= _with_recent(sorted(ours_and_theirs.elements()))
    record.pop("last_failure", None)
    if failures := [r["last_failure"] for r in (older, newer) if "last_failure" in r]:
        last = max(failures, key=lambda failure: failure["at"])
        answers = (at for at, outcome, _ in map(_parts, record.get("recent", ())) if outcome == "answered")
        if not any(at > last["at"] for at in answers):  # within one second nobody can tell
            record["last_failure"] = last
    return record


def _folded(record: ModelRecord, use: Use) -> ModelRecord:
    counted = use.outcome is not None and KINDS[use.outcome].counts
    folded: ModelRecord = {
        **record,
        "first_seen": record.get("first_seen", use.at),
        "last_used": max(use.at, record.get("last_used", "")),  # uses may arrive out of order
        "last_reason": use.reason,
        "uses": record.get("uses", 0) + 1,
        "successes": record.get("successes", 0) + (use.called and use.outcome is None),
        "failures": record.get("failures", {}),
    }
    if use.outcome is not None and counted:
        folded["failures"] = {**folded["failures"], use.outcome: folded["failures"].get(use.outcome, 0) + 1}
        folded["last_failure"] = LastFailure(at=use.at, kind=use.outcome)
    if use.called and use.seconds is not None:
        line = f"{use.at} {use.outcome or 'answered'} {use.seconds:.2f}s"
        folded |= _with_recent([*record.get("recent", ()), line])
    return folded


def _with_recent(lines: Sequence[str]) -> ModelRecord:
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
    _, outcome, seconds = _parts(line)
    try:
        return float(seconds.removesuffix("s")) if outcome == "answered" else None
    except ValueError:
        return None


def _parts(line: str) -> tuple[str, str, str]:
    at, outcome, seconds = [*line.split(), "", "", ""][:3]
    return at, outcome, seconds


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


def _put(models: list[Any], at: int, model: str, change: Callable[[ModelRecord], ModelRecord]) -> None:
    """Change an entry; unknown keys stay, and so does the id as it was written, with its provider if it has one."""
    known = models[at] if isinstance(models[at], dict) else {}
    written = models[at] if isinstance(models[at], str) else known.get("id", model)
    record: dict[str, Any] = {**change(read_record(models[at]) or ModelRecord(id=model))}
    record.pop("provider", None)
    models[at] = {**known, **record, "id": written}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
