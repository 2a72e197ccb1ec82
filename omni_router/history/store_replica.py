"""What one process knows of a store: everybody's items as last read, and the items that it alone writes."""

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

from omni_router.history.backlog import Backlog
from omni_router.history.cooldowns import Cooldowns, without_forgotten
from omni_router.history.protocol import Cooling, ModelRecord, UsageRecord
from omni_router.history.store_items import (
    KEEP,
    Group,
    Key,
    Value,
    by_route,
    counted,
    day_of,
    digest,
    folded,
    joined,
    part,
    records,
    storable,
    tidied,
)
from omni_router.history.usage import MAX_LEARNED
from omni_router.storage.store_link import Link, put

FRESH = 1.0  # seconds: other processes' outcomes are seen as late as this
USABLE = 10.0  # seconds: what is older, in a process that was idle, is waited for
DUTY = 10  # of the time at most one part goes into reading, however much there is
ALL = 1_000_000  # items: one statement sees one moment, pages would not
AT_ONCE = 1000  # items changed in one statement, which may have some ten thousand parameters


@dataclass
class News:
    """A use on its way into the store."""

    use: UsageRecord
    stored: bool = False


@dataclass(frozen=True)
class View:
    """What the items say, ready to be read; replaced, never changed. Routes go by their folded names."""

    names: Mapping[str, str] = field(default_factory=dict)  # as they were written
    models: Mapping[str, Sequence[ModelRecord]] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cooling: Cooldowns = field(default_factory=dict)


