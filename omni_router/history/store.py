"""History in a LangGraph store, of the graph that runs: for one process that writes, or for several that seldom do.

    routes      <route>    {"route", "models", "batches"}: its models as in route_config.json, and the last additions
    examples    <text>     {"text", "route", "at"}: the route that a text is an example of
    cooling     <model>    {"waits"}: its cooldowns

A store has get, put, search and delete, and cannot change an item only if nobody else did: of two processes that change
one route within the same few milliseconds, the first one's addition is lost. PostgreSQL adds up (postgresql.py).
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary, ref

from langgraph.store.base import BaseStore, GetOp, Item, PutOp, SearchOp
from langgraph.store.base.batch import AsyncBatchedBaseStore

from omni_router.config.records import ModelRecord, read_records
from omni_router.errors import ConfigurationError, HistoryUnreachable
from omni_router.history.backlog import Batch, Sum
from omni_router.history.cooldowns import FORGET, Cooldowns, last_end, parse_cooldowns, write_time
from omni_router.history.former import former_sums
from omni_router.history.merging import merge_bounded
from omni_router.history.replica import Pair, Replica, View
from omni_router.history.shared import SharedHistory, example_times, utc_now
from omni_router.history.usage import MAX_LEARNED, digest, route_key
from omni_router.simulation import is_simulated
from omni_router.storage.store_link import PATIENCE, StoreLink, put, put_all

ALL = 1_000_000  # items: one statement sees one moment, pages would not
AT_ONCE = 1000  # items changed in one statement, which may have some ten thousand parameters
ADDING: WeakKeyDictionary[BaseStore, threading.Lock] = WeakKeyDictionary()  # held by this process while it adds
LAST_BATCHES = 20  # ids kept in an item, so that an addition that is sent again is not made twice


class StoreHistory(SharedHistory):
    """What is known of each route in a store.

    Args:
        store: returns the store; called for each use, since a host's store exists in its own runs only.
        place: what `record` returns as the place of what it stored.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        store: Callable[[], BaseStore],
        place: str = "the store",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(now)
        self.place, self._store = place, store
        # Simulated models do not belong in a real history.
        self._root = ("omni_router", "sandbox") if is_simulated() else ("omni_router",)
        self._replicas: WeakKeyDictionary[BaseStore, StoreReplica] = WeakKeyDictionary()
        self._last: ref[BaseStore] | None = None

    def replica(self) -> Replica:
        """Return what this process knows of the store; a host may have another store in each run."""
        try:
            store = self._store()
        except ConfigurationError:  # outside of a run, as for feedback: the last run's store
            last = self._last() if self._last else None
            if last is None:
                raise
            store = last
        self._last = ref(store)
        replica = self._replicas.get(store)
        if replica is None:
            replica = self._replicas.setdefault(store, StoreReplica(store, self._root, self.now))
        if replica.process != os.getpid():  # a fork: from here on they are two writers
            replica = self._replicas[store] = StoreReplica(store, self._root, self.now)
        return replica

    def replicas(self) -> Iterable[Replica]:
        """Return the copies that may be written at the end, when a store that needs its event loop is out of reach."""
        items = list(self._replicas.items())
        return [replica for store, replica in items if not isinstance(store, AsyncBatchedBaseStore)]


