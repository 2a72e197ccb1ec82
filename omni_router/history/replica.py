"""One process's copy of a history that many share: read at once, renewed in the background, written through."""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from omni_router.config.records import ModelRecord, read_records
from omni_router.history.backlog import Backlog, Batch, PendingUsage, Sum
from omni_router.history.cooldowns import Cooldowns, changes_cooldowns, next_cooldowns, without_forgotten
from omni_router.history.merging import merge_bounded
from omni_router.history.protocol import Cooling, UsageRecord
from omni_router.history.usage import is_counted, route_key
from omni_router.storage.store_link import Link

FRESH = 1.0  # seconds: other processes' outcomes are seen as late as this
USABLE = 10.0  # seconds: a copy that is older, in a process that was idle, is read anew before it is used
DUTY = 10  # reading takes at most one part in this many of the time, however much there is
MOST_WAITING = 10_000  # uses between two tries to write them, which are then added up

Pair = tuple[str, str]  # the key of a route, and a model


@dataclass(frozen=True)
class View:
    """What is known of all routes; replaced, never changed. Routes go by their `route_key`."""

    names: Mapping[str, str] = field(default_factory=dict)  # the names of routes as they were written
    models: Mapping[str, Sequence[ModelRecord]] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cooldowns: Cooldowns = field(default_factory=dict)

    def record(self, pair: Pair) -> ModelRecord | None:
        """Return the record of a model on a route."""
        route, model = pair
        for record in self.models.get(route, ()):
            if record["id"] == model:
                return record
        return None


