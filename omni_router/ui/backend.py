"""What the page asks of a graph, wherever that runs."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from langchain_core.messages import HumanMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.events import RunEvent
from omni_router.history.protocol import ModelRecord


class Backend(Protocol):
    """A graph with threads, and what the page shows of its routes."""

    keeps_feedback: bool  # whether `judge` can be called, and routes have a history to show

    def stream(self, thread: str, message: HumanMessage, settings: Settings) -> AsyncIterator[RunEvent]:
        """Run one turn of a thread, which is created when it is new, and yield its events; the last is `Finished`.

        Raises:
            OmniRouterError: the run could not be made; the text says why.
        """
        ...

    def forget(self, thread: str) -> None:
        """Drop a thread: its page was closed, or its chat cleared."""
        ...

    def routes(self) -> Sequence[Route]:
        """Give the routes of the policy; none where they are not known here."""
        ...

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the history of a route, best model first."""
        ...

    def examples(self, route: Route) -> int:
        """Count the examples of a route: its own, and those that verdicts have made."""
        ...

    def judge(self, decision: dict[str, Any], verdict: str, text: str) -> str | None:
        """Keep a verdict (good, bad, a route, other) on a decision, and say where; None when nothing was to keep.

        Raises:
            OmniRouterError: the verdict cannot be kept.
        """
        ...
