"""From a thread's messages to the conversation a router sees: recent text, without what nobody said."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from omni_router.routers.protocol import Turn
from omni_router.routers.reply import without_thinking

PICTURE = "[Image attached]"
EXPLANATION = "explanation"  # the mark of a message that tells why there is no answer
ELLIPSIS = "…"

# What a request means is settled within the last few exchanges; other users of the checkpoint send it 16 too.
_MOST_TURNS = 16
_HEAD = 0.6  # a request is stated at the beginning more often than at the end

# System and tool messages have no role here. A streamed message keeps the name of its chunk class as type.
_ROLES: dict[str, Literal["user", "assistant"]] = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
}
_PICTURE_BLOCKS = ("image_url", "image")
_DATA_URL = re.compile(r"data:[\w/.+;=-]{1,100};base64,[\w+/=-]*")


class Message(Protocol):
    """What is read of a LangChain message, so that LangChain need not be imported."""

    @property
    def type(self) -> str:
        """The kind: human, ai, system, tool, ..."""
        ...

    @property
    def content(self) -> Any:
        """Text, or a list of text and content blocks."""
        ...


AnyMessage = TypeVar("AnyMessage", bound=Message)


def render_conversation(messages: Sequence[Message]) -> list[Turn]:
    """Give the newest turns, oldest first; the newest user message is always among them, even if it is empty."""
    newest = newest_user_message(messages)
    said = [message for message in messages if message.type in _ROLES and not is_explanation(message)]
    turns = [(message is newest, _turn(message)) for message in said]
    turns = [(kept, turn) for kept, turn in turns if kept or turn["content"]]
    recent = turns[-_MOST_TURNS:]
    if newest is not None and not any(kept for kept, _ in recent):
        recent = [pair for pair in turns if pair[0]] + recent[1:]
    return [turn for _, turn in recent]


def newest_user_message(messages: Sequence[AnyMessage]) -> AnyMessage | None:
    """Give the message that holds the request, or None when no user has spoken."""
    return next((message for message in reversed(messages) if _ROLES.get(message.type) == "user"), None)


def has_picture(message: Message) -> bool:
    """Tell whether a picture is attached to the message."""
    return any(is_picture(block) for block in _blocks(message))


def is_explanation(message: Message) -> bool:
    """Tell whether a message only explains why there was no answer: it would leak into the next choice."""
    return (getattr(message, "response_metadata", None) or {}).get("omni_router") == EXPLANATION


def is_picture(block: object) -> bool:
    """Tell whether a content block holds a picture."""
    return isinstance(block, Mapping) and block.get("type") in _PICTURE_BLOCKS


def shorten(text: str, limit: int) -> str:
    """Cut `text` to at most `limit` characters: its first 60 % and last 40 % around an ellipsis."""
    if len(text) <= limit:
        return text
    room = max(0, limit - len(ELLIPSIS))
    head = round(room * _HEAD)
    return text[:head] + ELLIPSIS[:limit] + text[len(text) - (room - head) :]


def _turn(message: Message) -> Turn:
    role = _ROLES[message.type]
    lines = list(_lines(message, with_pictures=role == "user"))
    content = _DATA_URL.sub(PICTURE, "\n".join(lines))  # base64 says nothing to a router and eats its budget
    return Turn(role=role, content=(without_thinking(content) if role == "assistant" else content).strip())


def _lines(message: Message, *, with_pictures: bool) -> Iterator[str]:
    for block in _blocks(message):
        if isinstance(block, str):
            yield block
        elif is_picture(block):
            yield from [PICTURE] if with_pictures else []
        elif isinstance(block, Mapping) and block.get("type") == "text":
            yield str(block.get("text") or "")


def _blocks(message: Message) -> Sequence[Any]:
    content = message.content
    return [content] if isinstance(content, str) else content or []


def newest_user_text(messages: Sequence[Message]) -> str:
    """Give the words of the newest request, without marks for its pictures."""
    newest = newest_user_message(messages)
    return "\n".join(_lines(newest, with_pictures=False)).strip() if newest is not None else ""
