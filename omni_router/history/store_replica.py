"""One process's copy of a store: everybody's items as last read, and the items that only this process writes."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import uuid4

from langgraph.store.base import BaseStore, Item, PutOp, SearchOp

from omni_router.config.records import ModelRecord, ids_of
from omni_router.history.backlog import Backlog, PendingUsage
from omni_router.history.cooldowns import Cooldowns, parse_cooldowns, without_forgotten
from omni_router.history.protocol import Cooling
from omni_router.history.store_items import (
    KEEP,
    Group,
    Key,
    Value,
    by_route,
    compact,
    day_of,
    days_between,
    digest,
    merge_bounded,
    merge_group,
    records_of,
    route_key,
    storable,
)
from omni_router.history.usage import MAX_LEARNED
from omni_router.storage.store_link import Link, put, put_all

FRESH = 1.0  # seconds: other processes' outcomes are seen as late as this
USABLE = 10.0  # seconds: a copy that is older, in a process that was idle, is read anew before it is used
DUTY = 10  # reading takes at most one part in this many of the time, however much there is
ALL = 1_000_000  # items: one statement sees one moment, pages would not
NONE: Mapping[str, dict[str, Any]] = {}
AT_ONCE = 1000  # items changed in one statement, which may have some ten thousand parameters


@dataclass(frozen=True)
class View:
    """What the items add up to, ready to be read; replaced, never changed. Routes go by their `route_key`."""

    names: Mapping[str, str] = field(default_factory=dict)  # the names of routes as they were written
    models: Mapping[str, Sequence[ModelRecord]] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cooldowns: Cooldowns = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """The items that one read of the store returned."""

    history: Sequence[Item]
    examples: Sequence[Item]
    cooldowns: Mapping[str, list[Cooling]]  # cooldowns by model, including those that are over


class Replica:
    """A copy in memory, read at once, renewed in the background, written through.

    Reading and writing hold the lock of the link, so what was read is never older than what was written.
    """

    def __init__(self, store: BaseStore, root: tuple[str, ...], now: Callable[[], datetime]) -> None:
        self.process = os.getpid()
        self.view = View()
        self.pending: deque[PendingUsage] = deque()
        self.backlog = Backlog()  # uses that were pending before, and could not be written
        self.unwritten: dict[str, list[Cooling]] = {}  # cooldowns by model that the store does not hold yet
        self.link, self._now = Link(store), now
        self._history, self._examples, self._cooldowns = (*root, "history"), (*root, "examples"), (*root, "cooling")
        self._own: dict[str, Value] = {}  # this writer's items of today, by route
        self._day, self._writer = "", ""
        self._before: dict[str, list[ModelRecord]] = {}  # sums of the days before yesterday, by route
        self._groups: dict[str, Group] = {}  # other writers' items since then
        self._others: dict[str, list[ModelRecord]] = {}  # sums of both, by route
        self._read_at = float("-inf")
        self._read_seconds = 0.0
        self._reading = False

    def fresh(self) -> View:
        """Return the view; an old one is read anew before or behind this, and stays when the store does not answer."""
        age = time.monotonic() - self._read_at
        if age > USABLE:
            self.link.attempt(lambda: self.read(USABLE))
        elif age > max(FRESH, DUTY * self._read_seconds) and not (self._reading or self.link.down):
            self._reading = True
            threading.Thread(target=self._read_in_background, name="omni-router history", daemon=True).start()
        return self.view

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the lock, having read the store.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        with self.link.turn():
            self.read()
            yield

    def read(self, older_than: float = 0.0) -> None:
        """Read the store if that was longer ago, and all of it if a day began; the lock is held."""
        started, now = time.monotonic(), self._now()
        day, yesterday = day_of(now), day_of(now - timedelta(days=1))
        day_began = day != self._day
        if not day_began and started - self._read_at <= older_than:
            return
        spaces = [self._history] if day_began else [(*self._history, yesterday), (*self._history, day)]
        fetched = self._fetch(spaces)
        if day_began:  # a new writer: the items of days that are over stay as they are
            self._day, self._writer, self._own = day, uuid4().hex, {}
        groups = by_route(fetched.history, without=self._writer)
        if day_began:
            past = days_between(groups, day_of(now - KEEP), yesterday)
            self._before = {route: merge_group(group) for route, group in past.items()}
        self._update_models(days_between(groups, yesterday), everything=day_began)
        self._update_examples(fetched.examples)
        self.view = replace(self.view, cooldowns=without_forgotten(fetched.cooldowns, now))
        self._read_seconds, self._read_at = time.monotonic() - started, time.monotonic()
        if day_began:
            self._compact(groups, fetched, now)

    def write(self, drafts: Mapping[str, Value], examples: Mapping[str, dict[str, Any]] = NONE) -> None:
        """Write this writer's items of some routes, new examples and cooldowns in one round trip; the lock is held."""
        unwritten = dict(self.unwritten)
        lasting = without_forgotten(unwritten, self._now())
        changed = {route: value for route, value in drafts.items() if self._is_new(route, value)}
        ops = self._put_all({Key(self._day, self._writer, digest(route)): value for route, value in changed.items()})
        ops += put_all(self._cooldowns, {model: _waits(lasting.get(model)) for model in unwritten})
        ops += put_all(self._examples, examples)
        if not ops:
            return
        self.link.ask(ops)
        for route, value in changed.items():
            self._add_own(route, value)
        others = {model: each for model, each in self.view.cooldowns.items() if model not in unwritten}
        self.view = replace(self.view, cooldowns={**others, **lasting})
        for model, each in unwritten.items():
            if self.unwritten.get(model) is each:  # unless a newer one came meanwhile
                del self.unwritten[model]

    def _is_new(self, route: str, value: Value) -> bool:
        return bool(value["models"]) and value != self._own.get(route)

    def draft(self, drafts: dict[str, Value], route: str) -> list[Any]:
        """Return this writer's models of a route to change, which `write` then writes."""
        key = route_key(route)
        if key not in drafts:
            own = self._own.get(key) or Value(route=self.view.names.get(key, storable(route).strip()), models=[])
            drafts[key] = Value(route=own["route"], models=[*own["models"]])
        return drafts[key]["models"]

    def _fetch(self, history: Sequence[tuple[str, ...]]) -> Fetched:
        """Read some namespaces of the history, and all examples and cooldowns."""
        spaces = (*history, self._examples, self._cooldowns)
        searches = [SearchOp(space, limit=ALL, refresh_ttl=False) for space in spaces]
        *days, examples, cooldowns = self.link.ask(searches)
        by_model = {item.key: parse_cooldowns(item.value.get("waits")) for item in cooldowns}
        return Fetched([*chain(*days)], examples, by_model)

    def _update_models(self, groups: dict[str, Group], *, everything: bool) -> None:
        """Merge the routes whose items have changed."""
        routes = {*groups, *self._before, *self._others}
        changed = [route for route in routes if everything or groups.get(route) != self._groups.get(route)]
        self._groups = groups
        names, models = dict(self.view.names), dict(self.view.models)
        for route in changed:
            self._others[route] = merge_bounded([*self._before.get(route, ()), *merge_group(groups.get(route, {}))])
            own = [self._own[route]] if route in self._own else []
            values = [*own, *groups.get(route, {}).values()]
            names[route] = values[0]["route"] if values else names.get(route, route)
            models[route] = tuple(merge_bounded([*self._others[route], *records_of(own)]))
        self.view = replace(self.view, names=names, models=models)

    def _update_examples(self, items: Iterable[Item]) -> None:
        """Set the newest examples of each route, oldest first."""
        names = dict(self.view.names)
        by_route: dict[str, list[tuple[str, str]]] = {}
        for item in items:
            if not item.value.keys() >= {"text", "route", "at"}:
                continue
            key = route_key(item.value["route"])
            if key not in self.view.names:
                names[key] = item.value["route"]
            by_route.setdefault(key, []).append((item.value["at"], item.value["text"]))
        examples: dict[str, Sequence[str]] = {}
        for key, pairs in by_route.items():
            examples[key] = tuple(text for _, text in sorted(pairs)[-MAX_LEARNED:])
        self.view = replace(self.view, names=names, examples=examples)

    def _add_own(self, route: str, value: Value) -> None:
        """Add what was written of a route to the view; only the models that it changes are merged again."""
        before = self._own.get(route)
        known = set(map(id, before["models"])) if before else set()  # entries are never changed in place
        new_entries = [entry for entry in value["models"] if id(entry) not in known]
        self._own = {**self._own, route: value}
        records = records_of([Value(route=value["route"], models=new_entries)])
        changed = ids_of(records)
        records += [record for record in self._others.get(route, ()) if record["id"] in changed]
        records += [record for record in self.view.models.get(route, ()) if record["id"] not in changed]
        models = {**self.view.models, route: tuple(merge_bounded(records))}
        self.view = replace(self.view, names={**self.view.names, route: value["route"]}, models=models)

    def _compact(self, groups: dict[str, Group], fetched: Fetched, now: datetime) -> None:
        """Merge the items of days that are over, and delete those that no longer matter."""
        merged, spare = compact(groups, now)
        puts, deletes = self._put_all(merged), self._put_all(dict.fromkeys(spare))
        forgotten = fetched.cooldowns.keys() - self.view.cooldowns.keys()
        deletes += put_all(self._cooldowns, dict.fromkeys(forgotten))
        texts = set(chain.from_iterable(self.view.examples.values()))
        unused = [item.key for item in fetched.examples if item.value.get("text") not in texts]
        deletes += put_all(self._examples, dict.fromkeys(unused))
        for ops in (puts, deletes):  # a reader in between sees the day twice, and uses the merged item
            for start in range(0, len(ops), AT_ONCE):
                self.link.ask(ops[start : start + AT_ONCE])

    def _put_all(self, values: Mapping[Key, Value | None]) -> list[PutOp]:
        return [put((*self._history, key.day), key.name, value) for key, value in values.items()]

    def _read_in_background(self) -> None:
        try:
            self.link.attempt(lambda: self.read(FRESH))
        finally:
            self._reading = False


def _waits(cooldowns: Sequence[Cooling] | None) -> dict[str, Any] | None:
    """Return the item of a model's cooldowns; None, which deletes it, when none are left."""
    if cooldowns is None:
        return None
    return {"waits": cooldowns}
