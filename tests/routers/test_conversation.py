from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from omni_router.messages import IMAGE_MARK, has_image, newest_user_message
from omni_router.routers.conversation import ELLIPSIS, render_conversation, shorten

BASE64 = "iVBORw0KGgo" * 50
PICTURE_BLOCKS: list[dict[str, Any]] = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    {"type": "image", "base64": BASE64, "mime_type": "image/png"},
]


def texts(messages: list[AnyMessage]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in render_conversation(messages)]


def test_system_tool_and_empty_messages_and_explanations_are_dropped() -> None:
    messages: list[AnyMessage] = [
        SystemMessage("be kind"),
        HumanMessage("hi"),
        AIMessage(""),
        ToolMessage("42", tool_call_id="1"),
        AIMessage("it failed", response_metadata={"omni_router": "explanation"}),
        AIMessage("hello"),
        HumanMessage("  draw a cat "),
    ]
    assert texts(messages) == [("user", "hi"), ("assistant", "hello"), ("user", "draw a cat")]


def test_thinking_is_removed_from_the_assistants_messages_alone() -> None:
    messages: list[AnyMessage] = [
        HumanMessage("what is <think>?"),
        AIMessage("<think>hm</think>a tag"),
        AIMessageChunk(content="<think>never closed"),
    ]
    assert texts(messages) == [("user", "what is <think>?"), ("assistant", "a tag")]


@pytest.mark.parametrize("block", PICTURE_BLOCKS, ids=["data URL", "URL", "base64"])
def test_a_picture_is_one_line_and_never_its_bytes(block: dict[str, Any]) -> None:
    message = HumanMessage([block, {"type": "text", "text": "what is it?"}, "please", block])
    assert texts([message]) == [("user", f"{IMAGE_MARK}\nwhat is it?\nplease\n{IMAGE_MARK}")]
    assert has_image(message)
    assert not has_image(HumanMessage("what is it?"))


def test_a_data_url_within_text_is_a_picture_too() -> None:
    assert texts([HumanMessage(f"see ![it](data:image/png;base64,{BASE64}) there")]) == [
        ("user", f"see ![it]({IMAGE_MARK}) there")
    ]


def test_of_an_assistant_message_only_the_text_blocks_are_kept() -> None:
    blocks: list[Any] = [{"type": "reasoning", "reasoning": "x"}, {"type": "text", "text": "a"}, PICTURE_BLOCKS[2], "b"]
    assert texts([AIMessage(blocks)]) == [("assistant", "a\nb")]


def test_odd_blocks_are_passed_over() -> None:
    odd = SimpleNamespace(type="human", content=[None, 3, {"type": "text"}, {"type": "file", "base64": BASE64}, "a"])
    assert [turn["content"] for turn in render_conversation([odd])] == ["a"]
    assert [turn["content"] for turn in render_conversation([SimpleNamespace(type="human", content=None)])] == [""]


def test_the_newest_sixteen_are_kept() -> None:
    messages: list[AnyMessage] = [HumanMessage(f"{number}") for number in range(20)]
    assert [content for _, content in texts(messages)] == [f"{number}" for number in range(4, 20)]


def test_the_newest_user_message_is_never_dropped() -> None:
    messages: list[AnyMessage] = [HumanMessage("old"), HumanMessage("ask"), *(AIMessage(f"{n}") for n in range(20))]
    contents = texts(messages)
    assert len(contents) == 16
    assert contents[0] == ("user", "ask")
    assert texts([HumanMessage("a"), HumanMessage("")]) == [("user", "a"), ("user", "")]


def test_newest_user_message() -> None:
    ask = HumanMessage("ask")
    assert newest_user_message([HumanMessage("old"), ask, AIMessage("x")]) is ask
    assert newest_user_message([AIMessage("x")]) is None
    assert render_conversation([]) == []


def test_shorten_keeps_sixty_percent_of_the_head_and_forty_of_the_tail() -> None:
    assert shorten("a" * 500 + "b" * 500, 101) == "a" * 60 + ELLIPSIS + "b" * 40
    assert shorten("short", 5) == "short"


@given(st.text(), st.integers(0, 50))
def test_shorten_keeps_the_limit(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) == min(len(text), limit)
