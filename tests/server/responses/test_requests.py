"""What /v1/responses reads: every form of a conversation as messages, and what it refuses with a way out."""

from typing import Any

import pytest

from omni_router.server.openai.errors import ApiError
from omni_router.server.responses.dialect import REFUSED, Responses

DATA_URL = "data:image/png;base64,AAAA"


def messages(*items: Any, **parameters: Any) -> list[dict[str, Any]]:
    """Return the messages of the chat that a request stands for."""
    read: list[dict[str, Any]] = Responses({"input": list(items), **parameters}).chat_body()["messages"]
    return read


def test_instructions_come_before_a_text() -> None:
    chat = Responses({"model": "omni", "input": "Hi", "instructions": "Be brief.", "temperature": 0.5, "seed": None})
    body = chat.chat_body()
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert (body["model"], body["temperature"]) == ("omni", 0.5)
    assert "seed" not in body
    assert [chat.place(0), chat.place(1)] == ["instructions", "input"]


def test_every_form_of_a_message_is_read() -> None:
    image = {"type": "input_image", "image_url": DATA_URL, "detail": "low"}
    read = messages(
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Rhyme."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]},
        {"role": "assistant", "content": "A fox."},
        {"id": "m", "type": "message", "role": "user", "content": [{"type": "text", "text": "Sure?"}], "status": None},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Y"}, {"type": "refusal", "refusal": "es"}]},
    )
    assert [message["role"] for message in read] == ["developer", "system", "user", "assistant", "user", "assistant"]
    assert read[2]["content"][1] == {"type": "image_url", "image_url": {"url": DATA_URL}}
    assert read[5]["content"] == "Yes"


def test_the_items_of_an_answer_are_one_message() -> None:
    read = messages(
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "a", "output": "rain"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}], "encrypted_content": "x"},
    )
    assert [message["role"] for message in read] == ["user", "assistant", "tool", "tool", "assistant"]
    answer = read[1]
    assert (answer["content"], answer["reasoning_content"]) == ("I look.", "Hm.")
    assert [call["function"]["arguments"] for call in answer["tool_calls"]] == ["{}", '{"input": "x"}']
    assert read[4]["reasoning_content"] == "So."


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        {"type": "reasoning", "summary": [], "encrypted_content": "omni-router:no base64"},
        {"type": "item_reference", "id": "rs_1_0"},
    ],
)
def test_a_reasoning_that_is_not_readable_adds_nothing(item: Any) -> None:
    assert len(messages({"role": "user", "content": "Hi"}, item)) == 1


def test_an_image_in_a_result_follows_all_results_as_a_message() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "view", "arguments": "{}"}
    parts = [{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": DATA_URL}]
    result = {"type": "function_call_output", "call_id": "a", "output": parts}
    second = {"type": "function_call_output", "call_id": "b", "output": "rain"}
    items = [{"role": "user", "content": "Look"}, call, {**call, "call_id": "b"}, result, second]
    shown = [{"type": "image_url", "image_url": {"url": DATA_URL}}]
    for more in ([], [{"role": "assistant", "content": "A fox."}]):
        read = messages(*items, *more)
        roles = ["user", "assistant", "tool", "tool", "user"]
        assert [message["role"] for message in read[:5]] == roles
        assert (read[2]["content"], read[4]["content"]) == ("seen\n[Image attached]", shown)
        assert len(read) == 5 + len(more)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "W", "schema": {"type": "object"}, "strict": True, "description": None},
            {"type": "json_schema", "json_schema": {"name": "W", "schema": {"type": "object"}, "strict": True}},
        ),
    ],
)
def test_the_format_of_the_text_is_that_of_a_chat(form: Any, expected: Any) -> None:
    assert Responses({"input": "Hi", "text": {"format": form}}).chat_body()["response_format"] == expected


def test_parameters_without_effect_keep_their_names() -> None:
    parameters = {
        "user": "ada",
        "text": {"verbosity": "low"},
        "truncation": "auto",
        "parallel_tool_calls": False,
        "store": True,
        "include": ["reasoning.encrypted_content", "file_search_call.results"],
    }
    body = Responses({"input": "Hi", **parameters}).chat_body()
    names = {"user", "text.verbosity", "truncation", "parallel_tool_calls", "store", "include.file_search_call.results"}
    assert names <= body.keys()
    neutral = {"parallel_tool_calls": True, "truncation": "disabled", "metadata": {"a": "b"}, "store": False}
    body = Responses({"input": "Hi", **neutral}).chat_body()
    assert body.keys() == {"messages", "max_completion_tokens", "response_format"}


@pytest.mark.parametrize(
    ("parameters", "param", "message"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "send the whole conversation"),
        ({"conversation": {"id": "c"}}, "conversation", "send the whole conversation"),
        ({"background": True}, "background", "use `stream`"),
        ({"prompt": {"id": "p"}}, "prompt", "send `instructions`"),
        ({"top_logprobs": 2}, "top_logprobs", "allowed is 0"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "'medium'"),
        ({"text": {"format": {"type": "xml"}}}, "text.format", "json_schema"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format", "a name and a schema"),
        ({"input": []}, "input", "at least 1"),
        ({"input": ["Hi"]}, "input[0]", "an item is an object"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "store=False"),
        ({"input": [{"id": "msg_1"}]}, "input[0]", "reference to an item"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", "allowed are message, reasoning"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "allowed are user"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content", "a list of parts"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
            "input[0].content[0].type",
            "input_text and input_image",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
            "files are not stored",
        ),
        ({"input": [{"type": "reasoning", "content": 5}]}, "input[0].content", "a list of parts"),
        ({"input": [{"type": "reasoning", "summary": True}]}, "input[0].summary", "a list of parts"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 5}]}, "tools[0].parameters", "a JSON schema"),
        ({"tools": [{"type": "custom", "name": "f", "format": "text"}]}, "tools[0].format", "an object with type"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"name": ["f"]}]}},
            "tool_choice.tools",
            "the name of a tool",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]", "call_id, name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id", "the id of the call"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input[0].output", "a list of parts"),
    ],
)
def test_what_is_not_served_is_refused_with_a_way_out(parameters: Any, param: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        Responses({"input": "Hi", **parameters}).chat_body()
    assert (caught.value.status, caught.value.param) == (400, param)
    assert message in str(caught.value)


def test_a_refused_parameter_that_changes_nothing_is_accepted() -> None:
    for name, (neutral, _) in REFUSED.items():
        for value in (*neutral, None):
            assert Responses({"input": "Hi", name: value}).chat_body()["messages"]
