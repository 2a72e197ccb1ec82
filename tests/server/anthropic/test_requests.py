"""A request of Anthropic's as a body of chat completions: parameters, tools, and messages with their blocks."""

import json
from typing import Any

import pytest

from omni_router.messages import IMAGE_MARK
from omni_router.server.anthropic.requests import CountRequest, MessagesRequest, chat_body, shows_thinking
from omni_router.server.openai.errors import ApiError
from tests.support.pictures import DOT

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
SECRET = "the-token-of-a-server-of-tools"
TOOL = {"name": "weather", "description": "the weather of a city", "input_schema": SCHEMA}
FUNCTION = {"name": "weather", "parameters": SCHEMA, "description": "the weather of a city"}
CALL = {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Paris"}}
MEDIA_TYPE, DATA = DOT.removeprefix("data:").split(";base64,")
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": MEDIA_TYPE, "data": DATA}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": DOT}}


def read(**body: Any) -> dict[str, Any]:
    return chat_body(MessagesRequest, {"max_tokens": 100, "messages": QUESTION, **body})


def messages(*content: Any, system: Any = None) -> list[dict[str, Any]]:
    """Read messages that are given in turn by a user and by a model."""
    turns = [{"role": ("user", "assistant")[index % 2], "content": part} for index, part in enumerate(content)]
    read_messages: list[dict[str, Any]] = read(messages=turns, system=system)["messages"]
    return read_messages


def test_parameters_of_the_same_meaning_are_renamed_and_others_pass() -> None:
    chat = read(model="omni", stop_sequences=["END"], temperature=0.5, top_p=0.9, top_k=5, metadata={"user_id": "me"})
    assert chat == {
        "model": "omni",
        "messages": QUESTION,
        "max_tokens": 100,
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "metadata": {"user_id": "me"},  # the handler names it as ignored
    }


def test_without_max_tokens_the_error_is_anthropics() -> None:
    with pytest.raises(ApiError, match=r"^max_tokens: Field required$"):
        chat_body(MessagesRequest, {"messages": QUESTION})
    assert chat_body(CountRequest, {"messages": QUESTION}) == {"messages": QUESTION}


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "disabled"}, "none"),
        ({"type": "adaptive"}, None),
        ({"type": "between_tools"}, None),
        ({"type": "enabled", "budget_tokens": 2_048}, "low"),
        ({"type": "enabled", "budget_tokens": 2_049}, "medium"),
        ({"type": "enabled", "budget_tokens": 8_192}, "medium"),
        ({"type": "enabled", "budget_tokens": 8_193}, "high"),
    ],
)
def test_a_budget_for_thinking_is_an_effort(thinking: dict[str, Any], effort: str | None) -> None:
    assert read(thinking=thinking).get("reasoning_effort") == effort


@pytest.mark.parametrize(("effort", "chat"), [("low", "low"), ("high", "high"), ("xhigh", "xhigh"), ("max", "xhigh")])
def test_a_named_effort_wins_over_the_budget(effort: str, chat: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 5_000}
    assert read(thinking=thinking, output_config={"effort": effort})["reasoning_effort"] == chat
    assert read(thinking={"type": "disabled"}, output_config={"effort": effort})["reasoning_effort"] == "none"


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "adaptive"}, True),
        ({"type": "enabled", "budget_tokens": 1_024}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "adaptive", "display": "summarized"}, True),
    ],
)
def test_thinking_is_shown_when_it_is_asked_for(thinking: Any, *, shown: bool) -> None:
    assert shows_thinking({"thinking": thinking}) is shown


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_a_schema_becomes_the_response_format(place: str) -> None:
    form: dict[str, Any] = {"type": "json_schema", "schema": SCHEMA}
    chat = read(**{place: {"format": form} if place == "output_config" else form})
    assert chat["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}
    assert place not in chat


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools_become_functions(choice: dict[str, Any], chat: Any) -> None:
    body = read(tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}], tool_choice=choice)
    assert body["tools"] == [{"type": "function", "function": FUNCTION}]
    assert body["tool_choice"] == chat
    assert "parallel_tool_calls" not in body


