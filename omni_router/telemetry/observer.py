"""The one seam between the graph and whoever watches it."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # LangGraph comes with it, and the command line knows services without a graph
    from omni_router.config.settings import Settings
    from omni_router.state import State

Run = Callable[[], dict[str, Any]]


class Observer(Protocol):
    """Stands around every node of a run. It sees what goes in and what comes out, and changes neither."""

    def wrap_node(self, node: str, state: "State", settings: "Settings", run: Run) -> dict[str, Any]:
        """Call `run` once, on this thread, and give what it gives; what it raises is raised."""
        ...


class CompositeObserver:
    """Two observers, one around the other."""

    def __init__(self, outer: Observer, inner: Observer) -> None:
        self.outer, self.inner = outer, inner

    def wrap_node(self, node: str, state: "State", settings: "Settings", run: Run) -> dict[str, Any]:
        """Have both watch."""
        return self.outer.wrap_node(node, state, settings, partial(self.inner.wrap_node, node, state, settings, run))
