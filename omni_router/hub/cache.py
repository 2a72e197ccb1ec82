"""A stale-while-revalidate cache: fresh values are returned at once, stale ones too while they are fetched again.

A key is fetched once at a time, however many callers want it. A service that is down is left alone for a minute: an
outage costs one wait a minute, not one for each message or query.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

from omni_router.hub.session import HUB_TIMEOUT, is_outage
from omni_router.storage.sqlite import DiskCache

logger = logging.getLogger("omni_router")

TIMEOUT = HUB_TIMEOUT
KEEP = 600.0  # seconds: what providers serve changes within days
KEEP_FAILURE = 60.0  # seconds: short enough to come back soon, and an outage costs one wait a minute
KEEP_STALE = 7 * 24 * 3600.0  # seconds: an old list is better than none; what changed shows when a model is called
MAX_ENTRIES = 1000  # entries in memory, some hundred bytes each except for a few lists


class CachedValue(NamedTuple):
    """A value and when it was fetched; a `stale` one is being fetched again, or could not be."""

    value: Any
    at: float
    stale: bool = False


@dataclass(frozen=True, eq=False)
class Query:
    """What to fetch: its name, the call that fetches it, and who may share the value."""

    name: str
    fetch: Callable[[], Any]
    service: str  # the service that is called; while it is down, it gets no other query either
    source: str = "the Hub"  # the name of the service in the log
    scope: Hashable = None  # a simulation has values of its own; only those of the real Hub, None, go to disk
    owner: Hashable = None  # only this owner may see the value, unless it is shared
    is_shared: Callable[[Any], bool] = lambda _value: True
    may_be_stale: Callable[[Any], bool] = lambda _value: True

    @property
    def own_key(self) -> Hashable:
        """The key of a value that only the owner may see."""
        return (self.name, self.scope, self.owner)

    @property
    def shared_key(self) -> Hashable:
        """The key of a value that everyone may see."""
        return (self.name, self.scope, None)

    @property
    def service_key(self) -> Hashable:
        """The key of the failures of the service."""
        return (self.service, self.scope)


class _Fetch(NamedTuple):
    """A call under way, or one that has just returned."""

    future: "Future[CachedValue]"
    deadline: float  # callers wait until this time.monotonic()


class SwrCache:
    """Values by query, in memory and, if everyone may see them, on disk."""

    def __init__(self, disk: DiskCache | None, clock: Callable[[], float]) -> None:
        self._disk, self._clock = disk, clock
        self._values: OrderedDict[Hashable, CachedValue] = OrderedDict()
        self._fetches: dict[Hashable, _Fetch] = {}
        self._failures: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, *queries: Query, wait_for_fresh: bool = False) -> dict[Query, CachedValue | None]:
        """Return the value of each query; None if there is none within `TIMEOUT`.

        Args:
            queries: all are fetched at the same time.
            wait_for_fresh: whether to wait for a fresh value also where a stale one is at hand.
        """
        lookups = [(query, *self._look_up(query)) for query in queries]  # starts every fetch before awaiting one
        values: dict[Query, CachedValue | None] = {}
        for query, cached, fetch in lookups:
            values[query] = cached
            if fetch and (cached is None or wait_for_fresh):
                values[query] = self._await(query, fetch) or cached
        return values

    def is_down(self, service: str, scope: Hashable) -> bool:
        """Return whether a service did not answer a moment ago."""
        return self._failed_lately((service, scope))

    def note_down(self, service: str, scope: Hashable) -> None:
        """Note that a service did not answer: it is left alone for `KEEP_FAILURE`."""
        with self._lock:
            self._failures[service, scope] = self._clock()
            _drop_oldest(self._failures)

    def _look_up(self, query: Query) -> tuple[CachedValue | None, _Fetch | None]:
        """Return the newest value that may be used, and the fetch of a better one."""
        cached = self._in_memory(query)
        if self._disk and query.scope is None and not (cached and self._is_fresh(cached)):
            cached = self._newer_on_disk(self._disk, query, cached)
        if cached and self._is_fresh(cached):
            return cached, None
        fetch = self._join_or_start(query)
        if cached and self._clock() - cached.at < KEEP_STALE and query.may_be_stale(cached.value):
            return cached._replace(stale=True), fetch
        return None, fetch

    def _in_memory(self, query: Query) -> CachedValue | None:
        with self._lock:
            for key in (query.own_key, query.shared_key):
                if key in self._values:
                    self._values.move_to_end(key)
            return self._newest(query)

    def _newest(self, query: Query) -> CachedValue | None:
        values = [self._values[key] for key in (query.own_key, query.shared_key) if key in self._values]
        return max(values, key=lambda value: value.at, default=None)

    def _newer_on_disk(self, disk: DiskCache, query: Query, cached: CachedValue | None) -> CachedValue | None:
        stored = disk.get(query.name)  # another process may have written it
        # A time in the future was written by a clock that was wrong.
        if not stored or stored.at > self._clock() or (cached and stored.at <= cached.at):
            return cached
        value = CachedValue(*stored)
        self._store(query.shared_key, value)
        return value

    def _is_fresh(self, value: CachedValue) -> bool:
        return 0 <= self._clock() - value.at < KEEP  # a clock may be set back

    def _store(self, key: Hashable, value: CachedValue) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            _drop_oldest(self._values)

    def _join_or_start(self, query: Query) -> _Fetch | None:
        """Join the call under way, or start one unless the last failed a moment ago."""
        future: Future[CachedValue] = Future()
        with self._lock:
            if fetch := self._fetches.get(query.own_key):
                return fetch
            newest = self._newest(query)
            if newest and self._is_fresh(newest):  # it arrived after this thread looked
                future.set_result(newest)
                return _Fetch(future, 0.0)
            if self._has_failed(query):
                return None
            fetch = self._fetches[query.own_key] = _Fetch(future, time.monotonic() + TIMEOUT)
        # A daemon, so that a Hub that never answers does not keep the process alive.
        name = f"catalog {query.name}"
        threading.Thread(target=self._fetch, args=(query, future), name=name, daemon=True).start()
        return fetch

    def _fetch(self, query: Query, future: "Future[CachedValue]") -> None:
        try:
            value = CachedValue(query.fetch(), self._clock())
            shared = query.is_shared(value.value)
        except Exception as error:  # noqa: BLE001 (logged here, and callers that wait get None)
            logger.warning("could not fetch %s from %s: %s", query.name, query.source, type(error).__name__)
            self._end(query, failed=True, outage=is_outage(error))
            future.set_exception(error)
            return
        self._store(query.shared_key if shared else query.own_key, value)
        self._end(query, failed=False)
        if self._disk and shared and query.scope is None:
            self._disk.put(query.name, value.value, value.at)
        future.set_result(value)  # last: a caller that waits may end the process

    def _end(self, query: Query, *, failed: bool, outage: bool = False) -> None:
        with self._lock:
            del self._fetches[query.own_key]
            self._note(query, failed=failed, outage=outage or not failed)

    def _await(self, query: Query, fetch: _Fetch) -> CachedValue | None:
        seconds = max(0.0, fetch.deadline - time.monotonic())
        wait([fetch.future], seconds)
        if fetch.future.done():
            if fetch.future.exception():
                return None
            return fetch.future.result()
        if seconds:  # later callers do not wait, and do not log it again
            logger.warning("%s did not return %s within %g s", query.source, query.name, TIMEOUT)
            with self._lock:
                self._note(query, failed=True, outage=True)
        return None

    def _note(self, query: Query, *, failed: bool, outage: bool) -> None:
        """Store, or delete, when a query failed, and in an outage its service too."""
        keys = [query.own_key]
        if outage:
            keys.append(query.service_key)
        for key in keys:
            self._failures.pop(key, None)
            if failed:
                self._failures[key] = self._clock()
        _drop_oldest(self._failures)

    def _has_failed(self, query: Query) -> bool:
        return self._failed_lately(query.own_key) or self._failed_lately(query.service_key)

    def _failed_lately(self, key: Hashable) -> bool:
        at = self._failures.get(key)
        return at is not None and 0 <= self._clock() - at < KEEP_FAILURE


def _drop_oldest(entries: OrderedDict[Hashable, Any]) -> None:
    while len(entries) > MAX_ENTRIES:
        entries.popitem(last=False)
