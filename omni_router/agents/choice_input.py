"""What a decision model is asked: a state of any form as a conversation, and criteria as choices in words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import JsonValue

from omni_router.errors import InvalidRequest
from omni_router.messages import IMAGE_MARK, is_image, text_of
from omni_router.routers.choices import Option
from omni_router.routers.conversation import render_conversation
from omni_router.routers.protocol import Turn

EXAMPLE_KEYS = {"description", "examples"}  # of a criterion that is an object
_MESSAGES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "human": HumanMessage,
    "assistant": AIMessage,
    "ai": AIMessage,
}


def option_of(label: str, criterion: JsonValue) -> Option:
    """Return a choice from its label and its criterion: text, nothing, `{"description", "examples"}`, or other JSON."""
    if isinstance(criterion, dict) and criterion and set(criterion) <= EXAMPLE_KEYS:
        examples = criterion.get("examples") or []
        if not isinstance(examples, list) or not all(isinstance(each, str) for each in examples):
            raise InvalidRequest(f"the examples of the choice {label!r} must be a list of texts")
        return Option(label, _text(criterion.get("description")), tuple(map(str, examples)))
    return Option(label, _text(criterion))


def _text(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def conversation_of(state: Any) -> list[Turn]:
    """Return the state of a request as a conversation, whose newest user turn is what is judged.

    Messages, in a list or as the only entry `messages` of an object, are a conversation. Everything else is one text:
    JSON, in which an image is only mentioned.
    """
    if isinstance(state, Mapping) and set(state) == {"messages"}:
        state = state["messages"]
    if isinstance(state, Sequence) and not isinstance(state, str) and state and all(map(_is_message, state)):
        turns = render_conversation(list(map(_as_message, state)))
        if any(turn["role"] == "user" for turn in turns):
            return turns
    return [Turn(role="user", content=_plain_text(state))]


def _is_message(value: Any) -> bool:
    """Check for a message of LangChain, or an object with a role and content."""
    if isinstance(value, BaseMessage):
        return True
    if not isinstance(value, Mapping) or set(value) != {"role", "content"} or not isinstance(value["role"], str):
        return False
    content = value["content"]
    return isinstance(content, str) or (isinstance(content, list) and all(isinstance(each, dict) for each in content))


def _as_message(value: Any) -> BaseMessage:
    if isinstance(value, BaseMessage):
        return value
    return _MESSAGES.get(value["role"], SystemMessage)(value["content"])


def _plain_text(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: messages as their text, images as a mark."""
    if isinstance(value, BaseMessage):
        return text_of(value, mark_images=True)
    if is_image(value):
        return IMAGE_MARK
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(map(_plain, value))
    return value
