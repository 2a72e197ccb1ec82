"""/v1/messages with Anthropic's own client: whole answers and events, each checked against the client's types."""

import json
from typing import Any

import pytest
from anthropic import Anthropic, beta_tool
from anthropic.types import Message
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from pydantic import BaseModel

from omni_router import Services
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.messages import REASONING
from omni_router.server.anthropic.answers import SIGNATURE
from omni_router.server.anthropic.stream import EventWriter
from omni_router.server.openai import stream as streaming
from tests.support.anthropic_client import QUESTION, events_of, post
from tests.support.openai_server import EYES, PAINTER, TEXT, openai_server, scripted, wait_for
from tests.support.pictures import DOT
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS: Any = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
OTHER = "sandbox/text-generation-2"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Return the kinds of events, of deltas by what they hold; several deltas of a kind once."""
    names: list[str] = []
    for event in events:
        name = event.get("delta", {}).get("type") or event["type"]
        if not names or names[-1] != name:
            names.append(name)
    return names


def call_pieces(call_id: str, index: int = 0) -> list[AIMessageChunk]:
    pieces = [
        tool_call_chunk(name="weather", args="", id=call_id, index=index),
        tool_call_chunk(args='{"city": ', index=index),
        tool_call_chunk(args='"Paris"}', index=index),
    ]
    return [AIMessageChunk(content="", tool_call_chunks=[piece]) for piece in pieces]


def test_an_answer_has_the_clients_form(url: str) -> None:
    response = post(url)
    message = Message.model_validate_json(response.content)
    assert (message.type, message.role, message.model) == ("message", "assistant", TEXT)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    [block] = message.content
    assert block.type == "text"
    assert block.text.startswith("[sandbox] Simulated answer")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    decision = response.json()["omni"]["id"]
    assert message.id == f"msg_{decision}"
    assert response.headers["request-id"] == f"req_{decision}"
    assert response.headers["x-omni-model"] == TEXT


def test_a_stream_has_anthropics_order_and_the_same_answer(url: str) -> None:
    events = events_of(url)
    assert kinds(events) == [
        "message_start",
        "content_block_start",
        "ping",
        "text_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == post(url).json()["content"][0]["text"]
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    assert events[-2]["usage"]["output_tokens"] > 0
    assert events[-2]["omni"]["attempts"]


def test_the_client_puts_a_stream_together(client: Anthropic) -> None:
    with client.messages.stream(model="omni", max_tokens=500, messages=QUESTION) as stream:
        message = stream.get_final_message()
    whole = client.messages.create(model="omni", max_tokens=500, messages=QUESTION)
    assert [block.to_dict() for block in message.content] == [block.to_dict() for block in whole.content]
    assert message.stop_reason == whole.stop_reason
    assert message.usage.input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_first_when_it_is_asked_for(sandbox: Sandbox, url: str, *, stream: bool) -> None:
    sandbox.set_reasoning(TEXT, Reasoning())
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    if stream:
        events = events_of(url, thinking=thinking)
        begin = ["message_start", "content_block_start", "ping", "thinking_delta", "signature_delta"]
        end = ["content_block_stop", "content_block_start", "text_delta", "content_block_stop"]
        assert kinds(events) == [*begin, *end, "message_delta", "message_stop"]
        assert [event["index"] for event in events if event["type"] == "content_block_start"] == [0, 1]
        return
    message = Message.model_validate_json(post(url, thinking=thinking).content)
    first, second = message.content
    assert first.type == "thinking"
    assert (first.thinking[:28], first.signature) == ("[sandbox] Simulated reasonin", SIGNATURE)
    assert second.type == "text"
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 12  # a small budget is a low effort


@pytest.mark.parametrize("thinking", [None, {"type": "adaptive", "display": "omitted"}])
def test_without_it_the_first_block_is_the_text(sandbox: Sandbox, url: str, thinking: Any) -> None:
    sandbox.set_reasoning(TEXT, Reasoning())
    assert [block["type"] for block in post(url, thinking=thinking).json()["content"]] == ["text"]
    assert "thinking_delta" not in kinds(events_of(url, thinking=thinking))


def test_the_next_model_thinks_in_a_block_of_its_own(sandbox: Sandbox, url: str) -> None:
    sandbox.set_reasoning(TEXT, Reasoning(default_limit=10))
    sandbox.set_reasoning(OTHER, Reasoning())
    events = events_of(url, thinking={"type": "adaptive"}, max_tokens=100)
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert starts in (["thinking", "text"], ["thinking", "thinking", "text"])


@pytest.mark.parametrize("stream", [False, True])
def test_tools_reach_the_model_and_its_calls_the_client(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    router.choose("question_answering", TEXT)
    pieces = [AIMessageChunk(content="Let me look."), *call_pieces("call_0"), *call_pieces("call_1", 1)]
    serving, inference = scripted(services, pieces)
    with openai_server(serving) as url:
        if stream:
            events = events_of(url, messages=WEATHER, tools=TOOLS)
            blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
            assert blocks[1:] == [
                {"type": "tool_use", "id": f"call_{n}", "name": "weather", "input": {}} for n in (0, 1)
            ]
            for index in (1, 2):
                deltas = [event["delta"] for event in events if event.get("index") == index and "delta" in event]
                assert json.loads("".join(delta["partial_json"] for delta in deltas)) == {"city": "Paris"}
            assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2]
            reason = events[-2]["delta"]["stop_reason"]
        else:
            message = Message.model_validate_json(post(url, messages=WEATHER, tools=TOOLS).content)
            assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
            assert message.content[1].model_dump(include={"id", "input"}) == {
                "id": "call_0",
                "input": {"city": "Paris"},
            }
            reason = message.stop_reason
    assert reason == "tool_use"
    [(_, _, settings)] = inference.asked
    assert settings.tools[0]["function"]["parameters"] == TOOLS[0]["input_schema"]


def test_a_call_that_is_not_json_is_passed_on_as_a_wrong_input(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    piece = tool_call_chunk(name="weather", args="Paris", id="call_0", index=0)
    serving, _ = scripted(services, [AIMessageChunk(content="", tool_call_chunks=[piece])])
    with openai_server(serving) as url:
        [block] = Message.model_validate_json(post(url, messages=WEATHER, tools=TOOLS).content).content
    assert block.type == "tool_use"
    assert block.input == {"invalid_json": "Paris"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_stays_with_its_model(services: Services, router: ScriptedRouter, *, stream: bool) -> None:
    router.choose("question_answering", TEXT)
    answer = [AIMessageChunk(content="It "), AIMessageChunk(content="rains.")]
    serving, inference = scripted(services, call_pieces("call_0"), answer)
    with openai_server(serving) as url, Anthropic(base_url=url.removesuffix("/v1"), api_key="none") as client:
        asked: Any = {"model": "omni", "max_tokens": 500, "tools": TOOLS}
        if stream:
            with client.messages.stream(**asked, messages=WEATHER) as events:
                first = events.get_final_message()
        else:
            first = client.messages.create(**asked, messages=WEATHER)
        result = {"type": "tool_result", "tool_use_id": "call_0", "content": "It rains."}
        turns: Any = [*WEATHER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        last = client.messages.create(**asked, messages=turns)
    assert last.content[0].type == "text"
    assert last.content[0].text == "It rains."
    assert len(router.asked) == 1
    _, (model, messages, _) = inference.asked
    assert model == TEXT
    _, call, tool = messages
    assert isinstance(call, AIMessage)
    assert call.tool_calls[0]["args"] == {"city": "Paris"}
    assert isinstance(tool, ToolMessage)
    assert tool.text == "It rains."


@pytest.mark.parametrize(
    ("reason", "stop_reason"), [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal")]
)
def test_why_an_answer_ends(services: Services, router: ScriptedRouter, reason: str, stop_reason: str) -> None:
    router.choose("question_answering", TEXT)
    piece = AIMessageChunk(content="It", response_metadata={"finish_reason": reason})
    serving, _ = scripted(services, [piece], [piece])
    with openai_server(serving) as url:
        assert post(url).json()["stop_reason"] == stop_reason
        assert events_of(url)[-2]["delta"]["stop_reason"] == stop_reason


def test_cached_input_is_counted_apart(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    usage: Any = {
        "input_tokens": 100,
        "output_tokens": 5,
        "total_tokens": 105,
        "input_token_details": {"cache_read": 60},
    }
    serving, _ = scripted(services, [AIMessageChunk(content="It", usage_metadata=usage)])
    with openai_server(serving) as url:
        counted = post(url).json()["usage"]
    assert (counted["input_tokens"], counted["cache_read_input_tokens"], counted["output_tokens"]) == (40, 60, 5)


def test_images_are_given_to_a_model_that_sees(router: ScriptedRouter, url: str) -> None:
    router.choose("image_understanding", EYES)
    source = {"type": "base64", "media_type": "image/png", "data": DOT.partition(",")[2]}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    assert post(url, messages=[{"role": "user", "content": content}]).json()["model"] == EYES


def test_an_image_that_is_made_comes_as_text_in_pieces(router: ScriptedRouter, url: str) -> None:
    router.choose("image_generation", PAINTER)
    message = Message.model_validate_json(post(url).content)
    assert message.content[0].type == "text"
    assert message.content[0].text.startswith("![Generated image](data:image/png;base64,")
    texts = [event["delta"]["text"] for event in events_of(url) if event["type"] == "content_block_delta"]
    assert "".join(texts)[:41] == message.content[0].text[:41]


class Tide(BaseModel):
    place: str
    hour: int


def test_structured_output(client: Anthropic) -> None:
    parsed = client.messages.parse(model="omni", max_tokens=500, messages=QUESTION, output_format=Tide)
    assert isinstance(parsed.parsed_output, Tide)


def test_the_tool_runner_of_the_client_goes_on_without_a_thread(client: Anthropic) -> None:
    def weather(city: str) -> str:
        """Return the weather of a city."""
        return f"It rains in {city}."

    runner = client.beta.messages.tool_runner(
        model="omni", max_tokens=500, tools=[beta_tool(weather)], messages=WEATHER
    )
    assert [message.stop_reason for message in runner] == ["tool_use", "end_turn"]


def test_a_silent_model_is_bridged_by_pings(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.01)
    sandbox.latency = 1.0
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        events = [event["type"] for event in events_of(url)]
    assert events[:3] == ["message_start", "ping", "ping"]


def test_a_model_that_thinks_unseen_is_bridged_by_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    thought = AIMessageChunk(content="", additional_kwargs={REASONING: "Hm."})
    writer = EventWriter(thinking=False)
    assert writer.delta(thought) == b""
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.0)
    assert writer.delta(thought) == writer.keep_alive()
    assert b"thinking_delta" in EventWriter(thinking=True).delta(thought)


def test_parameters_without_effect_are_named_as_they_were_sent(url: str) -> None:
    more = {"metadata": {"user_id": "me"}, "service_tier": "auto", "tool_choice": {"type": "auto"}}
    response = post(url, **more)
    assert response.headers["x-omni-ignored"] == "metadata, service_tier"
    assert response.json()["omni"]["ignored"] == ["metadata", "service_tier"]


def test_a_route_or_a_limit_may_be_named_as_for_openais_clients(url: str) -> None:
    response = post(url, model="omni/creative_writing", omni_never=["sandbox/text-generation-1"])
    assert response.json()["omni"]["route"] == "creative_writing"
    assert response.json()["model"] != TEXT


def test_a_client_that_hangs_up_ends_the_run(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.01)
    sandbox.latency = 5.0
    router.choose("question_answering", TEXT)
    log: list[str] = []
    with openai_server(services, log=log) as url, Anthropic(base_url=url.removesuffix("/v1"), api_key="none") as client:
        with client.messages.stream(model="omni", max_tokens=500, messages=QUESTION) as stream:
            assert next(iter(stream)).type == "message_start"
        wait_for(lambda: log)
    assert log[0].endswith("the client disconnected")
    assert not services.history.models("question_answering")
