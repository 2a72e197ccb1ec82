"""The capabilities of a chat model, as LangChain's middleware reads them, and the token counts of messages.

`ChatOmni(profile=...)` replaces the profile. Tokens are estimated without a tokenizer, since it is not known beforehand
which model will answer.
"""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.language_models import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

# Any model of the catalog may answer, so a conversation has to fit the smallest of them: none of the chat models with a
# price on the list of Inference Providers in July 2026 takes less. Most take four times as much.
MAX_INPUT_TOKENS = 32_000

DEFAULT_PROFILE = ModelProfile(
    max_input_tokens=MAX_INPUT_TOKENS,
    text_inputs=True,
    image_inputs=True,
    image_url_inputs=True,
    image_tool_message=True,
    pdf_inputs=False,
    audio_inputs=False,
    video_inputs=False,
    text_outputs=True,
    # An image is saved to a file, which is named in the answer's `response_metadata`; the answer's content is text.
    image_outputs=False,
    audio_outputs=False,
    video_outputs=False,
    tool_calling=True,
    tool_choice=True,
    tool_call_streaming=True,
    # `with_structured_output(method="json_schema")` works, but an agent would send a schema together with its tools,
    # and not every provider takes both in one request. With False, an agent uses a tool instead.
    structured_output=False,
    temperature=True,
)

# Four characters of English to a token is the usual rule of thumb. Bytes of UTF-8 carry it over to other scripts:
# two Cyrillic or Arabic letters are a token, and four Chinese, Japanese or Korean characters are three.
BYTES_PER_TOKEN = 4
FRAME_TOKENS = 4  # a message's role and delimiters
IMAGE_TOKENS = 256  # roughly what vision models count for an image of ordinary size
IMAGE_BLOCKS = ("image", "image_url", "input_image")


def estimate_tokens(text: str) -> int:
    """Return roughly how many tokens a text has."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def estimate_message_tokens(
    messages: Iterable[BaseMessage], tools: Iterable[Any] | None = None, *, count: Callable[[str], int]
) -> int:
    """Return roughly how many tokens messages have, with their images and tool calls, and the schemas of tools."""
    tokens = sum(_message_tokens(message, count) for message in messages)
    for tool in tools or ():
        tokens += count(_json(convert_to_openai_tool(tool)))
    return tokens


def _message_tokens(message: BaseMessage, count: Callable[[str], int]) -> int:
    tokens = FRAME_TOKENS + count(str(message.text))
    if isinstance(message.content, list):
        tokens += IMAGE_TOKENS * sum(map(_is_image, message.content))
    if isinstance(message, AIMessage):
        for call in message.tool_calls:
            tokens += count(_json({"name": call["name"], "arguments": call["args"]}))
    if isinstance(message, ToolMessage):
        tokens += count(message.tool_call_id)
    return tokens


def _is_image(block: str | dict[str, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in IMAGE_BLOCKS


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
