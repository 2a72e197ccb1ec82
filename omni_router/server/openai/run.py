"""A run of the graph for a request: what it is given, and what it tells while it goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage
from starlette.requests import ClientDisconnect, Request

from omni_router.config.settings import Settings
from omni_router.server.graph_access import Compiled, config_for, identity_of, settings_with
from omni_router.server.openai.memory import DecisionMemory
from omni_router.tasks import TASKS

# Nodes whose messages are the answer as it comes; the message beside a file says where that lies on the server.
_SPEAKING = frozenset(task.node for task in TASKS.values() if task.output is None)


class Event(NamedTuple):
    """What a run tells: its decision (again after a fallback), a piece of the answer, its output at the end."""

    kind: Literal["decision", "piece", "end", "failed", "gone"]
    value: Any = None


@dataclass(frozen=True)
class Api:
    """What the handlers share."""

    graph: Compiled
    memory: DecisionMemory
    started: int = field(default_factory=lambda: int(time.time()))  # seconds since 1970

    def settings(self, **knobs: Any) -> Settings:
        """Make the settings of a run: what the request names, on top of what the graph was built with."""
        return Settings(**{**settings_with(self.graph).model_dump(), **knobs})

    async def follow(
        self, request: Request, messages: Sequence[AnyMessage], settings: Settings, *, pieces: bool = False
    ) -> AsyncIterator[Event]:
        """Run the graph as the user who asks, and tell what happens."""
        result: dict[str, Any] = {}
        modes: Any = ["custom", "values", *(["messages"] if pieces else [])]
        config = config_for(identity_of(request.scope.get("user")))
        stream: AsyncIterator[Any] = self.graph.astream(
            {"messages": list(messages)}, config, context=settings, stream_mode=modes
        )
        async for mode, part in stream:
            if mode == "values":
                result = part
            elif mode == "custom" and part.get("event") == "decision":
                yield Event("decision", part["decision"])
            elif mode == "messages" and _speaks(*part):
                yield Event("piece", part[0])
        yield Event("end", result)

    async def result(self, request: Request, messages: Sequence[AnyMessage], settings: Settings) -> dict[str, Any]:
        """Run the graph, and give its output.

        Raises:
            ClientDisconnect: the client hung up, and the run was cancelled.
        """
        feed = Feed(request, self.follow(request, messages, settings))
        try:
            while (event := await feed.next()) is None or event.kind != "end":
                pass
            return dict(event.value)
        finally:
            await feed.close()


class Feed:
    """The events of a run, which is a task of its own and is cancelled when the client hangs up."""

    def __init__(self, request: Request, events: AsyncIterator[Event]) -> None:
        self.request = request
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._run = asyncio.create_task(self._fill(events))
        self._watch = asyncio.create_task(self._hang_up(request))

    async def next(self, seconds: float | None = None) -> Event | None:
        """Wait for the next event; None when there is none within that time.

        Raises:
            ClientDisconnect: the client hung up.
            Exception: the run did.
        """
        try:
            event = await asyncio.wait_for(self._events.get(), seconds)
        except asyncio.TimeoutError:
            return None
        if event.kind == "gone":
            raise ClientDisconnect
        if event.kind == "failed":
            raise event.value
        return event

    async def close(self) -> None:
        """End the run, if it goes on."""
        for task in (self._run, self._watch):
            task.cancel()
        await asyncio.gather(self._run, self._watch, return_exceptions=True)

    async def _fill(self, events: Any) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._events.put_nowait(event)
        except asyncio.CancelledError:
            self._events.put_nowait(Event("gone"))
            raise
        except Exception as error:  # noqa: BLE001 (raised to whoever waits for the next event)
            self._events.put_nowait(Event("failed", error))

    async def _hang_up(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._run.cancel()


def _speaks(message: Any, origin: dict[str, Any]) -> bool:
    return isinstance(message, AIMessage) and origin.get("langgraph_node") in _SPEAKING
