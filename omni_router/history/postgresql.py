"""A LangGraph store in PostgreSQL, connected when it is first needed."""

import atexit
import threading
import time

from langgraph.store.base import BaseStore

from omni_router.errors import ConfigurationError

CONNECTIONS = 4  # a process writes one outcome at a time, and reads in the background
PATIENCE = 5.0  # seconds for a connection: a run goes on without
AGAIN = 10.0  # seconds after a failure: until then nobody waits for the next one


class PostgreSQL:
    """Gives the store; the address never shows, it may hold a password."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._store: BaseStore | None = None
        self._failed = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> BaseStore:
        """Connect, once.

        Raises:
            ConfigurationError: a package is missing.
            ConnectionError: the server cannot be reached, or takes neither user nor password.
        """
        with self._lock:
            if self._store is None:
                if time.monotonic() - self._failed < AGAIN:
                    raise ConnectionError("PostgreSQL could not be reached a moment ago")
                try:
                    self._store = _connect(self._address)
                except ConfigurationError:
                    raise
                except Exception as error:  # noqa: BLE001 (the pool's, the driver's, the store's)
                    self._failed = time.monotonic()
                    # Neither its text nor itself as the cause: a driver may quote the address.
                    raise ConnectionError(f"PostgreSQL cannot be reached ({type(error).__name__})") from None
            return self._store


def _connect(address: str) -> BaseStore:
    try:
        import psycopg
        from langgraph.store.postgres import PostgresStore
        from psycopg.rows import dict_row
        from psycopg_pool import ConnectionPool
    except ImportError as error:
        raise ConfigurationError(
            'a history in PostgreSQL needs more packages: pip install "omni-router[postgres]"'
        ) from error
    # Once by itself: the pool would go on trying in the background, and tell each failure in a log of its own.
    psycopg.connect(address, connect_timeout=int(PATIENCE)).close()
    pool = ConnectionPool(
        address,
        min_size=1,
        max_size=CONNECTIONS,
        timeout=PATIENCE,
        open=False,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "connect_timeout": int(PATIENCE)},
    )
    try:
        pool.open(wait=True, timeout=PATIENCE)
        store = PostgresStore(pool)  # type: ignore[arg-type]
        store.setup()
    except BaseException:
        pool.close()
        raise
    atexit.register(pool.close)
    return store
