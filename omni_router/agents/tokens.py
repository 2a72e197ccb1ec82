"""How long messages are in tokens, estimated without a tokenizer: which model answers is not known beforehand."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

# Four characters of English to a token is the usual rule of thumb. Bytes of UTF-8 carry it over to other scripts:
# two Cyrillic or Arabic letters are a token, and four Chinese, Japanese or Korean characters are three.
BYTES_PER_TOKEN = 4
FRAME_TOKENS = 4  # a message's role and delimiters
IMAGE_TOKENS = 256  # about what vision models count for an image of ordinary size
IMAGE_BLOCKS = ("image", "image_url", "input_image")


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def estimate_message_tokens(
    messages: Iterable[BaseMessage], tools: Iterable[Any] | None = None, *, count: Callable[[str], int]
) -> int:
    """Return about how many tokens messages have, with their images and tool calls, and the schemas of tools."""
    schemas = [convert_to_openai_tool(tool) for tool in tools or ()]
    return sum(_message_tokens(message, count) for message in messages) + sum(map(count, map(_json, schemas)))


def _message_tokens(message: BaseMessage, count: Callable[[str], int]) -> int:
    tokens = FRAME_TOKENS + count(str(message.text))
    if isinstance(message.content, list):
        tokens += IMAGE_TOKENS * sum(map(_is_image, message.content))
    if isinstance(message, AIMessage):
        tokens += sum(count(_json({"name": call["name"], "arguments": call["args"]})) for call in message.tool_calls)
    if isinstance(message, ToolMessage):
        tokens += count(message.tool_call_id)
    return tokens


def _is_image(block: str | dict[str, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in IMAGE_BLOCKS


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
