"""A model's record: what it holds, how it is read from an entry of route_config.json, and which parts are bounded."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Literal, get_args

from typing_extensions import Required, TypedDict

from omni_router.costs import is_amount
from omni_router.error_kinds import ErrorKind, read_kind
from omni_router.model_id import split_model_id

RECENT = 10  # calls kept of a model: enough for a median that follows the provider, few enough to read
MAX_DECISIONS = 20  # ids kept of a model, so that a run that was killed and resumed is not counted twice
# The part of a bad rating that a doubt weighs. Nobody has judged the answer: a question that comes again may only be
# asked more precisely, and a broken answer may be the prompt's fault. Four such signs weigh what a person's word does.
DOUBT = 0.25
MOST_TIMES = 2**62  # whatever is more is a mistake: a column of bigint ends a little above

Count = Literal[
    "uses", "successes", "good", "bad", "doubts", "by_callers", "input_tokens", "output_tokens", "unknown_costs"
]
COUNTS: tuple[Count, ...] = get_args(Count)
Ids = Literal["decisions", "doubted"]  # the lists of ids in a record


class LastFailure(TypedDict):
    """The newest failure that counts against a model; a success removes it."""

    at: str
    kind: ErrorKind


class ModelRecord(TypedDict, total=False):
    """One model of one route, as it stands in route_config.json; times are UTC, ISO 8601, seconds, `Z`."""

    id: Required[str]  # org/name
    provider: str  # the provider, if the id is written as org/name:provider
    first_seen: str
    last_used: str
    last_reason: str
    uses: int
    successes: int
    failures: dict[str, int]  # counts by error kind
    last_failure: LastFailure
    good: int  # feedback of users and evaluators
    bad: int
    doubts: int  # answers that a signal speaks against (decisions/signals.py); each weighs `DOUBT` of a bad rating
    recent: list[str]  # the last calls, oldest first: "<at> <outcome> <seconds>s"
    median_seconds: float  # the median of the answered calls among them
    by_callers: int  # uses whose model the caller named: they rank nothing
    input_tokens: int  # as the providers have counted them, without those of `by_callers`
    output_tokens: int
    cost: float  # US dollars, of the calls whose cost is known
    unknown_costs: int  # answers whose cost is not known
    decisions: list[str]  # the last ones counted here, each once: "<at> <id>"
    doubted: list[str]  # the last ones that count among the doubts, each once, in the same form


def model_of(entry: Any) -> tuple[str | None, str | None]:
    """Return the model and the provider of an entry of `models`, a string or an object; no model: it is malformed."""
    if isinstance(entry, dict):
        entry = entry.get("id")
    if not isinstance(entry, str):
        return None, None
    return split_model_id(entry)


def read_record(entry: Any) -> ModelRecord | None:
    """Read an entry of `models`; None when it is malformed."""
    model, provider = model_of(entry)
    if model is None:
        return None
    record = ModelRecord(id=model)
    if provider:
        record["provider"] = provider
    if isinstance(entry, str):
        entry = {"id": entry}
    for key in ("first_seen", "last_used", "last_reason"):
        if isinstance(text := entry.get(key), str):
            record[key] = text
    _read_counts(record, entry)
    _read_outcomes(record, entry)
    return record


def read_records(entries: Iterable[Any]) -> list[ModelRecord]:
    """Read entries of `models`; malformed ones are skipped."""
    records: list[ModelRecord] = []
    for entry in entries:
        record = read_record(entry)
        if record:
            records.append(record)
    return records


def as_entries(records: Iterable[ModelRecord]) -> list[dict[str, Any]]:
    """Return records as entries of `models`."""
    return [as_entry(record) for record in records]


def ids_of(records: Iterable[ModelRecord]) -> set[str]:
    """Return the models of records."""
    return {record["id"] for record in records}


def _read_counts(record: ModelRecord, entry: dict[str, Any]) -> None:
    for key in COUNTS:
        if key in ("uses", "successes") or key in entry:
            record[key] = _count(entry.get(key))
    if is_amount(cost := entry.get("cost")):
        record["cost"] = float(cost)


def _read_outcomes(record: ModelRecord, entry: dict[str, Any]) -> None:
    """Read the outcomes of the calls into the record."""
    record["failures"] = {}
    failures = entry.get("failures")
    if isinstance(failures, dict):
        record["failures"] = {str(kind): _count(number) for kind, number in failures.items()}
    last = entry.get("last_failure")
    if isinstance(last, dict):
        at, kind = last.get("at"), read_kind(last.get("kind"))
        if isinstance(at, str) and kind:
            record["last_failure"] = LastFailure(at=at, kind=kind)
    set_recent(record, _strings(entry.get("recent")))
    set_ids(record, "decisions", _strings(entry.get("decisions")))
    set_ids(record, "doubted", _strings(entry.get("doubted")))


def as_entry(record: ModelRecord) -> dict[str, Any]:
    """Return a record as an entry of route_config.json, the provider with the id."""
    entry = without_provider(record)
    if provider := record.get("provider"):
        entry["id"] = f"{record['id']}:{provider}"
    return entry


def without_provider(record: ModelRecord) -> dict[str, Any]:
    """Copy a record without its provider, which stands with the id."""
    entry: dict[str, Any] = {**record}
    entry.pop("provider", None)
    return entry


def set_recent(record: ModelRecord, lines: Sequence[str]) -> None:
    """Set the last calls and the median of their seconds; without lines both stay as they are."""
    if not lines:
        return
    recent = list(lines[-RECENT:])
    record["recent"] = recent
    seconds = _seconds_of_answers(recent)
    if seconds:
        record["median_seconds"] = round(median(seconds), 2)


def _seconds_of_answers(lines: Iterable[str]) -> list[float]:
    """Return how long the answered calls took; a line that cannot be read is skipped."""
    durations: list[float] = []
    for line in lines:
        _, outcome, seconds = parts_of(line)
        if outcome != "answered":
            continue
        try:
            durations.append(float(seconds.removesuffix("s")))
        except ValueError:
            continue
    return durations


def parts_of(line: str) -> tuple[str, str, str]:
    """Split a line of `recent` into time, outcome and seconds; what it lacks is empty."""
    at, outcome, seconds = [*line.split(), "", "", ""][:3]
    return at, outcome, seconds


def set_ids(record: ModelRecord, key: Ids, lines: Iterable[str]) -> None:
    """Set the last decisions of a list, each once, oldest first; without lines they stay as they are."""
    decisions = sorted(filter(str.strip, {*lines}))[-MAX_DECISIONS:]
    if decisions:
        record[key] = decisions


def bad_ratings(record: ModelRecord) -> float:
    """Return how many bad ratings a model has, with its doubts as the part of one that they weigh."""
    return record.get("bad", 0) + DOUBT * record.get("doubts", 0)


def _count(value: Any) -> int:
    """Return a number of times; 0 when it is not one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TIMES:
        return value
    return 0


def _strings(value: Any) -> list[str]:
    """Return the strings of a list; none when it is not a list."""
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, str)]