class Replica(ABC):
    """A copy in memory, of a store or of tables.

    Reading and writing hold the lock of the link, so what was read is never older than what was written.
    """

    def __init__(self, link: Link, now: Callable[[], datetime]) -> None:
        self.process = os.getpid()
        self.view, self.link, self.now = View(), link, now
        self.pending: deque[PendingUsage] = deque()
        self.backlog = Backlog()  # uses that were pending before, and could not be written
        self._unconfirmed: Batch | None = None  # it was sent, and may have arrived
        self._unwritten: dict[str, list[Cooling]] = {}  # cooldowns by model that are not stored yet
        self._writer, self._batches = uuid4().hex, 0
        self._day = ""  # on which this process has tidied up last
        self._read_at = float("-inf")
        self._read_seconds = 0.0
        self._reading = False

    @abstractmethod
    def fetch(self) -> View:
        """Read everything.

        Raises:
            HistoryUnreachable: the store does not answer.
        """

    @abstractmethod
    def tidy(self, day: datetime) -> None:
        """Delete what no longer matters on a day."""

    @abstractmethod
    def add(self, batch: Batch) -> Iterable[Pair]:
        """Add sums, once however often they are sent; return the models that they were stored for, and set the view."""

    @abstractmethod
    def put_examples(self, examples: Mapping[str, str], at: datetime) -> None:
        """Make each text an example of a route, and of no other."""

    @abstractmethod
    def put_cooldowns(self, cooldowns: Cooldowns) -> None:
        """Set the cooldowns of some models, or delete them where there are none."""

    @property
    def cooldowns(self) -> Cooldowns:
        """The cooldowns by model, also those that are not stored yet."""
        return {**self.fresh().cooldowns, **self._unwritten}

    @property
    def waiting(self) -> bool:
        """Whether some uses or cooldowns are not stored yet."""
        return bool(self.pending or self.backlog or self._unconfirmed or self._unwritten)

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
        """Hold the lock, having read everything.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        with self.link.turn():
            self.read()
            yield

    def read(self, older_than: float = 0.0) -> None:
        """Read everything if that was longer ago; the lock is held."""
        started = time.monotonic()
        if started - self._read_at <= older_than:
            return
        now = self.now()
        day = f"{now:%Y-%m-%d}"
        if day != self._day:
            self.tidy(now)
            self._day = day
        view = self.fetch()
        self.view = replace(view, cooldowns=without_forgotten(view.cooldowns, now))
        self._read_seconds, self._read_at = time.monotonic() - started, time.monotonic()

    def record(self, use: UsageRecord) -> bool:
        """Store a use, and return whether that was done; else it waits, or there was nothing to store."""
        pending = PendingUsage(use)
        if not use.by_caller:
            self._record_cooldowns(use)
        self.pending.append(pending)
        self.link.attempt(self.flush)  # another thread may have written it meanwhile
        return pending.stored

    def flush(self) -> None:
        """Write what waits; the lock is held."""
        pending = self._take_pending()
        try:
            self.read(older_than=USABLE)
        finally:
            self.backlog.extend(each for each in pending if not self._mark_counted(each))
        if self._unwritten:
            self._write_cooldowns()
        stored: set[Pair] = set()
        while self._unconfirmed or self.backlog:
            if self._unconfirmed is None:
                self._unconfirmed, self.backlog = self._batch(list(self.backlog)), Backlog()
            stored.update(self.add(self._unconfirmed))
            self._unconfirmed = None
        for each in pending:
            each.stored |= (route_key(each.use.route), each.use.model) in stored

    def add_sums(self, sums: Sequence[Sum]) -> bool:
        """Add sums, before which all that waits is written, and return whether any was stored; the lock is held.

        Raises:
            HistoryUnreachable: the store does not answer; then these sums do not wait.
        """
        self.flush()  # batches arrive in the order of their numbers
        return bool(sums) and bool(set(self.add(self._batch(sums))))

    def update_models(self, changed: Mapping[Pair, tuple[str, ModelRecord]]) -> None:
        """Set models in the view; each comes with the name of its route."""
        names, models = dict(self.view.names), dict(self.view.models)
        for (route, model), (name, record) in changed.items():
            names[route] = name
            known = {each["id"]: each for each in models.get(route, ())}
            models[route] = merge_bounded({**known, model: record}.values())
        self.view = replace(self.view, names=names, models=models)

    def _take_pending(self) -> list[PendingUsage]:
        while len(self.pending) > MOST_WAITING:
            self.pending.popleft()
        return [self.pending.popleft() for _ in range(len(self.pending))]

    def _mark_counted(self, pending: PendingUsage) -> bool:
        """Return whether a use is counted already, by this process or by one that was killed since, or on its way."""
        pair = (route_key(pending.use.route), pending.use.model)
        record = self.view.record(pair)
        if record is not None and is_counted(record, pending.use):
            pending.stored = True
            return True
        for each in self._unconfirmed.sums if self._unconfirmed else ():
            if (route_key(each.route), each.model) == pair:
                return any(is_counted(one, pending.use) for one in read_records(each.if_known))
        return False

    def _batch(self, sums: Sequence[Sum]) -> Batch:
        self._batches += 1
        return Batch(self._writer, self._batches, sums)

    def _record_cooldowns(self, use: UsageRecord) -> None:
        """Start, lengthen or end the cooldowns of a use's model; they hold here even if they cannot be written."""
        before = self.cooldowns.get(use.model, ())
        if changes_cooldowns(before, use):
            self._unwritten[use.model] = next_cooldowns(before, use)

    def _write_cooldowns(self) -> None:
        unwritten = dict(self._unwritten)
        lasting = without_forgotten(unwritten, self.now())
        self.put_cooldowns({model: lasting.get(model, []) for model in unwritten})
        others = {model: each for model, each in self.view.cooldowns.items() if model not in unwritten}
        self.view = replace(self.view, cooldowns={**others, **lasting})
        for model, each in unwritten.items():
            if self._unwritten.get(model) is each:  # unless a newer one came meanwhile
                del self._unwritten[model]

    def _read_in_background(self) -> None:
        try:
            self.link.attempt(lambda: self.read(FRESH))
        finally:
            self._reading = False