class Replica:
    """A copy in memory, read at once, renewed in the background, written through.

    Reading and writing hold the lock of the link, so what was read is never older than what was written.
    """

    def __init__(self, store: BaseStore, root: tuple[str, ...], now: Callable[[], datetime]) -> None:
        self.process = os.getpid()
        self.view = View()
        self.waiting: deque[News] = deque()
        self.backlog = Backlog()  # what waited before, and could not be written
        self.unwritten: dict[str, list[Cooling]] = {}  # waits by model that the store does not hold yet
        self.link, self._now = Link(store), now
        self.history, self.examples, self.cooling = ((*root, kind) for kind in ("history", "examples", "cooling"))
        self.own: dict[str, Value] = {}  # this writer's items of today, by route
        self._day, self._writer = "", ""
        self._before: dict[str, list[ModelRecord]] = {}  # what the days before yesterday add up to, by route
        self._groups: dict[str, Group] = {}  # other writers' items since then
        self._others: dict[str, list[ModelRecord]] = {}  # what both add up to
        self._read_at = float("-inf")
        self._took = 0.0
        self._reading = False

    def fresh(self) -> View:
        """Give what is known, read again before or behind it when it is old; without a store, as it was."""
        age = time.monotonic() - self._read_at
        if age > USABLE:
            self.link.attempt(lambda: self.read(USABLE))
        elif age > max(FRESH, DUTY * self._took) and not (self._reading or self.link.down):
            self._reading = True
            threading.Thread(target=self._read_behind, name="omni-router history", daemon=True).start()
        return self.view

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Hold the lock, having read what there is.

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
        begins = day != self._day
        if not begins and started - self._read_at <= older_than:
            return
        spaces = [self.history] if begins else [(*self.history, yesterday), (*self.history, day)]
        spaces += [self.examples, self.cooling]
        *found, taught, cool = self.link.ask([SearchOp(space, limit=ALL, refresh_ttl=False) for space in spaces])
        groups = by_route(item for item in chain(*found) if Key.of(item).writer != self._writer or begins)
        waits = {item.key: item.value.get("waits", []) for item in cool}
        if begins:
            # A new writer: days that are over stay as they are.
            self._day, self._writer, self.own = day, uuid4().hex, {}
            past = part(groups, day_of(now - KEEP), yesterday)
            self._before = {route: counted(group) for route, group in past.items()}
        self._take(part(groups, yesterday), everything=begins)
        lessons = [value for item in taught if (value := item.value).keys() >= {"text", "route", "at"}]
        names = {**{folded(value["route"]): value["route"] for value in lessons}, **self.view.names}
        cooling = without_forgotten(waits, now)
        self.view = replace(self.view, names=names, examples=_by_age(lessons), cooling=cooling)
        self._took, self._read_at = time.monotonic() - started, time.monotonic()
        if begins:
            self._tidy(groups, taught, waits.keys() - cooling.keys(), now)

    def write(self, drafts: Mapping[str, Value], *others: PutOp) -> None:
        """Put this writer's items of some routes, and what goes with them, in one round trip; the lock is held."""
        drafts = {route: value for route, value in drafts.items() if value["models"] and value != self.own.get(route)}
        cooling = dict(self.unwritten)
        left = without_forgotten(cooling, self._now())
        own = [self._put(Key(self._day, self._writer, digest(route)), value) for route, value in drafts.items()]
        waits = [put(self.cooling, model, {"waits": left[model]} if model in left else None) for model in cooling]
        if not own and not waits and not others:
            return
        self.link.ask([*own, *waits, *others])
        for route, value in drafts.items():
            self._add(route, value)
        known = {model: each for model, each in self.view.cooling.items() if model not in cooling}
        self.view = replace(self.view, cooling={**known, **left})
        for model, each in cooling.items():
            if self.unwritten.get(model) is each:  # not one that came meanwhile
                del self.unwritten[model]

    def draft(self, drafts: dict[str, Value], route: str) -> list[Any]:
        """Give this writer's models of a route to be changed, which `write` then puts."""
        name = folded(route)
        own = self.own.get(name) or Value(route=self.view.names.get(name, storable(route).strip()), models=[])
        return drafts.setdefault(name, Value(route=own["route"], models=[*own["models"]]))["models"]

    def _take(self, groups: dict[str, Group], *, everything: bool) -> None:
        """Add up the routes whose items are others than before."""
        routes = {*groups, *self._before, *self._others}
        changed = {route for route in routes if everything or groups.get(route) != self._groups.get(route)}
        self._groups = groups
        for route in changed:
            self._others[route] = joined([*self._before.get(route, ()), *counted(groups.get(route, {}))])
        self._publish(changed)

    def _publish(self, routes: Iterable[str]) -> None:
        names, models = dict(self.view.names), dict(self.view.models)
        for route in routes:
            own = self.own.get(route)
            first = own or next(iter(self._groups.get(route, {}).values()), None)
            names[route] = first["route"] if first else names.get(route, route)
            models[route] = tuple(joined([*self._others.get(route, ()), *records([own] if own else [])]))
        self.view = replace(self.view, names=names, models=models)

    def _add(self, route: str, value: Value) -> None:
        """Take over what was written of a route; only the models that it changes are added up again."""
        old = (
            {id(entry) for entry in self.own[route]["models"]} if route in self.own else set()
        )  # never changed in place
        self.own = {**self.own, route: value}
        news = records([Value(route=value["route"], models=[e for e in value["models"] if id(e) not in old])])
        changed = {record["id"] for record in news}
        others = [record for record in self._others.get(route, ()) if record["id"] in changed]
        kept = [record for record in self.view.models.get(route, ()) if record["id"] not in changed]
        models = {**self.view.models, route: tuple(joined([*kept, *others, *news]))}
        self.view = replace(self.view, names={**self.view.names, route: value["route"]}, models=models)

    def _tidy(self, groups: dict[str, Group], taught: list[Item], forgotten: Iterable[str], now: datetime) -> None:
        puts, deletes = tidied(groups, now)
        kept = {text for texts in self.view.examples.values() for text in texts}
        first = [self._put(key, value) for key, value in puts.items()]
        then = [self._put(key, None) for key in deletes]
        then += [put(self.cooling, model, None) for model in forgotten]
        then += [put(self.examples, item.key, None) for item in taught if item.value.get("text") not in kept]
        for ops in (first, then):  # whoever reads in between finds the whole day twice, and takes the joined one
            for start in range(0, len(ops), AT_ONCE):
                self.link.ask(ops[start : start + AT_ONCE])

    def _put(self, key: Key, value: Value | None) -> PutOp:
        return put((*self.history, key.day), key.name, value)

    def _read_behind(self) -> None:
        try:
            self.link.attempt(lambda: self.read(FRESH))
        finally:
            self._reading = False


def _by_age(lessons: Iterable[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Give the newest examples of each route, oldest first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for lesson in lessons:
        found.setdefault(folded(lesson["route"]), []).append((lesson["at"], lesson["text"]))
    return {route: tuple(text for _, text in sorted(pairs)[-MAX_LEARNED:]) for route, pairs in found.items()}
