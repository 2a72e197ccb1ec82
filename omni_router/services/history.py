"""Open the history of an environment. Nothing is read or connected before it is needed."""

from collections.abc import Callable
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

POSTGRESQL = ("postgresql://", "postgres://")


def open_history(environment: Environment, file: RouteFile) -> History:
    """Open the history of an environment.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.history == "file":
        return FileHistory(file)
    from omni_router.history.store import StoreHistory

    if environment.history == "store":
        return StoreHistory(_store_of_the_host, "the store of the graph")
    return StoreHistory(open_store(environment.history), "PostgreSQL")


def open_label_store(environment: Environment, encoder: Callable[[], str]) -> LabelStore:
    """Open the place of teacher labels: a file of its own, or the store of the history.

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
    from omni_router.history.label_store import LangGraphLabelStore

    return LangGraphLabelStore(open_store(environment.history), encoder, size)


def open_ledger(environment: Environment) -> Ledger | None:
    """Open the ledger of a day's spending, beside the history; None without a budget of the day.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.budget.day is None:
        return None
    return open_user_ledger(environment)


def open_user_ledger(environment: Environment, user: str = "") -> Ledger:
    """Open the ledger of a day's spending of a user of a server, beside the history; without a name, that of all runs.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.history == "file":
        policy = environment.route_config
        return FileLedger(policy.with_name(f".{policy.name}.spending{user and f'.{user}'}"))
    from omni_router.history.store_spending import StoreLedger

    return StoreLedger(open_store(environment.history), user=user)


def open_store(history: str) -> "Callable[[], BaseStore]":
    """Return a function that returns the store of a history.

    Raises:
        ConfigurationError: there is no such history, a package is missing, or an address cannot be read.
    """
    if history == "store":
        return _store_of_the_host
    if not history.startswith(POSTGRESQL):  # not repeated: a mistyped address may hold a password
        raise ConfigurationError("OMNI_HISTORY must be file, store or postgresql://USER@HOST/DATABASE")
    database = _postgresql(history)
    return lambda: database


def _postgresql(address: str) -> "BaseStore":
    try:
        from omni_router.history.postgresql import PostgreSQL
    except ImportError as error:
        raise missing_package("a history in PostgreSQL needs more packages", "postgres") from error
    return PostgreSQL(address)


def _store_of_the_host() -> "BaseStore":
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
