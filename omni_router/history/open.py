"""Which history is used: the one asked for."""

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.history.file import FileHistory
from omni_router.history.protocol import History


def open_history(environment: Environment, file: RouteFile) -> History:
    """Make the history of an environment; nothing is read or connected yet."""
    if environment.history == "file":
        return FileHistory(file)
    raise NotImplementedError
