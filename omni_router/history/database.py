"""A connection to the PostgreSQL database of a history, opened on first use. Imported only where it is needed."""

import atexit
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from psycopg import Connection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from psycopg.rows import DictRow, dict_row

from omni_router.errors import ConfigurationError, HistoryUnreachable
from omni_router.history.former_import import import_former
from omni_router.history.tables import MIGRATIONS

PATIENCE = 5  # seconds for a connection, and for sent data to arrive: a run goes on without
DEADLINE = 10.0  # seconds for an answer, which takes milliseconds; a server that hangs would never give one
KEEPALIVES = {"keepalives_idle": PATIENCE, "keepalives_interval": 2, "keepalives_count": 2}  # an idle path that is lost
SETUP_LOCK = 0x6F6D6E69  # an advisory lock of PostgreSQL, by a number of our own
SETUP_TIMEOUT = 60.0  # seconds: another process sets the tables up, or takes a former history over

NOT_ALLOWED = (
    "the user in OMNI_HISTORY may not create or use the tables omni_router_...: grant CREATE on the schema, or the "
    "rights on these tables"
)
READ_ONLY = "the database in OMNI_HISTORY is read-only, as a standby is: nothing can be recorded there"

T = TypeVar("T")


class Connected(NamedTuple):
    """A connection, and a second handle of its socket."""

    connection: Connection[DictRow]
    handle: socket.socket

    def close(self) -> None:
        """Close both handles."""
        self.handle.close()
        self.connection.close()


class Database:
    """One connection, which is opened anew in each process, and when it was lost.

    A pool would gain nothing: the writes of a process go one after the other, and its reads come from memory.
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

    def use(self, work: Callable[[Connection[DictRow]], T]) -> T:
        """Return what some work with the database returns; a server that does not answer in time is disconnected.

        Raises:
            HistoryUnreachable: its user may not do that, or it is read-only; other errors are those of psycopg.
        """
        try:
            connected = self._connection()
            with _deadline(connected.handle, DEADLINE):
                return work(connected.connection)
        except InsufficientPrivilege:
            raise HistoryUnreachable(NOT_ALLOWED) from None
        except ReadOnlySqlTransaction:
            raise HistoryUnreachable(READ_ONLY) from None

    def close(self) -> None:
        """Close this process's connection; its parents close their own."""
        if connected := self._connected.pop(os.getpid(), None):
            connected.close()

    def _connection(self) -> Connected:
        connected = self._connected.get(os.getpid())
        if connected and not connected.connection.closed:
            return connected
        self.close()
        # Nothing is prepared: behind a pooler, the next transaction may run on another connection of the server.
        connection: Connection[DictRow] = Connection.connect(
            **self._options, autocommit=True, prepare_threshold=None, row_factory=dict_row
        )
        connected = Connected(connection, _second_handle(connection))
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
    """Create the tables, or change them to those of this version; one process at a time."""
    connection = connected.connection
    with _deadline(connected.handle, DEADLINE):
        if _version(connection) >= len(MIGRATIONS):
            return
    with _deadline(connected.handle, SETUP_TIMEOUT), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (SETUP_LOCK,))
        version = _version(connection)
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            connection.execute(migration, prepare=False)  # several statements at once
            connection.execute("INSERT INTO omni_router_schema VALUES (%s)", (number,))
        if not version:
            import_former(connection)


def _version(connection: Connection[DictRow]) -> int:
    """Return the version of the tables; 0 if there are none."""
    row = connection.execute("SELECT to_regclass('omni_router_schema') IS NOT NULL AS answer").fetchone()
    if not row or not row["answer"]:
        return 0
    row = connection.execute("SELECT max(version) AS answer FROM omni_router_schema").fetchone()
    return row["answer"] if row else 0
