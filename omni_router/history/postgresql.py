"""A LangGraph store in PostgreSQL, connected when it is first asked. Imported only where it is wanted."""

import asyncio
import atexit
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.postgres import PostgresStore
from psycopg import Connection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from omni_router.errors import ConfigurationError

PATIENCE = 5  # seconds for a connection, and for what is sent to arrive: a run goes on without
DEADLINE = 10.0  # seconds for an answer, which takes milliseconds; a server that hangs would never give one
KEEPALIVES = {"keepalives_idle": PATIENCE, "keepalives_interval": 2, "keepalives_count": 2}  # an idle path that is lost
SETUP_LOCK = 0x6F6D6E69  # an advisory lock of PostgreSQL, by a number of our own
SETUP_TIMEOUT = 60.0  # seconds: another process sets the tables up, which takes less than one


class Connected(NamedTuple):
    """A connection, the store on it, and a second handle of its socket."""

    connection: Connection[DictRow]
    store: PostgresStore
    line: socket.socket

    def close(self) -> None:
        """Close both handles."""
        self.line.close()
        self.connection.close()


class PostgreSQL(BaseStore):
    """A `PostgresStore` on one connection, which is made anew in each process, and when it was lost.

    A pool would give nothing: a `PostgresStore` does one thing at a time.
    """

    def __init__(self, address: str) -> None:
        try:
            options = conninfo_to_dict(address)
        except ProgrammingError:  # not as the cause: it quotes the address, which may hold a password
            raise ConfigurationError("OMNI_HISTORY is no address of a PostgreSQL database that can be read") from None
        limits = {"connect_timeout": PATIENCE, "tcp_user_timeout": PATIENCE * 1000, **KEEPALIVES}
        self._options: dict[str, Any] = {**limits, **options}
        self._connected: dict[int, Connected] = {}  # by process
        atexit.register(self.close)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several things in one round trip; a server that does not answer in time is hung up on."""
        found = self._connection()
        with _deadline(found.line, DEADLINE):
            return found.store.batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same from a coroutine."""
        return await asyncio.to_thread(self.batch, ops)

    def close(self) -> None:
        """Close this process's connection; those of its parents are theirs."""
        if found := self._connected.pop(os.getpid(), None):
            found.close()

    def _connection(self) -> Connected:
        found = self._connected.get(os.getpid())
        if found and not found.connection.closed:
            return found
        self.close()
        connection: Connection[DictRow] = Connection.connect(
            **self._options, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        made = Connected(connection, PostgresStore(connection), _line(connection))
        try:
            _set_up(made)
        except BaseException:
            made.close()
            raise
        self._connected[os.getpid()] = made
        return made


def _line(connection: Connection[DictRow]) -> socket.socket:
    """Make a second handle of a connection's socket: the number of the first may be another's once it is closed."""
    is_path = connection.info.host.startswith("/")  # which of the other families it is makes no difference here
    return socket.fromfd(connection.fileno(), socket.AF_UNIX if is_path else socket.AF_INET, socket.SOCK_STREAM)


@contextmanager
def _deadline(line: socket.socket, seconds: float) -> Iterator[None]:
    """Shut a connection's socket when the block takes too long: whoever waits for it then gets an error.

    A `statement_timeout` would not do, since it is the server that keeps it, and here the server is what hangs.
    """
    watchdog = threading.Timer(seconds, _hang_up, (line,))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        line.shutdown(socket.SHUT_RDWR)


def _set_up(made: Connected) -> None:
    """Make the tables; one process at a time, since `setup` fails where another is at it.

    The lock is asked for again and again: waiting inside PostgreSQL would block the index that `setup` makes.
    """
    end = time.monotonic() + SETUP_TIMEOUT
    while not _answer(made, "SELECT pg_try_advisory_lock(%s) AS answer"):
        if time.monotonic() > end:
            raise TimeoutError("another process holds the lock for setting up the tables")
        time.sleep(0.05)
    try:
        with _deadline(made.line, SETUP_TIMEOUT):
            made.store.setup()
    finally:
        _answer(made, "SELECT pg_advisory_unlock(%s) AS answer")


def _answer(made: Connected, statement: Any) -> Any:
    with _deadline(made.line, DEADLINE):
        row = made.connection.execute(statement, (SETUP_LOCK,)).fetchone()
    return row and row["answer"]
