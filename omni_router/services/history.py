"""Open the history of an environment. Nothing is read or connected before it is needed."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError, missing_package
from omni_router.history.file import FileHistory
from omni_router.history.label_file import FileLabelStore
from omni_router.history.protocol import History
from omni_router.history.spending import FileLedger, Ledger
from omni_router.routers.cascade.labels import LabelStore

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

    from omni_router.history.database import Database
    from omni_router.history.postgresql_spending import PostgresLedger

POSTGRESQL = ("postgresql://", "postgres://")


def open_history(environment: Environment, file: RouteFile) -> History:
    """Open the history of an environment.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.history == "file":
        return FileHistory(file)
    if environment.history == "store":
        from omni_router.history.store import StoreHistory

        return StoreHistory(store_of_the_host, "the store of the graph")
    _check_address(environment.history)
    from omni_router.history.postgresql import PostgresHistory

    return PostgresHistory(environment.history)


def open_label_store(environment: Environment, encoder: Callable[[], str]) -> LabelStore:
    """Open the place of teacher labels: a file of its own, or where the history is.

    Args:
        environment: which history, where the policy is, how many labels.
        encoder: returns the name of the encoder of the vectors.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    size, path = environment.cascade_size, environment.cascade_path
    if environment.history == "file" or path:
        policy = environment.route_config
        return FileLabelStore(path or policy.with_name(f".{policy.name}.lessons"), encoder, size)
    if environment.history == "store":
        from omni_router.history.label_store import LangGraphLabelStore

        return LangGraphLabelStore(store_of_the_host, encoder, size)
    _check_address(environment.history)
    from omni_router.history.label_postgresql import PostgresLabelStore

    return PostgresLabelStore(environment.history, encoder, size)


def open_ledger(environment: Environment) -> Ledger | None:
    """Open the ledger of a day's spending, beside the history; None without a budget of the day.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.budget.day is None:
        return None
    if environment.history == "file":
        policy = environment.route_config
        return FileLedger(policy.with_name(f".{policy.name}.spending"))
    if environment.history == "store":
        from omni_router.history.store_spending import StoreLedger

        return StoreLedger(store_of_the_host)
    return _postgresql_ledger(environment.history)


def open_user_ledger(environment: Environment, user: str) -> Ledger:
    """Open the ledger of what a user of a server spends in a day, beside the history.

    Where the history is in the store of the graph, which exists in its runs alone, it is a file of this machine.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.history in ("file", "store"):
        policy = environment.route_config
        return FileLedger(policy.with_name(f".{policy.name}.spending.{user}"))
    return _shared_ledger(environment.history).for_user(user)


@lru_cache(maxsize=4)
def _shared_ledger(address: str) -> "PostgresLedger":
    """Return a ledger whose connection those of all users share."""
    return _postgresql_ledger(address)


def _postgresql_ledger(address: str) -> "PostgresLedger":
    _check_address(address)
    from omni_router.history.postgresql_spending import PostgresLedger

    return PostgresLedger(address)


def open_database(address: str) -> "Database":
    """Open the database of a history; it is connected on first use.

    Raises:
        ConfigurationError: a package is missing, or the address cannot be read.
    """
    _check_address(address)
    from omni_router.history.database import Database

    return Database(address)


def _check_address(address: str) -> None:
    """Raise ConfigurationError if a history is not in PostgreSQL, or if a package that this needs is missing."""
    if not address.startswith(POSTGRESQL):  # not repeated: a mistyped address may hold a password
        raise ConfigurationError("OMNI_HISTORY must be file, store or postgresql://USER@HOST/DATABASE")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise missing_package("a history in PostgreSQL needs more packages", "postgres") from error


def store_of_the_host() -> "BaseStore":
    """Return the store that the running graph was compiled with, or that its server provides."""
    from langgraph.config import get_store

    try:
        store = get_store()
    except (RuntimeError, KeyError):  # outside of a run, as on the command line
        store = None
    if store is None:
        raise ConfigurationError(
            "OMNI_HISTORY=store needs a running graph with a store, and there is none here: compile the graph with "
            "compile(store=...), or set OMNI_HISTORY to file or to postgresql://USER@HOST/DATABASE"
        )
    return store
