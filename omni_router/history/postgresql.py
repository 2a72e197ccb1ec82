"""A LangGraph store in PostgreSQL, connected on first use. Imported only where it is needed."""

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

PATIENCE = 5  # seconds for a connection, and for sent data to arrive: a run goes on without
DEADLINE = 10.0  # seconds for an answer, which takes milliseconds; a server that hangs would never give one
KEEPALIVES = {"keepalives_idle": PATIENCE, "keepalives_interval": 2, "keepalives_count": 2}  # an idle path that is lost
SETUP_LOCK = 0x6F6D6E69  # an advisory lock of PostgreSQL, by a number of our own
SETUP_TIMEOUT = 60.0  # seconds: another process sets the tables up, which takes less than one


class Connected(NamedTuple):
    """A connection, the store on it, and a second handle of its socket."""

    connection: Connection[DictRow]
    store: PostgresStore
    handle: socket.socket

    def close(self) -> None:
        """Close both handles."""
        self.handle.close()
        self.connection.close()


class PostgreSQL(BaseStore):
    """A `PostgresStore` on one connection, which is opened anew in each process, and when it was lost.

    A pool would gain nothing: a `PostgresStore` does one thing at a time.
    """

    def __init__(self, address: str) -> None:
        try:
            options = conninfo_to_dict(address)
        except ProgrammingError:  # not chained as the cause: it quotes the address, which may hold a password
            raise ConfigurationError("OMNI_HISTORY is not a valid address of a PostgreSQL database") from None
        limits = {"connect_timeout": PATIENCE, "tcp_user_timeout": PATIENCE * 1000, **KEEPALIVES}
        self._options: dict[str, Any] = {**limits, **options}
        self._connected: dict[int, Connected] = {}  # connections by process
        atexit.register(self.close)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Perform several operations in one round trip; a server that does not answer in time is disconnected."""
        connected = self._connection()
        with _deadline(connected.handle, DEADLINE):
            return connected.store.batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Perform the same from a coroutine."""
        return await asyncio.to_thread(self.batch, ops)

    def close(self) -> None:
        """Close this process's connection; its parents close their own."""
        if connected := self._connected.pop(os.getpid(), None):
            connected.close()

    def _connection(self) -> Connected:
        connected = self._connected.get(os.getpid())
        if connected and not connected.connection.closed:
            return connected
        self.close()
        connection: Connection[DictRow] = Connection.connect(
            **self._options, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        connected = Connected(connection, PostgresStore(connection), _second_handle(connection))
        try:
            _set_up(connected)
        except BaseException:
            connected.close()
            raise
        self._connected[os.getpid()] = connected
        return connected


def _second_handle(connection: Connection[DictRow]) -> socket.socket:
    """Return a second handle of a connection's socket: the number of the first is reused once it is closed."""
    family = socket.AF_INET  # AF_INET6 would make no difference here
    if connection.info.host.startswith("/"):
        family = socket.AF_UNIX
    return socket.fromfd(connection.fileno(), family, socket.SOCK_STREAM)


@contextmanager
def _deadline(handle: socket.socket, seconds: float) -> Iterator[None]:
    """Shut down a connection's socket when the block takes too long, which then gets an error.

    A `statement_timeout` does not help: the server enforces it, and here the server is what hangs.
    """
    watchdog = threading.Timer(seconds, _shut_down, (handle,))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _shut_down(handle: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        handle.shutdown(socket.SHUT_RDWR)


def _set_up(connected: Connected) -> None:
    """Create the tables; one process at a time, since `setup` fails while another runs it.

    The lock is polled: waiting inside PostgreSQL would block the index that `setup` creates.
    """
    end = time.monotonic() + SETUP_TIMEOUT
    while not _answer(connected, "SELECT pg_try_advisory_lock(%s) AS answer"):
        if time.monotonic() > end:
            raise TimeoutError("another process holds the lock for setting up the tables")
        time.sleep(0.05)
    try:
        with _deadline(connected.handle, SETUP_TIMEOUT):
            connected.store.setup()
    finally:
        _answer(connected, "SELECT pg_advisory_unlock(%s) AS answer")


def _answer(connected: Connected, statement: Any) -> Any:
    with _deadline(connected.handle, DEADLINE):
        row = connected.connection.execute(statement, (SETUP_LOCK,)).fetchone()
    return row["answer"] if row else None
