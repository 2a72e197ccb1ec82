"""The interface between the page and a graph, wherever that runs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from langchain_core.messages import HumanMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.events import RunEvent
from omni_router.history.protocol import ModelRecord


class Backend(Protocol):
    """A graph with threads, and what the page shows of its routes."""

    keeps_feedback: bool  # whether `add_feedback` can be called, and routes have a history to show

    def stream(self, thread: str, message: HumanMessage | None, settings: Settings) -> AsyncIterator[RunEvent]:
        """Run one turn of a thread, which is created when it is new, and yield its events; the last is `Finished`.

        Args:
            thread: its name.
            message: the request; None where the newest one of the thread is to be answered again.
            settings: those of the run.

        Raises:
            OmniRouterError: the run could not be started; the text says why.
        """
        ...

    def forget(self, thread: str) -> None:
        """Drop a thread: its page was closed, or its chat cleared."""
        ...

    def routes(self) -> Sequence[Route]:
        """Return the routes of the policy; none where they are not known here."""
        ...

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Return the history of a route, best model first."""
        ...

    def examples(self, route: Route) -> int:
        """Count the examples of a route: its own, and those learned from feedback."""
        ...

    def add_feedback(self, decision: Mapping[str, Any], feedback: str, text: str) -> str | None:
        """Save feedback on a decision, and return where; None if there was nothing to save.

        Args:
            decision: the newest of a chat.
            feedback: `good`, `bad`, the name of the correct route, or `other`.
            text: the request, which becomes an example of the correct route.

        Raises:
            OmniRouterError: the feedback cannot be saved.
        """
        ...
