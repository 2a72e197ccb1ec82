"""A ledger in a LangGraph store. Each process writes an item of its own, and reads all, so that no sum is lost.

spending, <day>    <writer>    {"day", "spent", "calls"}: what the calls of one process cost in a day
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import uuid4
from weakref import WeakKeyDictionary

from langgraph.store.base import BaseStore, SearchOp
from langgraph.store.base.batch import AsyncBatchedBaseStore

from omni_router.errors import HistoryUnreachable
from omni_router.history.spending import Account, at_exit, read_account, total, utc_now
from omni_router.history.store import ALL
from omni_router.simulation import is_simulated
from omni_router.storage.store_link import StoreLink, put

FRESH = 1.0  # seconds: what other processes spend is seen as late as this


class StoreLedger:
    """What all writers have spent today; each process writes an item of its own.

    What cannot be written counts in this process, and is written with its next call or when the process ends.

    Args:
        store: returns the store; called for each use, since a host's store exists in its own runs only.
        now: the clock, in UTC.
    """

    def __init__(self, store: Callable[[], BaseStore], now: Callable[[], datetime] = utc_now) -> None:
        self._store, self._now = store, now
        # Simulated money is not spent.
        self._space = ("omni_router", "sandbox", "spending") if is_simulated() else ("omni_router", "spending")
        self._books: WeakKeyDictionary[BaseStore, _Book] = WeakKeyDictionary()
        at_exit(self._flush)

    def spent(self) -> float:
        """Return what today's calls have cost."""
        return self._book().spent()

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call."""
        self._book().add(dollars, call)

    def _book(self) -> "_Book":
        store = self._store()
        book = self._books.get(store)
        if book is None or book.process != os.getpid():  # after a fork they are two writers
            book = self._books[store] = _Book(store, self._space, self._now)
        return book

    def _flush(self) -> None:
        for store, book in list(self._books.items()):
            if not isinstance(store, AsyncBatchedBaseStore):  # one that needs its event loop no longer answers
                book.flush()


class _Book:
    """One process's own account of today, and those of the other writers as last read."""

    def __init__(self, store: BaseStore, space: tuple[str, ...], now: Callable[[], datetime]) -> None:
        self.process = os.getpid()
        self._space, self._now, self._link = space, now, StoreLink(store)
        self._writer, self._own = "", Account("")
        self._others: list[Account] = []
        self._read_at = float("-inf")
        self._is_written = True

    def spent(self) -> float:
        """Return today's sum of all writers, read anew if it is old; as last read when the store does not answer."""
        with self._link.lock:
            self._turn_page()
            if time.monotonic() - self._read_at > FRESH:
                self._link.attempt(self._read)
            return total([self._own, *self._others])

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call to this writer's account."""
        with self._link.lock:
            self._turn_page()
            if any(call in account.calls for account in self._others):
                return  # counted by a writer that was killed since
            self._own.add(dollars, call)
            self._is_written = False
            self._link.attempt(self._write)

    def flush(self) -> None:
        """Write what could not be written before."""
        if not self._is_written:
            with suppress(HistoryUnreachable), self._link.turn():
                self._write()

    def _turn_page(self) -> None:
        """Begin a new account if a day began; the lock is held."""
        day = f"{self._now():%Y-%m-%d}"
        if day != self._own.day:
            self._writer, self._own, self._others = uuid4().hex, Account(day), []
            self._read_at, self._is_written = float("-inf"), True

    def _read(self) -> None:
        """Read the accounts of today, and delete those of days that are over."""
        if not self._is_written:
            self._write()
        [items] = self._link.ask([SearchOp(self._space, limit=ALL, refresh_ttl=False)])
        day, others, over = self._own.day, list[Account](), []
        for item in items:
            if item.namespace[-1] < day:
                over.append(put(item.namespace, item.key, None))
            elif item.key != self._writer:
                others.append(read_account(item.value, day))
        self._others, self._read_at = others, time.monotonic()
        if over:
            self._link.ask(over)

    def _write(self) -> None:
        self._link.ask([put((*self._space, self._own.day), self._writer, self._own.as_json())])
        self._is_written = True