class StoreReplica(Replica):
    """A copy of what a store holds below a namespace."""

    link: StoreLink

    def __init__(self, store: BaseStore, root: tuple[str, ...], now: Callable[[], datetime]) -> None:
        super().__init__(StoreLink(store), now)
        self._adding = ADDING.setdefault(store, threading.Lock())
        self._routes, self._former = (*root, "routes"), (*root, "history")
        self._examples, self._cooldowns = (*root, "examples"), (*root, "cooling")

    def fetch(self) -> View:
        """Read everything."""
        routes, examples, cooldowns = self._search(self._routes, self._examples, self._cooldowns)
        names: dict[str, str] = {}
        models: dict[str, list[ModelRecord]] = {}
        by_route = _examples_by_route(examples, names)
        for item in routes:
            key = route_key(item.value["route"])
            names[key] = item.value["route"]
            models[key] = merge_bounded(read_records(item.value["models"]))
        by_model = {item.key: parse_cooldowns(item.value.get("waits")) for item in cooldowns}
        return View(names, models, by_route, by_model)

    def tidy(self, day: datetime) -> None:
        """Take a former version's history over, and delete the oldest examples and the cooldowns that are over."""
        routes, examples, cooldowns = self._search(self._routes, self._examples, self._cooldowns)
        if not routes:
            [former] = self._search(self._former)
            if former:
                self.add(Batch("former versions", 1, former_sums(former)))
        kept = set(chain.from_iterable(_examples_by_route(examples, {}).values()))
        oldest = write_time(day - FORGET)
        unused, over = dict[str, None](), dict[str, None]()
        for item in examples:
            if item.value.get("text") not in kept:
                unused[item.key] = None
        for item in cooldowns:
            if last_end(parse_cooldowns(item.value.get("waits"))) < oldest:
                over[item.key] = None
        self._put_all(put_all(self._examples, unused) + put_all(self._cooldowns, over))

    def add(self, batch: Batch) -> Iterable[Pair]:
        """Add sums to the items of their routes; another history of this process does so before or afterwards."""
        if not self._adding.acquire(timeout=PATIENCE):
            raise HistoryUnreachable(f"the store of the history did not answer another graph within {PATIENCE:g} s")
        try:
            return self._add(batch)
        finally:
            self._adding.release()

    def _add(self, batch: Batch) -> Iterable[Pair]:
        by_key: dict[str, list[Sum]] = {}
        for each in batch.sums:
            by_key.setdefault(digest(route_key(each.route)), []).append(each)
        items = self.link.ask([GetOp(self._routes, key, refresh_ttl=False) for key in by_key])
        stored: list[Pair] = []
        changed: dict[Pair, tuple[str, ModelRecord]] = {}
        ops: list[PutOp] = []
        for (key, sums), item in zip(by_key.items(), items, strict=True):
            value = _value(item, sums[0].route)
            stored += _apply(value, batch, sums)
            ops.append(put(self._routes, key, value))
            name = value["route"]
            for record in merge_bounded(read_records(value["models"])):
                changed[route_key(name), record["id"]] = (name, record)
        self._put_all(ops)
        self.update_models(changed)
        return stored

    def put_examples(self, examples: Mapping[str, str], at: datetime) -> None:
        """Make each text an example of a route, and of no other."""
        items: dict[str, dict[str, Any]] = {}
        for (text, route), time in zip(examples.items(), example_times(len(examples), at), strict=True):
            items[digest(text)] = {"text": text, "route": route, "at": time}
        self._put_all(put_all(self._examples, items))

    def put_cooldowns(self, cooldowns: Cooldowns) -> None:
        """Set the cooldowns of some models, or delete them where there are none."""
        values: dict[str, dict[str, Any] | None] = {}
        for model, each in cooldowns.items():
            values[model] = {"waits": list(each)} if each else None
        self._put_all(put_all(self._cooldowns, values))

    def _search(self, *spaces: tuple[str, ...]) -> list[list[Item]]:
        return self.link.ask([SearchOp(space, limit=ALL, refresh_ttl=False) for space in spaces])

    def _put_all(self, ops: list[PutOp]) -> None:
        for start in range(0, len(ops), AT_ONCE):
            self.link.ask(ops[start : start + AT_ONCE])


def _value(item: Item | None, route: str) -> dict[str, Any]:
    """Copy the content of a route's item; the store may return its own."""
    if item is None:
        return {"route": route.strip(), "models": [], "batches": []}
    return {**item.value, "models": list(item.value["models"]), "batches": list(item.value["batches"])}


def _apply(value: dict[str, Any], batch: Batch, sums: Iterable[Sum]) -> list[Pair]:
    """Add sums to the content of a route's item, in place, unless it has them; return the models they count for."""
    route, batch_id = route_key(value["route"]), f"{batch.writer}/{batch.number}"
    if batch_id in value["batches"]:
        return [(route, each.model) for each in sums]
    value["batches"] = [*value["batches"], batch_id][-LAST_BATCHES:]
    return [(route, each.model) for each in sums if each.apply_to(value["models"])]


def _examples_by_route(items: Iterable[Item], names: dict[str, str]) -> dict[str, list[str]]:
    """Return the newest examples of each route, oldest first, and add the names of routes."""
    by_route: dict[str, list[tuple[str, str]]] = {}
    for item in items:
        if item.value.keys() >= {"text", "route", "at"}:
            key = route_key(item.value["route"])
            names.setdefault(key, item.value["route"])
            by_route.setdefault(key, []).append((item.value["at"], item.value["text"]))
    examples: dict[str, list[str]] = {}
    for key, pairs in by_route.items():
        examples[key] = [text for _, text in sorted(pairs)[-MAX_LEARNED:]]
    return examples
