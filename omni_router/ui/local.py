"""The graph in this process."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timezone
from typing import Any

from langchain_core.messages import AIMessageChunk, AnyMessage, HumanMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.decisions.feedback import give_feedback
from omni_router.graph import build_graph
from omni_router.history.protocol import ModelRecord
from omni_router.selection.ranking import by_rank
from omni_router.selection.warm_up import warm_up
from omni_router.services import Services
from omni_router.ui.backend import Event

logger = logging.getLogger("omni_router")


class LocalBackend:
    """Runs the graph with services that are made once; threads live in memory, as long as their page is open."""

    keeps_feedback = True

    def __init__(self, services: Services) -> None:
        self._services = services
        self._graph = build_graph(services).compile(name="omni_router")
        self._threads: dict[str, list[AnyMessage]] = {}  # no checkpointer, which would keep every turn's copy

    def warm_up(self) -> None:
        """Load what the first request needs; what fails is told to whoever sends it."""
        try:
            warm_up(self._services)
        except Exception as error:  # noqa: BLE001 (a router that fails on one prompt fails no run)
            logger.info("the router could not be warmed up: %s", type(error).__name__)

    async def stream(self, thread: str, message: HumanMessage, settings: Settings) -> AsyncIterator[Event]:
        """Run one turn of a thread."""
        result: dict[str, Any] = {}
        stream: AsyncIterator[Any] = self._graph.astream(
            {"messages": [*self._threads.get(thread, ()), message]},
            {"configurable": {"thread_id": thread}},
            context=settings,
            stream_mode=["custom", "messages", "updates", "values"],
        )
        async for mode, chunk in stream:
            if mode == "values":
                result = chunk
            elif mode == "custom":
                yield Event(chunk["event"], chunk.get("decision") or chunk)
            elif mode == "updates" and (update := chunk.get("route_request")):
                yield Event("candidates", update["candidates"])
            elif mode == "messages" and isinstance(chunk[0], AIMessageChunk) and (text := chunk[0].text):
                yield Event("token", str(text))
        self._threads[thread] = result["messages"]
        yield Event("result", {**result, "answer": str(result["messages"][-1].text)})

    def forget(self, thread: str) -> None:
        """Drop a thread."""
        self._threads.pop(thread, None)

    def routes(self) -> Sequence[Route]:
        """Give the routes of the policy, read anew when its file changed."""
        return self._services.policy.routes()

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the history of a route, best model first."""
        return by_rank(self._services.history.models(route), datetime.now(timezone.utc))

    def examples(self, route: Route) -> int:
        """Count the examples of a route."""
        return len(dict.fromkeys((*route.examples, *self._services.history.examples(route.name))))

    def judge(self, decision: dict[str, Any], verdict: str, text: str) -> str | None:
        """Keep a verdict in the history."""
        return give_feedback({"decision": decision}, verdict, services=self._services, text=text)
