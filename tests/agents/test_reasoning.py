"""ChatOmni with a model that reasons: content blocks of their own, which an agent passes back."""

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk

from omni_router import Services
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.agents.chat_model import ChatOmni
from omni_router.messages import reasoning_of
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND = "sandbox/text-generation-1", "sandbox/text-generation-2"
QUESTION = "How do tides work?"


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    return f"It rains in {city}."


@pytest.fixture
def model(services: Services, router: ScriptedRouter, sandbox: Sandbox) -> ChatOmni:
    router.choose("question_answering", FIRST)
    sandbox.set_reasoning(FIRST, Reasoning(back="demanded"))
    return ChatOmni(services=services)


def whole(model: ChatOmni) -> AIMessage:
    return model.invoke(QUESTION)


def awaited(model: ChatOmni) -> AIMessage:
    return asyncio.run(model.ainvoke(QUESTION))


def streamed(model: ChatOmni) -> AIMessageChunk:
    first, *rest = model.stream(QUESTION)
    return sum(rest, first)


def streamed_async(model: ChatOmni) -> AIMessageChunk:
    async def collect() -> list[AIMessageChunk]:
        return [chunk async for chunk in model.astream(QUESTION)]

    first, *rest = asyncio.run(collect())
    return sum(rest, first)


@pytest.mark.parametrize("call", [whole, awaited, streamed, streamed_async])
def test_reasoning_is_a_content_block_under_every_form_of_call(model: ChatOmni, call: Any) -> None:
    answer = call(model)
    reasoning, text = answer.content_blocks
    assert reasoning["type"] == "reasoning"
    assert reasoning["reasoning"].startswith("[sandbox] Simulated reasoning")
    assert text == {"type": "text", "text": answer.text}
    assert "step-" not in answer.text
    assert answer.usage_metadata["output_token_details"] == {"reasoning": 16}
    assert answer.response_metadata["finish_reason"] == "stop"


def test_blocks_of_reasoning_stream_before_those_of_text(model: ChatOmni) -> None:
    kinds = [block["type"] for chunk in model.stream(QUESTION) for block in chunk.content_blocks]
    assert kinds == sorted(kinds)
    assert kinds.count("reasoning") > 3


def test_with_output_version_v1_the_content_itself_has_them(model: ChatOmni) -> None:
    content = model.model_copy(update={"output_version": "v1"}).invoke(QUESTION).content
    assert isinstance(content, list)
    assert [block["type"] for block in content if isinstance(block, dict)] == ["reasoning", "text"]


def test_metadata_are_those_of_the_model_that_answered(model: ChatOmni, sandbox: Sandbox) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(default_limit=10))
    answer, plain = streamed(model), whole(model)
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == SECOND
    assert answer.text == plain.text
    assert answer.usage_metadata == plain.usage_metadata


@pytest.mark.parametrize("version", [None, "v1"])
def test_an_agent_passes_reasoning_back(model: ChatOmni, sandbox: Sandbox, version: str | None) -> None:
    agent: Any = create_agent(model.model_copy(update={"output_version": version}), [get_weather])
    messages = agent.invoke({"messages": [("user", "Use get_weather: what is the weather in Paris?")]})["messages"]
    assert reasoning_of(messages[1])
    assert "It rains in" in messages[-1].text
    chats = [record for record in sandbox.requests if record.method == "POST"]
    assert [record.model for record in chats] == [FIRST, FIRST], "it demands its reasoning, and got it at once"
