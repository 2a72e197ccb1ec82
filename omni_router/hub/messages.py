"""A conversation as a specialist gets it."""

from collections.abc import Iterable
from typing import Any

from langchain_core.messages import AnyMessage

from omni_router.errors import SpecialistError
from omni_router.routers.conversation import PICTURE, is_explanation, is_picture

_NOT_FOR_SERVERS = ("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "reasoning", "thinking")


def for_specialist(messages: Iterable[AnyMessage], *, pictures: bool) -> list[AnyMessage]:
    """Drop our explanations, and give pictures the shape chat servers read, or a mark to a model without eyes."""
    return [_read_by_servers(message, pictures=pictures) for message in messages if not is_explanation(message)]


def picture_url(block: Any) -> str | None:
    """Find the URL or data URL of a picture block: LangChain's standard ones, or OpenAI's `image_url`."""
    if not isinstance(block, dict):
        return None
    if block.get("type") == "image_url":
        url = block.get("image_url")
        return url.get("url") if isinstance(url, dict) else url
    if block.get("type") != "image":
        return None
    data = block.get("base64") or block.get("data")
    return f"data:{block.get('mime_type', 'image/png')};base64,{data}" if data else block.get("url")


def newest_picture(messages: Iterable[AnyMessage]) -> str:
    """Find the newest picture of a thread, as a URL or data URL.

    Raises:
        SpecialistError: there is none.
    """
    for message in reversed(list(messages)):
        for block in reversed(message.content if isinstance(message.content, list) else []):
            if url := picture_url(block):
                return url
    raise SpecialistError("bad_image", model=None, cause="no picture", detail="there is none in this conversation")


def _read_by_servers(message: AnyMessage, *, pictures: bool) -> AnyMessage:
    if not isinstance(message.content, list):
        return message
    blocks = [_block(block, pictures=pictures) for block in message.content if not _said_elsewhere(block)]
    return message.model_copy(update={"content": blocks or ""})


def _said_elsewhere(block: Any) -> bool:
    """Tell whether a block repeats a tool call, which stands beside the content, or is a model's private thinking."""
    return isinstance(block, dict) and block.get("type") in _NOT_FOR_SERVERS


def _block(block: Any, *, pictures: bool) -> Any:
    if not is_picture(block):
        return block
    if not pictures:
        return {"type": "text", "text": PICTURE}
    return {"type": "image_url", "image_url": {"url": picture_url(block)}}