def test_one_call_at_a_time_is_passed_on_by_the_name_of_chat_completions() -> None:
    body = read(tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert body["parallel_tool_calls"] is False


def test_the_system_prompt_and_later_instructions_are_one_message() -> None:
    turns = [*QUESTION, {"role": "system", "content": "Use metres."}]
    blocks = [{"type": "text", "text": "x-anthropic-billing-header: v=1;"}, {"type": "text", "text": "Be brief."}]
    assert read(system=blocks, messages=turns)["messages"] == [
        {"role": "system", "content": "Be brief.\n\nUse metres."},
        *QUESTION,
    ]
    assert messages("Hello", system="Be brief.")[0] == {"role": "system", "content": "Be brief."}


def test_images_in_base64_and_by_address() -> None:
    by_address = {"type": "image", "source": {"type": "url", "url": "https://images.example/cat.png"}}
    [message] = messages([{"type": "text", "text": "What is this?"}, IMAGE, by_address])
    address_part = {"type": "image_url", "image_url": {"url": "https://images.example/cat.png"}}
    assert message["content"] == [{"type": "text", "text": "What is this?"}, IMAGE_PART, address_part]


def test_an_answer_comes_back_with_its_thinking_and_its_calls() -> None:
    thinking = {"type": "thinking", "thinking": "A city.", "signature": "omni-router"}
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    answer = messages("Rain?", [thinking, redacted, {"type": "text", "text": "Let me look."}, CALL])[1]
    arguments = answer["tool_calls"][0]["function"].pop("arguments")
    assert json.loads(arguments) == {"city": "Paris"}
    assert answer == {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "A city.",
        "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "weather"}}],
    }


def result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "call_0", "content": content, **more}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (result("It rains."), "It rains."),
        (result([{"type": "text", "text": "It rains."}, {"type": "text", "text": "A lot."}]), "It rains.\nA lot."),
        (result("No such city", is_error=True), "Error: No such city"),
        (result(None), ""),
    ],
)
def test_results_of_tools_are_messages_before_the_rest(block: dict[str, Any], text: str) -> None:
    tool, user = messages("Rain?", [CALL], [{"type": "text", "text": "And tomorrow?"}, block])[2:]
    assert tool == {"role": "tool", "tool_call_id": "call_0", "content": text}
    assert user == {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]}


def test_an_image_in_a_result_is_shown_to_the_model_after_all_results() -> None:
    blocks = [result([{"type": "text", "text": "Rain:"}, IMAGE]), result("It rains."), {"type": "text", "text": "And?"}]
    first, second, user = messages("Rain?", [CALL], blocks)[2:]
    assert [first["content"], second["content"]] == [f"Rain:\n{IMAGE_MARK}", "It rains."]
    assert user == {"role": "user", "content": [IMAGE_PART, {"type": "text", "text": "And?"}]}


def test_a_reminder_beside_a_result_is_not_a_request() -> None:
    reminder = {"type": "text", "text": "<system-reminder>\nThe list is empty.\n</system-reminder>"}
    [tool] = messages("Rain?", [CALL], [result("It rains."), reminder])[2:]
    assert tool["content"] == f"It rains.\n{reminder['text']}"
    image = messages("Rain?", [CALL], [result("It rains."), reminder, IMAGE])[3]
    assert image["role"] == "user"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\.0\.role is 'robot': allowed are user, assis"),
        ({"messages": ["x"]}, r"messages\.0\.role is None"),
        ({"messages": [{"role": "user", "content": 1}]}, r"messages\.0\.content is 1"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, r"messages\.0\.content\.0 is 'x'"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "documents are not served"),
        ({"messages": [{"role": "user", "content": [CALL]}]}, r"0\.type is 'tool_use': allowed are text, image and"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, r"0\.text is None: it is a string"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, r"source is None: it is of type base64"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]}, "not stored"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "/x"}}]}]},
            r"messages\.0\.content\.0\.source: '/x' is not the address of an image",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, r"tool_use_id is None"),
        ({"messages": [{"role": "assistant", "content": [IMAGE]}]}, "allowed in an answer are text, tool_use,"),
        ({"messages": [{"role": "assistant", "content": [{**CALL, "input": "x"}]}]}, "input, an object"),
        ({"system": [IMAGE]}, r"system\.0\.type is 'image': only blocks of type text"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"tools\.0 is of the type 'web_search_"),
        ({"tools": [{"name": "x"}]}, r"tools\.0\.input_schema is None"),
        ({"tools": [{"input_schema": {}}]}, r"tools\.0\.name is None"),
        ({"tools": [{**TOOL, "description": 5}]}, r"tools\.0\.description is 5: it is a text"),
        ({"tools": [{**TOOL, "strict": "yes"}]}, r"tools\.0\.strict is .yes.: allowed are true and false"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, r"tool_choice\.name is None"),
        ({"tool_choice": {"type": "any"}}, r"tool_choice\.type is 'any': there is no tool to use"),
        ({"thinking": {"type": "loud"}}, r"thinking\.type is 'loud'"),
        ({"output_config": {"effort": "huge"}}, r"output_config\.effort is 'huge'"),
        ({"mcp_servers": [{"url": "x", "authorization_token": SECRET}]}, "mcp_servers is not served: servers of tools"),
        ({"container": "x"}, "code is not run here"),
        ({"inference_geo": "us"}, "name a provider as org/name:provider"),
        ({"thread": {"type": "create"}}, "send all messages"),
        ({"model": "claude-some-1"}, "The model 'claude-some-1' is not served here.*ANTHROPIC_MODEL"),
    ],
)
def test_what_is_not_served_is_named(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message) as error:
        read(**body)
    assert SECRET not in str(error.value)


def test_what_would_change_nothing_is_not_refused() -> None:
    assert "mcp_servers" in read(mcp_servers=[], inference_geo="global", container=None, thread=None)
