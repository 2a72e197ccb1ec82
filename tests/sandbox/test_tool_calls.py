"""Tools and JSON in the sandbox, driven by the real client."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from huggingface_hub import InferenceClient
from pydantic import BaseModel, Field, TypeAdapter

from omni_router._sandbox import SANDBOX_TOKEN, Sandbox, sandbox

CHAT = "sandbox/text-generation-1"


@pytest.fixture(autouse=True)
def box() -> Iterator[Sandbox]:
    with sandbox() as box:
        yield box


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


ADD = function("add_numbers", a={"type": "integer"}, b={"type": "number"})
WEATHER = function("get_weather", city={"type": "string"})


def chat(prompt: str, *more: Any, **parameters: Any) -> Any:
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        answer = client.chat_completion([{"role": "user", "content": prompt}, *more], model=CHAT, **parameters)
        return list(answer) if parameters.get("stream") else answer.choices[0]


def called(choice: Any) -> tuple[str, Any]:
    [call] = choice.message.tool_calls
    return call.function.name, json.loads(call.function.arguments)


def test_a_tool_is_called_whose_name_the_prompt_speaks_of() -> None:
    choice = chat("Please add the numbers 3 and 4.5", tools=[WEATHER, ADD])
    assert called(choice) == ("add_numbers", {"a": 3, "b": 4.5})
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert "simulated" in choice.message.tool_calls[0].id


def test_no_tool_is_called_that_the_prompt_does_not_speak_of_or_that_may_not_be() -> None:
    for choice in (
        chat("Hello there", tools=[WEATHER, ADD]),
        chat("The weather?", tools=[WEATHER], tool_choice="none"),
    ):
        assert choice.message.content.startswith("[sandbox] Simulated answer")
        assert choice.message.tool_calls is None


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "get_weather"), ({"type": "function", "function": {"name": "add_numbers"}}, "add_numbers")],
)
def test_a_forced_tool_is_called_whatever_is_said(choice: Any, name: str) -> None:
    assert called(chat("Hello", tools=[WEATHER, ADD], tool_choice=choice))[0] == name


def test_after_its_result_a_text_quotes_it_and_a_forced_call_is_of_the_next_tool() -> None:
    before = chat("The weather in Rome?", tools=[WEATHER]).message.tool_calls[0]
    call = {"id": before.id, "type": "function", "function": dict(before.function)}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "It rains.", "tool_call_id": before.id},
    ]
    assert "the tool answered “It rains.”" in chat("The weather in Rome?", *messages, tools=[WEATHER]).message.content
    forced = chat("The weather in Rome?", *messages, tools=[WEATHER, ADD], tool_choice="required")
    assert called(forced)[0] == "add_numbers"
    assert forced.message.tool_calls[0].id != before.id


def test_a_streamed_call_is_the_plain_one_in_pieces() -> None:
    chunks = chat("The weather in Buenos Aires?", tools=[WEATHER], stream=True, stream_options={"include_usage": True})
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    deltas = [choice.delta.tool_calls[0] for choice in choices if choice.delta.tool_calls]
    arguments = "".join(delta.function.arguments for delta in deltas)
    assert len(deltas) > 2
    assert ("get_weather", json.loads(arguments)) == called(chat("The weather in Buenos Aires?", tools=[WEATHER]))
    assert json.loads(arguments) == {"city": "Buenos Aires"}
    assert choices[-1].finish_reason == "tool_calls"
    assert chunks[-1].usage.completion_tokens == len(deltas) - 1


def test_stop_ends_an_answer_before_it() -> None:
    assert chat("Hello", stop=["Simulated"]).message.content == "[sandbox] "


def test_only_what_a_tool_needs_is_given() -> None:
    tool = function("get_weather", city={"type": "string"})
    tool["function"]["parameters"]["properties"]["unit"] = {"type": "string"}
    assert called(chat("The weather in 'Oslo'?", tools=[tool])) == ("get_weather", {"city": "Oslo"})


class Leaf(BaseModel):
    size: int = Field(ge=10, le=20)
    kind: Literal["oak", "beech"]


class Tree(BaseModel):
    name: str = Field(min_length=5, max_length=8)
    leaves: list[Leaf] = Field(min_length=2)
    height: float | None
    green: bool
    planted: str = Field(json_schema_extra={"format": "date"})
    child: "Tree | None" = None


class Counts(BaseModel):
    numbers: list[int]
    low: int = Field(lt=0)
    share: float = Field(gt=0, lt=1)
    tag: Literal["fixed"]
    extra: dict[str, int] = {}


@pytest.mark.parametrize("form", [Leaf, Tree, Counts])
@pytest.mark.parametrize(
    "prompt", ["Hello", "A beech with 5 leaves, 12 and 3000", "'Ash' is 3.7 m high, \"not\" an Oak"]
)
@pytest.mark.parametrize("streamed", [False, True])
def test_json_is_valid_for_its_schema(form: type[BaseModel], prompt: str, *, streamed: bool) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "form", "schema": form.model_json_schema()}}
    answer = chat(prompt, response_format=asked, stream=streamed)
    if streamed:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    else:
        text = answer.message.content
    assert form.model_validate_json(text)


def test_a_text_that_is_not_taken_from_the_prompt_says_that_it_is_simulated() -> None:
    schema = TypeAdapter(dict[str, str]).json_schema() | {"properties": {"joke": {"type": "string"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "form", "schema": schema}}
    assert json.loads(chat("A joke, please", response_format=asked).message.content)["joke"].startswith("[sandbox]")


def test_json_without_a_schema_has_the_keys_that_the_prompt_quotes() -> None:
    text = chat("JSON with 'setup' and 'punchline', please", response_format={"type": "json_object"}).message.content
    assert list(json.loads(text)) == ["setup", "punchline"]
