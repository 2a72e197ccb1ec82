"""The events of a run, as one typed stream that every surface renders; the last one holds the final state.

This is the only module that reads LangGraph's own stream. A surface calls `stream` or `astream` on a graph in this
process; a client of a LangGraph server passes the parts of its SDK through `from_server`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AnyMessage
from pydantic import TypeAdapter

from omni_router.errors import OmniRouterError
from omni_router.run_result import RunResult
from omni_router.state import Attempt, Candidate, Decision
from omni_router.tasks import task_of

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import StreamMode

    from omni_router.config.settings import Settings

    Compiled = CompiledStateGraph[Any, Any, Any, Any]

# The modes to request from a LangGraph server, which names the mode of tokens differently.
SERVER_MODES: list[Any] = ["custom", "messages-tuple", "values"]

_INTERRUPT = "__interrupt__"


@dataclass(frozen=True)
class RouterReplied:
    """The router has replied, or the caller has chosen instead of it; nothing is decided yet."""

    reply: str | None  # raw; None when the router was not asked, or failed
    candidates: dict[str, list[Candidate]]  # candidates by route, best first


@dataclass(frozen=True)
class DecisionMade:
    """A model is about to be called. After a failure another one may come: the answer begins anew with it."""

    decision: Decision

    def as_custom(self) -> dict[str, Any]:
        """Return what a node writes to LangGraph's custom stream for this event."""
        return {"event": "decision", "decision": self.decision}


@dataclass(frozen=True)
class Token:
    """A part of a specialist's message: a chunk, or the whole message of a model that does not stream."""

    message: AIMessage  # an AIMessageChunk, perhaps with tool_call_chunks and without text; else whole
    node: str  # the specialist node that writes it

    @property
    def text(self) -> str:
        """Return the text of the part."""
        return str(self.message.text)


@dataclass(frozen=True)
class AttemptEnded:
    """A specialist has answered or failed."""

    attempt: Attempt


@dataclass(frozen=True)
class Recorded:
    """The use of a model was stored in the history."""

    route: str
    model: str
    file: str  # the file, or another place, such as the address of a database

    def as_custom(self) -> dict[str, Any]:
        """Return what a node writes to LangGraph's custom stream for this event."""
        return {"event": "recorded", "route": self.route, "model": self.model, "file": self.file}


@dataclass(frozen=True)
class Custom:
    """Something that a node of a caller's own graph has written to the custom stream."""

    data: Any

    def as_custom(self) -> Any:
        """Return what the node wrote."""
        return self.data


@dataclass(frozen=True)
class Finished:
    """The last event of every run that does not raise."""

    state: dict[str, Any]  # the final state; with `__interrupt__` if the run stopped at an interrupt

    @property
    def result(self) -> RunResult:
        """Return what the run came to."""
        return RunResult.from_state(self.state)


RunEvent = RouterReplied | DecisionMade | Token | AttemptEnded | Recorded | Custom | Finished


def stream(
    graph: "Compiled",
    input: Any,  # noqa: A002 (LangGraph's word)
    config: "RunnableConfig | None" = None,
    *,
    context: "Settings | None" = None,
    tokens: bool = True,
    **options: Any,
) -> Generator[RunEvent, None, None]:
    """Run a graph, and yield what happens; closing the iterator ends the run.

    Args:
        graph: what `build_graph` returns, compiled.
        input: the state to start with, or None or a `Command` to go on with a thread.
        config: LangGraph's, with a thread, callbacks, ...
        context: settings of this run.
        tokens: whether the specialist streams. Without, there is no `Token`, and models are called for whole answers.
        options: passed on to `graph.stream`, such as `durability`.
    """
    parser = _Parser()
    parts: Any = graph.stream(input, config, context=context, stream_mode=_modes(tokens=tokens), **options)
    with closing(parts):
        for mode, data in parts:
            yield from parser.events(mode, data)
    yield parser.finished()


async def astream(
    graph: "Compiled",
    input: Any,  # noqa: A002 (LangGraph's word)
    config: "RunnableConfig | None" = None,
    *,
    context: "Settings | None" = None,
    tokens: bool = True,
    **options: Any,
) -> AsyncGenerator[RunEvent, None]:
    """Run a graph without blocking the event loop, and yield what happens; the parameters are those of `stream`."""
    parser = _Parser()
    parts: Any = graph.astream(input, config, context=context, stream_mode=_modes(tokens=tokens), **options)
    async with aclosing(parts):
        async for mode, data in parts:
            for event in parser.events(mode, data):
                yield event
    yield parser.finished()


async def from_server(parts: AsyncIterator[tuple[str, Any]]) -> AsyncGenerator[RunEvent, None]:
    """Turn the parts that the SDK of a LangGraph server streams, as (event, data), into the same events.

    Raises:
        OmniRouterError: the run failed on the server.
    """
    parser = _Parser()
    async for name, data in parts:
        for event in parser.events(name.partition("|")[0], data):
            yield event
    yield parser.finished()


def _modes(*, tokens: bool) -> "list[StreamMode]":
    modes: list[StreamMode] = ["custom", "updates", "values"]
    if tokens:
        modes.append("messages")
    return modes


class _Parser:
    """Reads the parts of one run's stream."""

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}
        self._interrupts: list[Any] = []

    def events(self, mode: str, data: Any) -> Iterator[RunEvent]:
        """Yield the events in a part."""
        if mode == "values":
            self._state = dict(data)
        elif mode == "updates":
            self._interrupts.extend(data.get(_INTERRUPT, ()))
            yield from _events_of_nodes(data)
        elif mode == "custom":
            yield _custom_event(data)
        elif mode == "messages":
            yield from _tokens(*data)
        elif mode == "error":
            raise OmniRouterError(_error_message(data))

    def finished(self) -> Finished:
        """Return the last event."""
        if "messages" in self._state:
            self._state["messages"] = list(map(_message, self._state["messages"]))
        if self._interrupts:
            self._state[_INTERRUPT] = self._interrupts
        return Finished(self._state)


def _events_of_nodes(updates: Mapping[str, Any]) -> Iterator[RunEvent]:
    for node, update in updates.items():
        if node == "route_request" and update:
            yield RouterReplied(update["reply"], update["candidates"])
        elif task_of(node) and update and update.get("attempts"):
            yield AttemptEnded(update["attempts"][-1])


def _custom_event(data: Any) -> RunEvent:
    match data:
        case {"event": "decision"}:
            return DecisionMade(data["decision"])
        case {"event": "recorded"}:
            return Recorded(data["route"], data["model"], data["file"])
    return Custom(data)


def _tokens(data: Any, metadata: Mapping[str, Any]) -> Iterator[Token]:
    node, message = metadata.get("langgraph_node"), _message(data)
    if task_of(node) and isinstance(message, AIMessage):
        yield Token(message, str(node))


def _message(data: Any) -> Any:
    """Return a message, which a server sends as JSON."""
    if not isinstance(data, Mapping) or data.get("type") == "remove":  # the removal of a replaced answer is none
        return data
    return _message_parser().validate_python(data)


def _error_message(data: Any) -> str:
    """Return the message of a server's error, which may be any JSON."""
    if isinstance(data, Mapping) and data.get("message"):
        return str(data["message"])
    return str(data)


@cache
def _message_parser() -> TypeAdapter[Any]:
    return TypeAdapter(AnyMessage)
