"""Reasoning under /v1: a field of its own, at once and streamed, and taken back from clients."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import Reasoning, Sandbox
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

OTHER = "sandbox/text-generation-2"
QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def create(client: OpenAI, messages: Any = QUESTION, **parameters: Any) -> Any:
    return client.chat.completions.create(model="omni", messages=messages, **parameters)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_it_is_a_field_beside_the_content(client: OpenAI, sandbox: Sandbox, field: str) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(field))
    response = create(client)
    message = response.choices[0].message
    assert message.reasoning_content.startswith("[sandbox] Simulated reasoning")
    assert message.content.startswith("[sandbox] Simulated answer")
    assert response.usage.completion_tokens_details.reasoning_tokens == 16
    assert "step-" not in str(response.model_extra["omni"])


def test_a_stream_has_it_before_the_content(client: OpenAI, sandbox: Sandbox) -> None:
    sandbox.set_reasoning(TEXT, Reasoning())
    plain = create(client).choices[0].message
    pieces = list(create(client, stream=True, stream_options={"include_usage": True}))
    deltas = [piece.choices[0].delta.model_dump(exclude_none=True) for piece in pieces if piece.choices]
    reasoning = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    content = "".join(delta.get("content", "") for delta in deltas)
    assert ("".join(reasoning), content) == (plain.reasoning_content, plain.content)
    assert len(reasoning) > 3
    assert all("content" not in delta for delta in deltas if "reasoning_content" in delta)
    assert pieces[-1].usage.completion_tokens_details.reasoning_tokens == 16


def test_the_next_model_goes_on_in_a_stream_whose_first_one_only_reasoned(client: OpenAI, sandbox: Sandbox) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(default_limit=10))
    pieces = list(create(client, stream=True))
    content = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert content.startswith(f"[sandbox] Simulated answer of {OTHER}")
    assert pieces[-1].choices[0].finish_reason == "stop"
    attempts = pieces[-1].model_extra["omni"]["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["malformed_answer", "answered"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_client_sends_it_back_with_tool_calls_in_either_field(client: OpenAI, sandbox: Sandbox, field: str) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(back="demanded"))
    asking: Any = [{"role": "user", "content": "What is the weather?"}]
    calling = create(client, asking, tools=TOOLS).choices[0].message
    turn = calling.model_dump(exclude_none=True)
    turn[field] = turn.pop("reasoning_content")
    [call] = turn["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
    response = create(client, [*asking, turn, result], tools=TOOLS)
    assert "rain" in response.choices[0].message.content
    assert [attempt["outcome"] for attempt in response.model_extra["omni"]["attempts"]] == ["answered"]


def test_a_model_that_does_not_reason_has_no_such_field(client: OpenAI) -> None:
    response = create(client)
    assert "reasoning_content" not in response.choices[0].message.model_dump()
    assert response.usage.completion_tokens_details is None
