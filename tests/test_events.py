"""The one stream of typed events, and what a run came to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, message_to_dict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.errors import OmniRouterError
from omni_router.events import (
    AttemptEnded,
    Custom,
    DecisionMade,
    Finished,
    Recorded,
    RouterReplied,
    RunEvent,
    Token,
    astream,
    from_server,
    stream,
)
from omni_router.hints import SERVER
from omni_router.run_result import RunResult
from omni_router.state import State
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own

ANSWERED = [RouterReplied, DecisionMade, Token, AttemptEnded, Recorded, Finished]
TEXT = Settings(route="question_answering")


def run_stream(graph: Compiled, *args: Any, **options: Any) -> list[RunEvent]:
    return list(stream(graph, *args, **options))


def run_astream(graph: Compiled, *args: Any, **options: Any) -> list[RunEvent]:
    async def collect() -> list[RunEvent]:
        return [event async for event in astream(graph, *args, **options)]

    return asyncio.run(collect())


FORMS = pytest.mark.parametrize("run", [run_stream, run_astream])
Run = Callable[..., list[RunEvent]]


def kinds(events: Sequence[RunEvent]) -> list[type]:
    """The types of events in order, equal neighbours once."""
    types = [type(event) for event in events]
    return [kind for place, kind in enumerate(types) if place == 0 or kind is not types[place - 1]]


@FORMS
def test_the_events_of_an_answer_come_in_order_and_agree(run: Run, services: Services) -> None:
    events = run(build_graph(services).compile(), ask("How do tides work?"), context=TEXT)
    assert kinds(events) == ANSWERED
    finished = events[-1]
    assert isinstance(finished, Finished)
    result = finished.result
    tokens = [event for event in events if isinstance(event, Token)]
    assert {token.node for token in tokens} == {"generate_text"}
    assert all(isinstance(token.message, AIMessageChunk) for token in tokens)
    assert "".join(token.text for token in tokens) == result.answer
    [recorded] = [event for event in events if isinstance(event, Recorded)]
    assert (recorded.route, recorded.model) == (result.route, result.model)
    assert [event.attempt for event in events if isinstance(event, AttemptEnded)] == result.attempts


@FORMS
def test_without_tokens_the_specialist_is_called_for_its_whole_answer(run: Run, services: Services) -> None:
    events = run(build_graph(services).compile(), ask("How do tides work?"), context=TEXT, tokens=False)
    assert kinds(events) == [kind for kind in ANSWERED if kind is not Token]


def test_another_model_is_announced_after_a_failure(services: Services, sandbox: Sandbox) -> None:
    graph = build_graph(services).compile()
    [first] = [event for event in stream(graph, ask("why?"), context=TEXT) if isinstance(event, DecisionMade)]
    sandbox.fail("overloaded", str(first.decision["model"]))
    events = list(stream(graph, ask("why?"), context=TEXT))
    models = [event.decision["model"] for event in events if isinstance(event, DecisionMade)]
    outcomes = [event.attempt["outcome"] for event in events if isinstance(event, AttemptEnded)]
    assert (len(set(models)), outcomes) == (2, ["overloaded", "answered"])


def test_a_model_that_the_router_asks_writes_no_tokens_of_the_answer(
    services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    router.choose("question_answering")
    reply = router.reply
    model = FakeListChatModel(responses=["the router's own words"])

    def asking(*args: Any) -> Any:
        model.invoke("which route?")
        get_stream_writer()({"mine": 1})
        return reply(*args)

    monkeypatch.setattr(router, "reply", asking)
    events = list(stream(build_graph(services).compile(), ask("How do tides work?")))
    assert "router's" not in "".join(event.text for event in events if isinstance(event, Token))
    assert Custom({"mine": 1}) in events


def test_what_an_event_writes_to_the_custom_stream_is_read_back(services: Services) -> None:
    graph = build_graph(services).compile()
    written = list(graph.stream(ask("How do tides work?"), context=TEXT, stream_mode="custom"))
    events = list(stream(graph, ask("How do tides work?"), context=TEXT))
    read = [event.as_custom() for event in events if isinstance(event, DecisionMade | Recorded)]
    assert [sorted(part) for part in written] == [sorted(part) for part in read]
    assert [part["event"] for part in written] == ["decision", "recorded"]


def test_a_thread_goes_on_where_it_stopped(services: Services) -> None:
    graph = build_graph(services).compile(checkpointer=InMemorySaver(), interrupt_before=["announce_decision"])
    thread: Any = {"configurable": {"thread_id": "1"}}
    stopped = list(stream(graph, ask("How do tides work?"), thread, context=TEXT, durability="exit"))
    assert kinds(stopped) == [RouterReplied, Finished]
    assert kinds(list(stream(graph, None, thread, context=TEXT))) == ANSWERED[1:]


def graph_of(node: Any) -> Any:
    """A graph of one node, on a checkpointer."""
    builder: Any = StateGraph(State).add_node("node", node)
    return builder.add_edge(START, "node").add_edge("node", END).compile(InMemorySaver())


def test_an_interrupt_stands_in_the_final_state() -> None:
    def ask_somebody(_: State) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("go on?"))]}

    graph = graph_of(ask_somebody)
    thread: Any = {"configurable": {"thread_id": "1"}}
    [stopped] = stream(graph, ask("hello"), thread)
    assert isinstance(stopped, Finished)
    assert [each.value for each in stopped.state["__interrupt__"]] == ["go on?"]
    [ended] = stream(graph, Command(resume="yes"), thread)
    assert isinstance(ended, Finished)
    assert "__interrupt__" not in ended.state
    assert ended.state["messages"][-1].text == "yes"


def test_a_run_whose_events_nobody_reads_any_more_is_cancelled() -> None:
    ended: list[str] = []

    async def wait(_: State) -> dict[str, Any]:
        get_stream_writer()("waiting")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return {}

    graph = graph_of(wait)

    async def leave() -> None:
        async with aclosing(astream(graph, ask("hello"), {"configurable": {"thread_id": "1"}})) as events:
            assert await anext(events) == Custom("waiting")
            assert ended == []
        assert ended == ["cancelled"]

    asyncio.run(leave())


def as_server(part: Any) -> tuple[str, Any]:
    """A part of a local stream as a server sends it."""

    def plain(value: Any) -> Any:
        return {**message_to_dict(value)["data"], "type": value.type} if hasattr(value, "content") else str(value)

    mode, data = part
    return mode, json.loads(json.dumps(data, default=plain))


def test_the_parts_of_a_server_become_the_same_events(services: Services) -> None:
    graph = build_graph(services).compile()
    modes: Any = ["custom", "messages", "updates", "values"]
    parts = [as_server(part) for part in graph.stream(ask("How do tides work?"), context=TEXT, stream_mode=modes)]

    async def events() -> list[RunEvent]:
        async def sent() -> AsyncIterator[tuple[str, Any]]:
            yield "metadata", {"run_id": "1"}
            for name, data in parts:
                yield name, data

        return [event async for event in from_server(sent())]

    read = asyncio.run(events())
    assert kinds(read) == ANSWERED
    finished = read[-1]
    assert isinstance(finished, Finished)
    assert finished.result.answer == "".join(event.text for event in read if isinstance(event, Token))
    assert isinstance(finished.state["messages"][0], HumanMessage)


def test_an_error_of_a_server_is_raised() -> None:
    async def sent() -> AsyncIterator[tuple[str, Any]]:
        yield "error", {"error": "ValueError", "message": "no such thread"}

    async def read() -> list[RunEvent]:
        return [event async for event in from_server(sent())]

    with pytest.raises(OmniRouterError, match="no such thread"):
        asyncio.run(read())


def test_readers_on_other_machines_see_names_of_files_and_their_own_hints(services: Services) -> None:
    graph = build_graph(services).compile()
    drawn = RunResult.from_state(graph.invoke(ask("a fox"), context=Settings(route="image_generation")))
    redacted = drawn.redact_paths()
    [path] = [artifact["path"] for artifact in drawn.artifacts]
    assert "/" in path
    assert "/" not in redacted.artifacts[0]["path"]
    assert path not in json.dumps(redacted.as_json())
    failed = RunResult.from_state(graph.invoke(ask("hm"), context=Settings(model="sandbox/nothing")))
    assert failed.error
    error = failed.for_audience(SERVER).error
    assert error
    assert error["hint"] != failed.error["hint"]
    assert list(failed.as_json()) == [*RunResult.__dataclass_fields__]
