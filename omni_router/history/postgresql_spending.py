"""A ledger in PostgreSQL: one sum a day, to which all processes and machines add.

A call that is reported again, or sent again because the first answer was lost, is among those of its day, and adds
nothing. Days that are over keep their sum; their calls are deleted after a week, within which an outage has ended.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from omni_router.costs import rounded
from omni_router.errors import HistoryUnreachable
from omni_router.history.database import Database
from omni_router.history.spending import at_exit, utc_now
from omni_router.history.tables import current_space
from omni_router.history.usage import storable
from omni_router.storage.store_link import Link

KEEP = timedelta(days=7)  # how long calls are kept
FRESH = 1.0  # seconds: what other processes spend is seen as late as this

ADD = """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(%(calls)s) AS given (day text, call text, dollars numeric)
    ), new AS (
        INSERT INTO omni_router_calls (space, day, call) SELECT %(space)s, day, call FROM given ORDER BY day, call
        ON CONFLICT DO NOTHING RETURNING day, call
    )
    INSERT INTO omni_router_spending AS known (space, day, spent)
    SELECT %(space)s, day, sum(dollars) FROM given JOIN new USING (day, call) GROUP BY day ORDER BY day
    ON CONFLICT (space, day) DO UPDATE SET spent = known.spent + EXCLUDED.spent
"""
SPENT = "SELECT spent::float8 AS spent FROM omni_router_spending WHERE space = %s AND day = %s"
FORGET_CALLS = "DELETE FROM omni_router_calls WHERE space = %s AND day < %s"

Call = tuple[str, str]  # the day, and the id of the call


class PostgresLedger:
    """What all processes have spent today.

    What cannot be written counts in this process, and is written with its next call or when the process ends.

    Args:
        address: of the database; it is connected on first use.
        now: the clock, in UTC.
    """

    def __init__(self, address: str, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._now, self._link = Database(address), now, Link()
        self._begin_in(current_space())  # simulated money is not spent
        at_exit(self._flush)

    def for_user(self, name: str) -> "PostgresLedger":
        """Return a ledger of a user's own, over the same connection."""
        ledger = copy(self)
        ledger._begin_in(f"{current_space()}/{name}")  # noqa: SLF001 (one of its own kind)
        at_exit(ledger._flush)  # noqa: SLF001
        return ledger

    def _begin_in(self, space: str) -> None:
        self._space = space
        self._process, self._lock = os.getpid(), threading.Lock()
        self._unwritten: dict[Call, float] = {}
        self._day, self._spent = "", 0.0  # as last read
        self._read_at = float("-inf")

    def spent(self) -> float:
        """Return today's sum of all processes, read anew if it is old; as last read when PostgreSQL does not answer."""
        with self._today():
            is_old = time.monotonic() - self._read_at > FRESH
        if is_old:
            self._link.attempt(self._write_and_read)
        with self._today():
            unwritten = [dollars for (day, _), dollars in self._unwritten.items() if day == self._day]
            return rounded(self._spent + sum(unwritten))

    def add(self, dollars: float, call: str) -> None:
        """Add the cost of a call."""
        with self._today():
            self._unwritten.setdefault((self._day, storable(call)), dollars)
        self._link.attempt(self._write_and_read)

    @contextmanager
    def _today(self) -> Iterator[None]:
        """Hold the lock of what is in memory, for no longer than that takes; a day or a fork begins with nothing."""
        if self._process != os.getpid():  # its parent writes what waits there
            self._lock, self._unwritten, self._process = threading.Lock(), {}, os.getpid()
        day = f"{self._now():%Y-%m-%d}"
        with self._lock:
            if day != self._day:
                self._day, self._spent, self._read_at = day, 0.0, float("-inf")
            yield

    def _write_and_read(self) -> None:
        """Write what was not written, and read the sum; both may be repeated. The lock of the link is held."""
        with self._today():
            today, unwritten, is_first = self._day, dict(self._unwritten), self._read_at == float("-inf")
        calls = [{"day": day, "call": call, "dollars": dollars} for (day, call), dollars in unwritten.items()]

        def work(database: Connection[DictRow]) -> float:
            if calls:
                database.execute(ADD, {"calls": Jsonb(calls), "space": self._space})
            if is_first:
                database.execute(FORGET_CALLS, (self._space, f"{self._now() - KEEP:%Y-%m-%d}"))
            row = database.execute(SPENT, (self._space, today)).fetchone()
            return float(row["spent"]) if row else 0.0

        spent = self._link.call(lambda: self._database.use(work))
        with self._today():
            for call in unwritten:
                self._unwritten.pop(call, None)
            if self._day == today:
                self._spent, self._read_at = spent, time.monotonic()

    def _flush(self) -> None:
        if self._unwritten and self._process == os.getpid():
            with suppress(HistoryUnreachable), self._link.turn():
                self._write_and_read()
