"""History in a store that knows only get, put, search and delete: what its items mean. Pure functions.

Two writers that change one item lose what the other wrote. So each writer has items of its own, one a day and route,
and a reader adds up what all of them say. A day that is over is never written again: whoever reads it first joins its
items into one, whose content is the same whoever does it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from typing_extensions import TypedDict

from omni_router.history.fold import COUNTS, MAX_LEARNED, as_entry, merge, read_record
from omni_router.history.protocol import ModelRecord

MERGED = "merged"  # in the place of a writer
KEEP = timedelta(days=90)  # what is older weighs nothing: the bonus for being in use halves every fourteen days


class Word(TypedDict):
    """Whether a text is an example of a route; of several words the newest holds."""

    text: str
    at: str
    here: bool


class Value(TypedDict):
    """The content of an item: what one writer, or all of them, saw of a route in a day."""

    route: str
    models: list[Any]  # as in route_config.json
    learned: list[Word]


class Key(NamedTuple):
    """The key of an item."""

    day: str  # UTC, ISO 8601
    writer: str
    route: str  # case folded

    @classmethod
    def read(cls, text: str) -> "Key":
        """Read a key; a route's name may hold any character."""
        day, writer, route = [*text.split("/", 2), "", ""][:3]
        return cls(day, writer, route)

    def __str__(self) -> str:
        return "/".join(self)


@dataclass
class Plan:
    """What to do with the items that were found."""

    values: dict[str, list[Value]] = field(default_factory=dict)  # by route, what counts
    puts: dict[Key, Value] = field(default_factory=dict)  # first
    deletes: list[Key] = field(default_factory=list)  # then


def plan(items: Mapping[Key, Value], now: datetime) -> Plan:
    """Sort out which items count, which days can be joined, and what has served its time."""
    made = Plan()
    today, oldest = f"{now:%Y-%m-%d}", f"{now - KEEP:%Y-%m-%d}"
    yesterday = f"{now - timedelta(days=1):%Y-%m-%d}"  # a writer whose clock is behind may still be in it
    groups: dict[tuple[str, str], dict[Key, Value]] = {}
    for key in sorted(items):
        groups.setdefault((key.day, key.route), {})[key] = items[key]
    for (day, route), group in groups.items():
        joined = Key(day, MERGED, route)
        if day < oldest:
            made.deletes += group
            continue
        if joined not in group and day not in (today, yesterday) and day < today:
            group[joined] = made.puts[joined] = join(group.values())
        if joined in group:
            made.deletes += [key for key in group if key != joined]
            group = {joined: group[joined]}  # noqa: PLW2901 (its sources may be half deleted: they count no more)
        made.values.setdefault(route, []).extend(group.values())
    return made


def join(values: Iterable[Value]) -> Value:
    """Join what several writers say of a route."""
    values = list(values)
    return Value(
        route=values[0]["route"],
        models=[as_entry(record) for record in records(values)],
        learned=words(values),
    )


def records(values: Iterable[Value]) -> list[ModelRecord]:
    """Give a route's models, with the counts of all writers added."""
    return merge(record for value in values for entry in value["models"] if (record := read_record(entry)))


def words(values: Iterable[Value]) -> list[Word]:
    """Give the newest word on each text, oldest first."""
    newest: dict[str, Word] = {}
    for word in sorted((w for value in values for w in value["learned"]), key=lambda w: (w["at"], w["here"])):
        newest.pop(word["text"], None)
        newest[word["text"]] = word
    return list(newest.values())[-2 * MAX_LEARNED :]


def examples(values: Iterable[Value]) -> list[str]:
    """Give the texts that are examples of a route."""
    return [word["text"] for word in words(values) if word["here"]][-MAX_LEARNED:]


def missing(known: ModelRecord | None, wanted: ModelRecord) -> ModelRecord:
    """Give the record that, added to `known`, makes `wanted`."""
    if known is None:
        return wanted
    rest: ModelRecord = {**wanted}
    for key in COUNTS:
        if key in wanted:
            rest[key] = wanted.get(key, 0) - known.get(key, 0)
    before = known.get("failures", {})
    rest["failures"] = {kind: n - before.get(kind, 0) for kind, n in wanted.get("failures", {}).items()}
    return rest
