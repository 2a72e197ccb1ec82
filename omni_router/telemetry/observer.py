"""Observers, which watch every node of a run."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # LangGraph comes with it, and the command line opens services without a graph
    from omni_router.config.settings import Settings
    from omni_router.state import State

Run = Callable[[], dict[str, Any]]


class Observer(Protocol):
    """Watches every node of a run: it sees what goes in and what comes out, and changes neither."""

    def wrap_node(self, node: str, state: "State", settings: "Settings", run: Run) -> dict[str, Any]:
        """Call `run` once, on this thread, and return what it returns; let what it raises pass."""
        ...


class CompositeObserver:
    """Two observers as one, the inner within the outer."""

    def __init__(self, outer: Observer, inner: Observer) -> None:
        self.outer, self.inner = outer, inner

    def wrap_node(self, node: str, state: "State", settings: "Settings", run: Run) -> dict[str, Any]:
        """Run a node under both observers."""
        return self.outer.wrap_node(node, state, settings, partial(self.inner.wrap_node, node, state, settings, run))
