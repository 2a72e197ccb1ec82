"""History in a store that knows only get, put, search and delete: what its items mean. Pure functions.

    history, <day>    <writer>/<route>    {"route", "models"}: what one process saw in a day
                      merged/<route>      what all of them saw, once the day is over
    examples          <text>              {"text", "route", "at"}: the route that a text is an example of
    cooling           <model>             {"waits"}: why it is left alone, and until when

Two writers that change one item lose what the other wrote. So of history each writer has items of its own, and a
reader adds up what all of them say. A day that is over is never written again: whoever reads it first joins its items
into one, whose content is the same whoever does it. Of examples and cooling the newest word holds.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import TypedDict

from omni_router.history.protocol import ModelRecord
from omni_router.history.usage import COUNTS, MAX_MODELS, as_entry, merge, read_record

if TYPE_CHECKING:
    from langgraph.store.base import Item

MERGED = "merged"  # in the place of a writer
KEEP = timedelta(days=90)  # what is older weighs nothing: the bonus for being in use halves every fourteen days


class Value(TypedDict):
    """The content of an item of history."""

    route: str
    models: list[Any]  # as in route_config.json


class Key(NamedTuple):
    """Where an item of history stands."""

    day: str  # UTC, ISO 8601; the last part of the namespace
    writer: str
    route: str  # its digest: the name itself may hold anything, and be too long

    @classmethod
    def of(cls, item: "Item") -> "Key":
        """Read the place of an item."""
        writer, _, route = item.key.partition("/")
        return cls(item.namespace[-1], writer, route)

    @property
    def name(self) -> str:
        """The key within its day."""
        return f"{self.writer}/{self.route}"


Group = dict[Key, Value]  # items of one route


def folded(route: str) -> str:
    """Give the name under which a route is known, however it is written."""
    return str(storable(route)).strip().casefold()


def digest(text: str) -> str:
    """Give a short key for any text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def storable(value: Any) -> Any:
    """Copy a value without what PostgreSQL's JSON cannot hold: NUL, and half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    return [storable(each) for each in value] if isinstance(value, (list, tuple)) else value


def by_route(items: Iterable["Item"]) -> dict[str, Group]:
    """Sort items of history by route; what has another shape is not ours."""
    groups: dict[str, Group] = {}
    for item in items:
        route, models = item.value.get("route"), item.value.get("models")
        if isinstance(route, str) and isinstance(models, list):
            groups.setdefault(folded(route), {})[Key.of(item)] = Value(route=route, models=models)
    return groups


def part(groups: Mapping[str, Group], first: str, last: str = "9") -> dict[str, Group]:
    """Give the items of the days from `first` on, and before `last`."""
    parts = {route: {key: group[key] for key in group if first <= key.day < last} for route, group in groups.items()}
    return {route: group for route, group in parts.items() if group}


def records(values: Iterable[Value]) -> list[ModelRecord]:
    """Read the models of items."""
    return [record for value in values for entry in value["models"] if (record := read_record(entry))]


def joined(given: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Add up what several writers say of a route's models; of too many, those go that were used longest ago."""
    models = merge(given)  # in the order of their last use
    used = [record for record in models if "last_used" in record]
    spare = {record["id"] for record in used[: max(len(models) - MAX_MODELS, 0)]}
    return [record for record in models if record["id"] not in spare]


def counted(group: Group) -> list[ModelRecord]:
    """Add up the items of a route; once a day is joined, its other items are about to be deleted, and do not count."""
    done = {key.day for key in group if key.writer == MERGED}
    return joined(records(group[key] for key in sorted(group) if key.writer == MERGED or key.day not in done))


def tidied(groups: Mapping[str, Group], now: datetime) -> tuple[Group, list[Key]]:
    """Say what to put, and then what to delete, so that days that are over have one item a route, and old ones none."""
    oldest, yesterday = day_of(now - KEEP), day_of(now - timedelta(days=1))
    puts: Group = {}
    deletes = [key for group in part(groups, "", oldest).values() for key in group]
    for group in part(groups, oldest, yesterday).values():  # in yesterday a writer whose clock is behind may still be
        for day in {key.day for key in group}:
            keys = sorted(key for key in group if key.day == day)
            target = Key(day, MERGED, keys[0].route)
            if len(keys) > 1 and target not in group:
                models = [as_entry(record) for record in counted({key: group[key] for key in keys})]
                puts[target] = Value(route=group[keys[0]]["route"], models=models)
            if len(keys) > 1:
                deletes += [key for key in keys if key != target]
    return puts, deletes


def day_of(time: datetime) -> str:
    """Write the day of a time in UTC."""
    return f"{time:%Y-%m-%d}"


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
    rest["recent"] = list((Counter(wanted.get("recent", ())) - Counter(known.get("recent", ()))).elements())
    return rest
