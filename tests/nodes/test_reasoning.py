"""Models that reason, in the graph: under every form of call, with the next model where there was no answer."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.events import AttemptEnded, DecisionMade, Token, stream
from omni_router.history import UsageRecord
from omni_router.messages import reasoning_of
from tests.support.calls import FORMS, Call, Compiled, ask
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND, THINKER = (f"sandbox/text-generation-{number}" for number in (1, 2, 5))
ROUTE = "question_answering"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture
def graph(services: Services, router: ScriptedRouter) -> Compiled:
    router.choose(ROUTE, FIRST)
    services.history.record(UsageRecord(ROUTE, FIRST, "why", "2026-01-01T00:00:00Z"))  # a known model may fail
    return build_graph(services).compile()


def think(sandbox: Sandbox, *models: str, **how: Any) -> None:
    for model in models:
        sandbox.set_reasoning(model, Reasoning(**how))


def failures(services: Services) -> dict[str, int]:
    [failures] = [record["failures"] for record in services.history.models(ROUTE) if record["id"] == FIRST]
    return failures


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_call_returns_reasoning_apart_from_the_answer(
    graph: Compiled, sandbox: Sandbox, form: Call
) -> None:
    think(sandbox, FIRST)
    answer = form(graph, ask("How do tides work?"), None)["messages"][-1]
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text"]
    assert "step-1" in reasoning_of(answer)
    assert "step-" not in answer.text


@pytest.mark.parametrize("asynchronous", [False, True])
def test_reasoning_streams_before_the_answer(graph: Compiled, sandbox: Sandbox, *, asynchronous: bool) -> None:
    async def collect() -> list[Any]:
        return [part async for part in graph.astream(ask("How do tides work?"), stream_mode="messages")]

    think(sandbox, FIRST)
    if asynchronous:
        parts = asyncio.run(collect())
    else:
        parts = list(graph.stream(ask("How do tides work?"), stream_mode="messages"))
    kinds = [block["type"] for chunk, _ in parts for block in chunk.content_blocks]
    assert kinds == sorted(kinds), "reasoning comes before text"
    assert kinds.count("reasoning") > 3
    assert kinds.count("text") > 3


@pytest.mark.parametrize("form", FORMS)
def test_the_next_model_answers_where_reasoning_used_up_the_budget(
    graph: Compiled, services: Services, sandbox: Sandbox, form: Call
) -> None:
    think(sandbox, FIRST, default_limit=10)
    result = form(graph, ask("How do tides work?"), None)
    outcomes = [(attempt["model"], attempt["outcome"], attempt["partial"]) for attempt in result["attempts"]]
    assert outcomes == [(FIRST, "malformed_answer", False), (SECOND, "answered", False)]
    assert "10 tokens was reached while the model was reasoning" in result["attempts"][0]["error"]["message"]
    assert result["messages"][-1].text.startswith(f"[sandbox] Simulated answer of {SECOND}")
    assert len(result["messages"]) == 2
    assert failures(services) == {"malformed_answer": 1}
    assert FIRST in services.history.cooling()


@pytest.mark.parametrize("fault", ["null_content", "empty_body"])
def test_the_next_model_answers_after_an_empty_answer(graph: Compiled, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault, model=FIRST)
    for result in (graph.invoke(ask("Why?")), list(graph.stream(ask("How?"), stream_mode="values"))[-1]):
        assert result["error"] is None
        assert "Simulated answer" in result["messages"][-1].text


def test_an_answer_that_was_shown_is_not_begun_anew(graph: Compiled, sandbox: Sandbox) -> None:
    think(sandbox, FIRST, default_limit=18)
    result = graph.invoke(ask("How do tides work?"))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["answered"]
    assert result["messages"][-1].response_metadata["finish_reason"] == "length"


def test_a_limit_of_the_caller_does_not_count_against_the_model(
    graph: Compiled, services: Services, sandbox: Sandbox
) -> None:
    think(sandbox, FIRST)
    result = graph.invoke(ask("How do tides work?"), context=Settings(max_new_tokens=10))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["malformed_answer", "answered"]
    assert failures(services) == {}
    assert services.history.cooling() == {}


def test_reasoning_of_a_model_without_an_answer_is_streamed_before_the_next_decision(
    graph: Compiled, sandbox: Sandbox
) -> None:
    think(sandbox, FIRST, default_limit=10)
    events = list(stream(graph, ask("How do tides work?")))
    order = [type(event).__name__ for event in events if isinstance(event, DecisionMade | Token | AttemptEnded)]
    kinds = [name for place, name in enumerate(order) if name != order[place - 1]]
    assert kinds == ["DecisionMade", "Token", "AttemptEnded"] * 2
    failed = events[: events.index(next(event for event in events if isinstance(event, AttemptEnded)))]
    assert "".join(event.text for event in failed if isinstance(event, Token)) == ""


def test_the_router_sees_no_reasoning(graph: Compiled, router: ScriptedRouter, sandbox: Sandbox) -> None:
    think(sandbox, FIRST)
    first = graph.invoke(ask("How do tides work?"))
    blocks = AIMessage([{"type": "reasoning", "reasoning": "step-99"}, {"type": "text", "text": "So."}])
    graph.invoke({"messages": [*first["messages"], blocks, HumanMessage("And why?")]})
    conversation, _ = router.asked[-1]
    assert len(conversation) == 4
    assert "step-" not in json.dumps(conversation)


@pytest.mark.parametrize("back", ["demanded", "refused"])
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_tool_loop_goes_on_whether_reasoning_is_demanded_or_refused(
    graph: Compiled, sandbox: Sandbox, field: str, back: str
) -> None:
    think(sandbox, FIRST, field=field, back=back)
    settings = Settings(tools=(TOOL,))
    first = graph.invoke(ask("What is the weather in Paris?"), context=settings)
    calling = first["messages"][-1]
    assert calling.tool_calls
    assert reasoning_of(calling)
    result = ToolMessage("It rains.", tool_call_id=calling.tool_calls[0]["id"])
    last = graph.invoke({"messages": [*first["messages"], result]}, context=settings)
    assert [(attempt["model"], attempt["outcome"]) for attempt in last["attempts"]] == [(FIRST, "answered")]
    assert "It rains." in last["messages"][-1].text


def test_a_model_that_is_named_may_reason_without_being_listed(graph: Compiled) -> None:
    chunks = [
        chunk
        for chunk, _ in graph.stream(ask("Why?"), context=Settings(model=THINKER), stream_mode="messages")
        if isinstance(chunk, AIMessageChunk)
    ]
    assert any(map(reasoning_of, chunks))
