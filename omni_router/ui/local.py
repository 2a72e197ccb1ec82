"""The graph in this process."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timezone
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.decisions.feedback import give_feedback
from omni_router.events import Finished, RunEvent, astream
from omni_router.graph import build_graph
from omni_router.history.protocol import ModelRecord
from omni_router.selection.ranking import by_rank
from omni_router.selection.warm_up import warm_up
from omni_router.services import Services

logger = logging.getLogger("omni_router")


class LocalBackend:
    """Runs the graph with one set of services; threads live in memory, as long as their page is open."""

    keeps_feedback = True

    def __init__(self, services: Services) -> None:
        self._services = services
        self._graph = build_graph(services).compile(name="omni_router")
        self._threads: dict[str, list[AnyMessage]] = {}  # instead of a checkpointer, which would keep every turn's copy

    def warm_up(self) -> None:
        """Load what the first request needs; if that fails, the first request will say why."""
        try:
            warm_up(self._services)
        except Exception as error:  # noqa: BLE001 (a router that fails on one prompt fails no run)
            logger.info("the router could not be warmed up: %s", type(error).__name__)

    async def stream(self, thread: str, message: HumanMessage | None, settings: Settings) -> AsyncIterator[RunEvent]:
        """Run one turn of a thread."""
        messages = list(self._threads.get(thread, ()))
        if message is not None:
            messages.append(message)
        config: RunnableConfig = {"configurable": {"thread_id": thread}}
        async with aclosing(astream(self._graph, {"messages": messages}, config, context=settings)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    self._threads[thread] = event.state["messages"]
                yield event

    def forget(self, thread: str) -> None:
        """Drop a thread."""
        self._threads.pop(thread, None)

    def routes(self) -> Sequence[Route]:
        """Return the routes of the policy, which is read again when its file has changed."""
        return self._services.policy.routes()

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Return the history of a route, best model first."""
        return by_rank(self._services.history.models(route), datetime.now(timezone.utc))

    def examples(self, route: Route) -> int:
        """Count the examples of a route."""
        return len({*route.examples, *self._services.history.examples(route.name)})

    def add_feedback(self, decision: Mapping[str, Any], feedback: str, text: str) -> str | None:
        """Save feedback in the history."""
        return give_feedback({"decision": decision}, feedback, services=self._services, text=text)
