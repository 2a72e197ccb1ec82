"""Which history is used: the one asked for. Nothing is read or connected before it is needed."""

from typing import TYPE_CHECKING

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError
from omni_router.history.file import FileHistory
from omni_router.history.protocol import History

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore


def open_history(environment: Environment, file: RouteFile) -> History:
    """Make the history of an environment.

    Raises:
        ConfigurationError: a package is missing, or an address cannot be read.
    """
    if environment.history == "file":
        return FileHistory(file)
    from omni_router.history.store import StoreHistory

    if environment.history == "store":
        return StoreHistory(_store_of_the_host, "the store of the graph")
    try:
        from omni_router.history.postgresql import PostgreSQL
    except ImportError as error:
        raise ConfigurationError(
            'a history in PostgreSQL needs more packages: pip install "omni-router[postgres]"'
        ) from error
    database = PostgreSQL(environment.history)
    return StoreHistory(lambda: database, "PostgreSQL")


def _store_of_the_host() -> "BaseStore":
    """Find the store that the running graph was compiled with, or that its server gives it."""
    from langgraph.config import get_store

    try:
        store = get_store()
    except (RuntimeError, KeyError):  # outside of a run, as on the command line
        store = None
    if store is None:
        raise ConfigurationError(
            "OMNI_HISTORY=store takes the store of the graph that runs, and there is none here: compile it with one, "
            "compile(store=...), or set OMNI_HISTORY to file or to postgresql://USER@HOST/DATABASE"
        )
    return store
