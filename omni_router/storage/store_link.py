"""The way of a process to a shared store or database: one thread at a time, with a pause after it did not answer."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import ref

from langgraph.store.base import BaseStore, Op, PutOp

from omni_router.errors import HistoryUnreachable

logger = logging.getLogger("omni_router")

PATIENCE = 5.0  # seconds to wait until another thread is done with the store
AGAIN = 5.0  # seconds that a store which did not answer is left alone, so that few runs wait for it; then longer
LONGER = 8  # times as long at most
QUICK = 1.0  # seconds: a request that failed sooner, as on a stale connection, is repeated at once
NEVER = float("-inf")

T = TypeVar("T")


class Link:
    """A store or a database that may be out of reach."""

    def __init__(self) -> None:
        self._again_at = NEVER
        self._pause = AGAIN
        self._process, self._lock = os.getpid(), threading.RLock()

    @property
    def lock(self) -> threading.RLock:
        """The lock that each caller of `call` holds; a fork has another one, which no thread of its parent holds."""
        if self._process != os.getpid():
            self._lock = threading.RLock()
            self._process = os.getpid()
        return self._lock

    @property
    def down(self) -> bool:
        """Whether the store did not answer a moment ago."""
        return time.monotonic() < self._again_at

    def attempt(self, work: Callable[[], None]) -> None:
        """Work with the store, unless it is down; when it does not answer, log this once."""
        if self.down:
            return
        try:
            with self.turn():
                if not self.down:  # it may have failed while we waited
                    work()
        except HistoryUnreachable as error:
            if self._again_at == NEVER:  # the first time
                self._pause = AGAIN
                logger.warning("%s: continuing with the history as last read", error)
            self._again_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGER * AGAIN)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            HistoryUnreachable: another thread holds it for so long that the store must be hanging.
        """
        if not self.lock.acquire(timeout=PATIENCE):
            raise HistoryUnreachable(f"the store of the history did not answer another run within {PATIENCE:g} s")
        try:
            yield
        finally:
            self.lock.release()

    def call(self, work: Callable[[], T]) -> T:
        """Return what some work with the store returns; it may be repeated without harm.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        started = time.monotonic()
        try:
            try:
                result = work()
            except Exception:
                if time.monotonic() - started > QUICK:
                    raise
                result = work()
        except HistoryUnreachable:  # its text is ours
            raise
        except Exception as error:  # noqa: BLE001 (stores raise what their drivers raise)
            # Neither its text nor itself as the cause: a driver may quote an address with a password.
            raise HistoryUnreachable(f"the store of the history does not answer ({type(error).__name__})") from None
        self._again_at = NEVER
        return result


class StoreLink(Link):
    """A LangGraph store. `PostgresStore` lets only one thread in at a time, too."""

    def __init__(self, store: BaseStore) -> None:
        super().__init__()
        self._store = ref(store)  # it is the host's, which may drop it

    def ask(self, ops: Sequence[Op]) -> list[Any]:
        """Perform several operations in one round trip; each may be repeated without harm.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        store = self._store()
        if store is None:
            raise HistoryUnreachable("the store of the history no longer exists")
        return self.call(lambda: store.batch(ops))


def put(space: tuple[str, ...], key: str, value: Mapping[str, Any] | None) -> PutOp:
    """Return what puts, or without a value deletes, an item that no host's settings embed or let expire."""
    return PutOp(space, key, None if value is None else dict(value), index=False, ttl=None)


def put_all(space: tuple[str, ...], values: Mapping[str, Mapping[str, Any] | None]) -> list[PutOp]:
    """Return what puts, or without a value deletes, several items by their keys."""
    return [put(space, key, value) for key, value in values.items()]
