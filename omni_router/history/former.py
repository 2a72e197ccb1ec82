"""What former versions have written into a LangGraph store. Pure functions.

    history, <day>    <writer>/<route>    {"route", "models"}: what one process saw in a day
                      merged/<route>      what all of them saw, once the day was over
    examples          <text>              {"text", "route", "at"}: the route that a text is an example of
    cooling           <model>             {"waits"}: its cooldowns
    lessons, <encoder>    <label>         {"route", "vector", "at", "text"}: a teacher label
    spending, <day>   <writer>            {"day", "spent", "calls"}: what one process spent in a day

A history in a store still has the last four. Those of the first line are read once, and stay as they are, so that the
former version finds its own again.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from typing_extensions import TypedDict

from omni_router.config.records import ModelRecord, read_records
from omni_router.history.backlog import Sum
from omni_router.history.merging import merge_bounded
from omni_router.history.usage import route_key

MERGED = "merged"  # stands in the place of a writer


class StoreItem(Protocol):
    """An item of a LangGraph store, or a row of its table."""

    @property
    def namespace(self) -> tuple[str, ...]:
        """The folder of the item."""

    @property
    def key(self) -> str:
        """The name of the item in its folder."""

    @property
    def value(self) -> dict[str, Any]:
        """The content of the item."""


class Value(TypedDict):
    """The content of an item of history."""

    route: str
    models: list[Any]  # entries as in route_config.json


class Key(NamedTuple):
    """The place of an item of history."""

    day: str  # UTC, ISO 8601; the last part of the namespace
    writer: str
    route: str  # its digest

    @classmethod
    def of(cls, item: StoreItem) -> "Key":
        """Return the place of an item."""
        writer, _, route = item.key.partition("/")
        return cls(item.namespace[-1], writer, route)


Group = dict[Key, Value]  # items of one route


def former_sums(items: Iterable[StoreItem]) -> list[Sum]:
    """Return what all processes have counted, for each route and model, in former items of history."""
    sums: list[Sum] = []
    for group in _by_route(items).values():
        route = next(iter(group.values()))["route"]
        sums += [Sum(route, record["id"], [record], [record]) for record in _merge_group(group)]
    return sums


def _by_route(items: Iterable[StoreItem]) -> dict[str, Group]:
    """Group items of history by route; items of another shape are not ours."""
    groups: dict[str, Group] = {}
    for item in items:
        route, models = item.value.get("route"), item.value.get("models")
        if isinstance(route, str) and isinstance(models, list):
            groups.setdefault(route_key(route), {})[Key.of(item)] = Value(route=route, models=models)
    return groups


def _merge_group(group: Group) -> list[ModelRecord]:
    """Merge the items of a route; in a day that is merged already, other items were about to be deleted."""
    merged_days = {key.day for key in group if key.writer == MERGED}
    records: list[ModelRecord] = []
    for key in sorted(group):
        if key.writer == MERGED or key.day not in merged_days:
            records += read_records(group[key]["models"])
    return merge_bounded(records)
