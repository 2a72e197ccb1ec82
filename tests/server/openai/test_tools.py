"""Tools under /v1: what is asked for reaches the model, its calls come back, and a tool loop stays with its model."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from openai import OpenAI
from pydantic import BaseModel

from omni_router import Services
from omni_router.server.openai.memory import DecisionMemory, request_digest
from tests.support.openai_server import TEXT, openai_server, scripted
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ASK: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "the weather of a city",
            "strict": True,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
CALLS = [
    AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="weather", args="", id="call_0", index=0)]),
    AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args='{"city": ', index=0)]),
    AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args='"Paris"}', index=0)]),
]
ANSWER = [AIMessageChunk(content="It "), AIMessageChunk(content="rains.")]


def streamed(pieces: Any) -> dict[str, Any]:
    """Put a streamed tool call together, as clients do."""
    call: dict[str, Any] = {"arguments": ""}
    for piece in pieces:
        for delta in piece.choices[0].delta.tool_calls or []:
            call["id"] = delta.id or call.get("id")
            call["name"] = delta.function.name or call.get("name")
            call["arguments"] += delta.function.arguments or ""
        call["reason"] = piece.choices[0].finish_reason or call.get("reason")
    return call


@pytest.mark.parametrize("stream", [False, True])
def test_tools_reach_the_model_and_its_calls_the_client(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, CALLS)
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none") as client:
        response: Any = client.chat.completions.create(
            model="omni", messages=ASK, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, stream=stream
        )
        if stream:
            call = streamed(response)
        else:
            [tool_call] = response.choices[0].message.tool_calls
            call = {**tool_call.function.model_dump(), "id": tool_call.id, "reason": response.choices[0].finish_reason}
            assert response.choices[0].message.content is None
    assert (call["id"], call["name"], json.loads(call["arguments"])) == ("call_0", "weather", {"city": "Paris"})
    assert call["reason"] == "tool_calls"
    [(_, _, knobs)] = inference.asked
    assert list(knobs.tools) == TOOLS
    assert knobs.tool_choice == "required"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_is_given_back_the_decision_it_came_from(
    services: Services, router: ScriptedRouter, *, stream: bool
) -> None:
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, CALLS, ANSWER)
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none") as client:
        response: Any = client.chat.completions.create(model="omni", messages=ASK, tools=TOOLS, stream=stream)
        call = streamed(response) if stream else response.choices[0].message.tool_calls[0].function.model_dump()
        spaced = json.dumps(json.loads(call["arguments"]), indent=1)  # some clients write the arguments anew
        function = {"name": "weather", "arguments": spaced}
        loop: Any = [
            *ASK,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_0", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "call_0", "content": "rain, 12 degrees"},
        ]
        router.choose("summarization", "sandbox/text-generation-2")
        before = len(router.asked)
        end = client.chat.completions.create(model="omni", messages=loop, tools=TOOLS)
    assert end.choices[0].message.content == "It rains."
    assert len(router.asked) == before, "the router is not asked within a loop"
    assert end.model == TEXT
    _, messages, _ = inference.asked[1]
    assert isinstance(messages[1], AIMessage)
    assert messages[1].tool_calls[0]["args"] == {"city": "Paris"}
    assert isinstance(messages[2], ToolMessage)
    assert messages[2].text == "rain, 12 degrees"


def test_a_tool_loop_of_another_worker_is_routed_anew(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    serving, _ = scripted(services, ANSWER)
    call = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    loop: Any = [
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_7", "content": [{"type": "text", "text": "rain"}]},
    ]
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none") as client:
        assert client.chat.completions.create(model="omni", messages=loop, tools=TOOLS).choices
    assert len(router.asked) == 1


def test_arguments_that_are_no_json_are_passed_on_both_ways(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    broken = [
        AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="weather", args="Paris", id="c1", index=0)])
    ]
    serving, inference = scripted(services, broken, ANSWER)
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none") as client:
        response = client.chat.completions.create(model="omni", messages=ASK, tools=TOOLS)
        message: Any = response.choices[0].message.model_dump(exclude_none=True)
        assert message["tool_calls"][0]["function"]["arguments"] == "Paris"
        again: Any = [*ASK, message, {"role": "tool", "tool_call_id": "c1", "content": "no such city"}]
        client.chat.completions.create(model="omni", messages=again, tools=TOOLS)
    back = inference.asked[1][1][1]
    assert isinstance(back, AIMessage)
    assert back.invalid_tool_calls[0]["args"] == "Paris"


class Weather(BaseModel):
    city: str
    degrees: int


def test_parse_gives_an_object_of_the_class_asked_for(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    serving, inference = scripted(
        services, [AIMessageChunk(content='{"city": "Paris", '), AIMessageChunk(content='"degrees": 12}')]
    )
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none") as client:
        response = client.chat.completions.parse(model="omni", messages=ASK, response_format=Weather)
    assert response.choices[0].message.parsed == Weather(city="Paris", degrees=12)
    form = inference.asked[0][2].response_format
    assert form is not None
    assert form["json_schema"]["name"] == "Weather"


def answer_of(text: str, model: str, **calls: Any) -> AIMessage:
    return AIMessage(text, response_metadata={"decision": {"model": model}}, **calls)


def test_calls_that_two_conversations_number_alike_are_distinguished() -> None:
    memory = DecisionMemory()
    paris, rome = ([{"id": "call_0", "name": "weather", "args": {"city": city}}] for city in ("Paris", "Rome"))
    memory.remember(answer_of("", "one", tool_calls=paris), "", "Is it warm?")
    memory.remember(answer_of("", "two", tool_calls=rome), "", "Is it warm?")
    warm = request_digest("Is it warm?")
    assert memory.recall(AIMessage("", tool_calls=paris), warm) == {"decision": {"model": "one"}}
    assert memory.recall(AIMessage("", tool_calls=rome), warm) == {"decision": {"model": "two"}}


def test_the_memory_forgets_what_is_oldest() -> None:
    memory = DecisionMemory(size=2)
    for text in ("a", "b", "a", "c"):
        memory.remember(answer_of(text, text), text, "")
    assert memory.recall(AIMessage("b"), request_digest("")) == {}
    assert memory.recall(AIMessage("a"), request_digest("")) == {"decision": {"model": "a"}}
    assert memory.recall(AIMessage("c "), request_digest("")) == {"decision": {"model": "c"}}


def test_the_same_words_after_another_request_are_another_answer() -> None:
    memory = DecisionMemory()
    memory.remember(answer_of("Yes.", "one"), "Yes.", "Is the earth round?")
    assert memory.recall(AIMessage("Yes."), request_digest("Is the earth round?")) == {"decision": {"model": "one"}}
    assert memory.recall(AIMessage("Yes."), request_digest("Is my password safe?")) == {}
