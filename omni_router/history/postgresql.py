"""A LangGraph store in PostgreSQL, connected when it is first asked. Imported only where it is wanted."""

import asyncio
import atexit
import os
import time
from collections.abc import Iterable
from typing import Any

from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.postgres import PostgresStore
from psycopg import Connection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from omni_router.errors import ConfigurationError

PATIENCE = 5  # seconds for a connection, and for what is sent to arrive: a run goes on without
SETUP_LOCK = 0x6F6D6E69  # an advisory lock of PostgreSQL, by a number of our own
SETUP_TIMEOUT = 60.0  # seconds: another process sets the tables up, which takes less than one


class PostgreSQL(BaseStore):
    """A `PostgresStore` on one connection, which is made anew in each process, and when it was lost.

    A pool would give nothing: a `PostgresStore` does one thing at a time.
    """

    def __init__(self, address: str) -> None:
        try:
            options = conninfo_to_dict(address)
        except ProgrammingError:  # not as the cause: it quotes the address, which may hold a password
            raise ConfigurationError("OMNI_HISTORY is no address of a PostgreSQL database that can be read") from None
        self._options: dict[str, Any] = {"connect_timeout": PATIENCE, "tcp_user_timeout": PATIENCE * 1000, **options}
        self._connected: dict[int, tuple[Connection[DictRow], PostgresStore]] = {}  # by process
        atexit.register(self.close)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several things in one round trip."""
        return self._store().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same from a coroutine."""
        return await asyncio.to_thread(self.batch, ops)

    def close(self) -> None:
        """Close this process's connection; those of its parents are theirs."""
        if found := self._connected.get(os.getpid()):
            found[0].close()

    def _store(self) -> PostgresStore:
        found = self._connected.get(os.getpid())
        if found and not found[0].closed:
            return found[1]
        connection: Connection[DictRow] = Connection.connect(
            **self._options, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        try:
            store = PostgresStore(connection)
            _set_up(store, connection)
        except BaseException:
            connection.close()
            raise
        self._connected[os.getpid()] = connection, store
        return store


def _set_up(store: PostgresStore, connection: Connection[DictRow]) -> None:
    """Make the tables; one process at a time, since `setup` fails where another is at it.

    The lock is asked for again and again: waiting inside PostgreSQL would block the index that `setup` makes.
    """
    end = time.monotonic() + SETUP_TIMEOUT
    while not _answer(connection, "SELECT pg_try_advisory_lock(%s) AS answer"):
        if time.monotonic() > end:
            raise TimeoutError("another process holds the lock for setting up the tables")
        time.sleep(0.05)
    try:
        store.setup()
    finally:
        _answer(connection, "SELECT pg_advisory_unlock(%s) AS answer")


def _answer(connection: Connection[DictRow], statement: Any) -> Any:
    row = connection.execute(statement, (SETUP_LOCK,)).fetchone()
    return row and row["answer"]
