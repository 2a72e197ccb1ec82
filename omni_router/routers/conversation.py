"""Turn a thread's messages into the conversation a router sees: recent text, without what nobody said."""

import re
from collections.abc import Sequence

from omni_router.messages import IMAGE_MARK, ROLES, Message, is_explanation, newest_user_message, text_of
from omni_router.routers.protocol import Turn
from omni_router.routers.reply import without_thinking

ELLIPSIS = "…"

# What a request means is settled within the last few exchanges; other users of the checkpoint send it 16 too.
_MOST_TURNS = 16
_HEAD = 0.6  # a request is stated at the beginning more often than at the end

# Base64 says nothing to a router and eats its budget.
_DATA_URL = re.compile(r"data:[\w/.+;=-]{1,100};base64,[\w+/=-]*")


def render_conversation(messages: Sequence[Message]) -> list[Turn]:
    """Return the newest turns, oldest first; the newest user message is always among them, even if it is empty."""
    newest = newest_user_message(messages)
    turns: list[Turn] = []
    request: Turn | None = None
    for message in messages:
        if message.type not in ROLES or is_explanation(message):
            continue
        turn = _turn(message)
        if message is newest:
            request = turn
        if turn["content"] or message is newest:
            turns.append(turn)
    recent = turns[-_MOST_TURNS:]
    if request is not None and not any(turn is request for turn in recent):
        recent = [request, *recent[1:]]
    return recent


def shorten(text: str, limit: int) -> str:
    """Cut `text` to at most `limit` characters: its first 60 % and last 40 % around an ellipsis."""
    if len(text) <= limit:
        return text
    room = max(0, limit - len(ELLIPSIS))
    head = round(room * _HEAD)
    return text[:head] + ELLIPSIS[:limit] + text[len(text) - (room - head) :]


def _turn(message: Message) -> Turn:
    role = ROLES[message.type]
    content = _DATA_URL.sub(IMAGE_MARK, text_of(message, mark_images=role == "user"))
    if role == "assistant":
        content = without_thinking(content)
    return Turn(role=role, content=content.strip())
