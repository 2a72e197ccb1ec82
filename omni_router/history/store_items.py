"""History in a store that knows only get, put, search and delete: the meaning of its items. Pure functions.

    history, <day>    <writer>/<route>    {"route", "models"}: what one process saw in a day
                      merged/<route>      what all of them saw, once the day is over
    examples          <text>              {"text", "route", "at"}: the route that a text is an example of
    cooling           <model>             {"waits"}: its cooldowns

Two writers that change one item overwrite each other. So each writer has history items of its own, and a reader adds
up all of them. Once a day is over, none of its items is written again: the first reader merges them into one, whose
content does not depend on who does it. Of examples and cooldowns the newest version holds.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import TypedDict

from omni_router.config.records import ModelRecord, as_entries, read_records
from omni_router.history.merging import merge
from omni_router.history.usage import MAX_LEARNED_CHARACTERS, MAX_MODELS

if TYPE_CHECKING:
    from langgraph.store.base import Item

MERGED = "merged"  # stands in the place of a writer
KEEP = timedelta(days=90)  # older uses weigh nothing: the bonus for being in use halves every fourteen days


class Value(TypedDict):
    """The content of an item of history."""

    route: str
    models: list[Any]  # entries as in route_config.json


class Key(NamedTuple):
    """The place of an item of history."""

    day: str  # UTC, ISO 8601; the last part of the namespace
    writer: str
    route: str  # its digest: the name itself may hold anything, and be too long

    @classmethod
    def of(cls, item: "Item") -> "Key":
        """Return the place of an item."""
        writer, _, route = item.key.partition("/")
        return cls(item.namespace[-1], writer, route)

    @property
    def name(self) -> str:
        """The key within its day."""
        return f"{self.writer}/{self.route}"


Group = dict[Key, Value]  # items of one route


def route_key(route: str) -> str:
    """Return the name under which a route is known, however it is written."""
    return str(storable(route)).strip().casefold()


def digest(text: str) -> str:
    """Return a short key for any text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def storable(value: Any) -> Any:
    """Copy a value without what PostgreSQL's JSON cannot hold: NUL, and half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(each) for each in value]
    return value


def example_item(route: str, text: str, known: Container[str], at: datetime) -> dict[str, dict[str, Any]]:
    """Return the item, by its key, that makes a text an example of a route and of no other; none for a known text."""
    text = storable(text).strip()[:MAX_LEARNED_CHARACTERS]
    if not text or text in known:
        return {}
    return {digest(text): {"text": text, "route": storable(route), "at": at.isoformat(timespec="microseconds")}}


def by_route(items: Iterable["Item"], *, without: str) -> dict[str, Group]:
    """Group items of history by route, without those of one writer; items of another shape are not ours."""
    groups: dict[str, Group] = {}
    for item in items:
        key, route, models = Key.of(item), item.value.get("route"), item.value.get("models")
        if key.writer != without and isinstance(route, str) and isinstance(models, list):
            groups.setdefault(route_key(route), {})[key] = Value(route=route, models=models)
    return groups


def days_between(groups: Mapping[str, Group], first: str, last: str = "9") -> dict[str, Group]:
    """Return the items of the days from `first` on, and before `last`."""
    selected: dict[str, Group] = {}
    for route, group in groups.items():
        items = {key: value for key, value in group.items() if first <= key.day < last}
        if items:
            selected[route] = items
    return selected


def records_of(values: Iterable[Value]) -> list[ModelRecord]:
    """Return the records in items."""
    records: list[ModelRecord] = []
    for value in values:
        records += read_records(value["models"])
    return records


def merge_bounded(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Merge what several writers know of a route's models; of too many, those used longest ago are dropped."""
    models = merge(records)  # sorted by their last use
    excess = len(models) - MAX_MODELS
    if excess <= 0:
        return models
    used = [record["id"] for record in models if "last_used" in record]
    dropped = set(used[:excess])
    return [record for record in models if record["id"] not in dropped]


def merge_group(group: Group) -> list[ModelRecord]:
    """Merge the items of a route; in a day that is merged already, other items are about to be deleted, and skipped."""
    merged_days = {key.day for key in group if key.writer == MERGED}
    values = [group[key] for key in sorted(group) if key.writer == MERGED or key.day not in merged_days]
    return merge_bounded(records_of(values))


def compact(groups: Mapping[str, Group], now: datetime) -> tuple[Group, list[Key]]:
    """Return what to put, and then what to delete, so that each day that is over has one item a route, old ones none.

    Yesterday is left alone: a writer whose clock is behind may still be in it.
    """
    oldest, yesterday = day_of(now - KEEP), day_of(now - timedelta(days=1))
    puts: Group = {}
    deletes: list[Key] = []
    for group in days_between(groups, "", oldest).values():
        deletes.extend(group)
    for group in days_between(groups, oldest, yesterday).values():
        for items in _by_day(group):
            _compact_day(items, puts, deletes)
    return puts, deletes


def _by_day(group: Group) -> list[Group]:
    days: dict[str, Group] = {}
    for key, value in group.items():
        days.setdefault(key.day, {})[key] = value
    return list(days.values())


def _compact_day(items: Group, puts: Group, deletes: list[Key]) -> None:
    if len(items) == 1:
        return
    first = min(items)
    target = Key(first.day, MERGED, first.route)
    if target not in items:
        puts[target] = Value(route=items[first]["route"], models=as_entries(merge_group(items)))
    deletes.extend(items.keys() - {target})


def day_of(time: datetime) -> str:
    """Return the day of a time in UTC."""
    return f"{time:%Y-%m-%d}"
