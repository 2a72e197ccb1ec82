"""Tools under /v1/responses: in the flat form, in namespaces, with a text as input, and their calls back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from openai import OpenAI

from omni_router import Services
from tests.server.responses.test_answers import create, events, order
from tests.support.openai_server import TEXT, ScriptedInference, openai_server, scripted
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ASK: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: Any = {"type": "function", "name": "weather", "description": "by city", "parameters": SCHEMA, "strict": True}
NEWS: Any = {"type": "function", "name": "news", "parameters": SCHEMA}
PATCH: Any = {
    "type": "custom",
    "name": "patch",
    "description": "changes files",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: LINE"},
}
SPACE: Any = {
    "type": "namespace",
    "name": "sea",
    "description": "",
    "tools": [NEWS, {**WEATHER, "description": "at sea"}],
}
CALL = [
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]
ANSWER = [AIMessageChunk(content="It "), AIMessageChunk(content="rains.")]


def chunk(args: str, index: int = 0, id: str | None = None, name: str | None = None) -> AIMessageChunk:  # noqa: A002
    """Return a part of a call."""
    return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, args=args, id=id, index=index)])


TWO_CALLS = [
    AIMessageChunk(content="Let me see."),
    chunk("", 0, "call_0", "weather"),
    chunk('{"city": ', 0),
    chunk('"Paris"}', 0),
    chunk('{"city": "Rome"}', 1, "call_1", "weather"),
]


@contextmanager
def served(
    services: Services, router: ScriptedRouter, *answers: list[AIMessageChunk]
) -> Iterator[tuple[str, OpenAI, ScriptedInference]]:
    """Serve scripted answers."""
    router.choose("question_answering", TEXT)
    serving, inference = scripted(services, *answers)
    with openai_server(serving) as url, OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield url, client, inference


def test_tools_reach_the_model_and_several_calls_the_client(services: Services, router: ScriptedRouter) -> None:
    with served(services, router, TWO_CALLS) as (_, client, inference):
        response = create(client, input=ASK, tools=[WEATHER], tool_choice="required")
    message, *calls = response.output
    assert message.content[0].text == "Let me see."
    assert [(call.call_id, call.name, json.loads(call.arguments)["city"]) for call in calls] == [
        ("call_0", "weather", "Paris"),
        ("call_1", "weather", "Rome"),
    ]
    [(_, _, settings)] = inference.asked
    function = {"name": "weather", "description": "by city", "parameters": SCHEMA, "strict": True}
    assert list(settings.tools) == [{"type": "function", "function": function}]
    assert settings.tool_choice == "required"


def test_each_call_is_done_before_the_next_is_added(services: Services, router: ScriptedRouter) -> None:
    with served(services, router, TWO_CALLS) as (url, _, _):
        read = events(url, input=ASK, tools=[WEATHER])
    assert order(read)[-9:] == [*CALL, *CALL, "response.completed"]
    places = [event.output_index for event in read if event.type == "response.output_item.added"]
    assert places == [0, 1, 2]
    assert [item.type for item in read[-1].response.output] == ["message", "function_call", "function_call"]
    assert json.loads(read[-1].response.output[2].arguments) == {"city": "Rome"}


def test_calls_that_are_numbered_alike_are_told_apart_by_their_ids(services: Services, router: ScriptedRouter) -> None:
    pieces = [chunk("{}", 0, "a", "weather"), chunk("{}", 0, "b", "weather")]
    with served(services, router, pieces) as (url, _, _):
        read = events(url, input=ASK, tools=[WEATHER])
    assert [item.call_id for item in read[-1].response.output] == ["a", "b"]


def test_parts_of_calls_that_are_mixed_are_a_failure(services: Services, router: ScriptedRouter) -> None:
    mixed = [chunk("{", 0, "a", "weather"), chunk("{}", 1, "b", "weather"), chunk("}", 0)]
    with served(services, router, mixed) as (url, _, _):
        read = events(url, input=ASK, tools=[WEATHER])
    assert read[-1].type == "response.failed"
    assert "mixes the parts" in read[-1].response.error.message


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_stays_with_its_model(services: Services, router: ScriptedRouter, *, stream: bool) -> None:
    with served(services, router, TWO_CALLS, ANSWER) as (url, client, inference):
        if stream:
            first = events(url, input=ASK, tools=[WEATHER])[-1].response
        else:
            first = create(client, input=ASK, tools=[WEATHER])
        items = first.model_dump(mode="json", exclude_none=True)["output"]
        results = [
            {"type": "function_call_output", "call_id": "call_0", "output": "rain"},
            {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "sun"}]},
        ]
        router.choose("summarization", "sandbox/text-generation-2")
        before = len(router.asked)
        last = create(client, input=[*ASK, *items, *results], tools=[WEATHER])
    assert last.output_text == "It rains."
    assert (len(router.asked), last.model) == (before, TEXT)
    _, messages, _ = inference.asked[1]
    answer = messages[1]
    assert isinstance(answer, AIMessage)
    assert (answer.text, [call["id"] for call in answer.tool_calls]) == ("Let me see.", ["call_0", "call_1"])
    assert [message.text for message in messages[2:] if isinstance(message, ToolMessage)] == ["rain", "sun"]


def test_a_tool_of_a_namespace_is_called_by_a_name_of_its_own(services: Services, router: ScriptedRouter) -> None:
    calls = [chunk("{}", 0, "a", "sea__weather"), chunk("{}", 1, "b", "news"), chunk("{}", 2, "c", "weather")]
    with served(services, router, calls, ANSWER) as (_, client, inference):
        first = create(client, input=ASK, tools=[WEATHER, SPACE])
        items = first.model_dump(mode="json", exclude_none=True)["output"]
        results = [{"type": "function_call_output", "call_id": id_, "output": "ok"} for id_ in "abc"]
        create(client, input=[*ASK, *items, *results], tools=[WEATHER, SPACE])
    names = [tool["function"]["name"] for tool in inference.asked[0][2].tools]
    assert names == ["weather", "news", "sea__weather"]
    assert [(call.name, call.namespace) for call in first.output] == [
        ("weather", "sea"),
        ("news", "sea"),
        ("weather", None),
    ]
    again = inference.asked[1][1][1]
    assert isinstance(again, AIMessage)
    assert [call["name"] for call in again.tool_calls] == ["sea__weather", "news", "weather"]


def test_a_custom_tool_takes_a_text(services: Services, router: ScriptedRouter) -> None:
    call = [chunk('{"input": ', 0, "a", "patch"), chunk('"one line"}', 0)]
    with served(services, router, call, call, ANSWER) as (url, client, inference):
        read = events(url, input=ASK, tools=[PATCH])
        first = create(client, input=ASK, tools=[PATCH])
        items = first.model_dump(mode="json", exclude_none=True)["output"]
        result = {"type": "custom_tool_call_output", "call_id": "a", "output": "done"}
        create(client, input=[*ASK, *items, result], tools=[PATCH])
    assert order(read)[2:-1] == [
        "response.output_item.added",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.output_item.done",
    ]
    for response in (read[-1].response, first):
        [item] = response.output
        assert (item.type, item.name, item.input) == ("custom_tool_call", "patch", "one line")
    [tool] = inference.asked[0][2].tools
    function = tool["function"]
    assert "start: LINE" in function["description"]
    assert function["parameters"]["required"] == ["input"]
    again = inference.asked[2][1][1]
    assert isinstance(again, AIMessage)
    assert again.tool_calls[0]["args"] == {"input": "one line"}


def test_a_tool_choice_may_name_one_tool_or_some(services: Services, router: ScriptedRouter) -> None:
    some: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "news"}]}
    with served(services, router, ANSWER, ANSWER) as (_, client, inference):
        create(client, tools=[WEATHER, NEWS], tool_choice={"type": "function", "name": "news"})
        create(client, tools=[WEATHER, NEWS], tool_choice=some)
    assert inference.asked[0][2].tool_choice == {"type": "function", "function": {"name": "news"}}
    settings = inference.asked[1][2]
    assert [tool["function"]["name"] for tool in settings.tools] == ["news"]
    assert settings.tool_choice == "required"


def test_a_search_that_a_client_offers_to_every_model_is_left_out_by_name(
    services: Services, router: ScriptedRouter
) -> None:
    with served(services, router, ANSWER) as (url, _, inference):
        body = {"input": "Hi", "tools": [WEATHER, {"type": "web_search", "external_web_access": False}]}
        response = httpx.post(f"{url}/responses", json=body)
    assert response.headers["x-omni-ignored"] == "tools.web_search"
    assert len(inference.asked[0][2].tools) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tools": [{"type": "file_search"}]}, "tools\\[0\\].type is 'file_search'"),
        ({"tools": [{"type": "function"}]}, "a tool has a type and a name"),
        ({"tools": ["weather"]}, "a tool is an object"),
        ({"tools": [{**SPACE, "tools": [{"type": "mcp"}]}]}, "tools\\[0\\].tools\\[0\\].type is 'mcp'"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type is 'web_search'"),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "no tool of type function"),
        ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice is 'always'"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "news"}}, "not among the tools"),
    ],
)
def test_what_cannot_be_called_is_refused_by_name(
    services: Services, router: ScriptedRouter, parameters: Any, message: str
) -> None:
    with served(services, router) as (_, client, _), pytest.raises(openai.BadRequestError, match=message):
        client.responses.create(model="omni", input="Hi", **parameters)
