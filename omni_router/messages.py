"""Everything about a message: its author, its text, its image, and how a specialist reads it.

LangChain is imported only where a message is built, so that a router can be measured without it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from omni_router.errors import BadImage, InvalidRequest, SpecialistError
from omni_router.images import file_to_data_url, load_image

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage, HumanMessage


def attachment_mark(kind: str) -> str:
    """Return the mark that stands for a file where only text can be read; `kind` is the first half of its mime type."""
    return f"[{kind.capitalize()} attached]"


IMAGE_MARK = attachment_mark("image")
EXPLANATION = "explanation"  # marks a message of this package that explains why there is no answer

# System and tool messages have no role here. A streamed message keeps the name of its chunk class as type.
ROLES: dict[str, Literal["user", "assistant"]] = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
}
_IMAGE_BLOCKS = ("image_url", "image")
# Blocks that repeat a tool call, which the message also holds beside its content, or that are a model's own thinking.
_NOT_FOR_SERVERS = ("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "reasoning", "thinking")
REASONING = "reasoning_content"  # LangChain's key in `additional_kwargs`, from which `content_blocks` takes it


class Message(Protocol):
    """The part of a LangChain message that is read here."""

    @property
    def type(self) -> str:
        """The kind: human, ai, system, tool, ..."""
        ...

    @property
    def content(self) -> Any:
        """Text, or a list of text and content blocks."""
        ...


MessageT = TypeVar("MessageT", bound=Message)


def user_message(text: str, image: str | Path | None = None, *, local_files: bool = True) -> "HumanMessage":
    """Build a user's message, with the image at an http(s) address, in a data URL, or in a local file.

    An address or a data URL stays as it is; a file is read into a data URL. Pass `local_files=False` for input that
    came over a network: its sender may not read the files of this machine.

    Raises:
        InvalidRequest: there is neither text nor image, or the text is not valid.
        BadImage: the image cannot be read, is not an image, or is a file where none may be read.
    """
    from langchain_core.messages import HumanMessage

    content: Any = user_content(text, image, local_files=local_files)
    return HumanMessage(content)


def user_content(text: str, image: str | Path | None = None, *, local_files: bool = True) -> str | list[dict[str, Any]]:
    """Return the content of a user's message, in OpenAI's form; see `user_message`.

    Raises:
        InvalidRequest: there is neither text nor image, or the text is not valid.
        BadImage: the image cannot be read, is not an image, or is a file where none may be read.
    """
    if not text.strip() and image is None:
        raise InvalidRequest("the prompt is empty; say what you want answered")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("the prompt is not valid text: it holds bytes that are not valid UTF-8") from error
    if image is None:
        return text
    url = _checked_url(str(image), local_files=local_files)
    blocks: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}}]
    if text.strip():
        blocks.insert(0, {"type": "text", "text": text})
    return blocks


def _checked_url(image: str, *, local_files: bool) -> str:
    scheme = image.partition(":")[0].lower()
    if scheme == "data":
        load_image(image)  # this only checks it, as a file is checked
        return image
    if scheme in ("http", "https") and urlsplit(image).hostname and not any(map(str.isspace, image)):
        return image
    if not local_files:
        raise BadImage(f"{image[:100]!r} is not the address of an image: use an http(s) address or a data URL")
    if "://" in image:
        raise BadImage(f"{image} is not the address of an image: use http://, https:// or a local file")
    return file_to_data_url(Path(image))


def newest_user_message(messages: Sequence[MessageT]) -> MessageT | None:
    """Return the message that holds the request, or None when no user has spoken."""
    for message in reversed(messages):
        if ROLES.get(message.type) == "user":
            return message
    return None


def since_request(messages: Sequence[MessageT]) -> list[MessageT]:
    """Return the messages behind the newest user message: answers, tool calls and their results."""
    newest, behind = newest_user_message(messages), list[MessageT]()
    for message in reversed(messages):
        if message is newest:
            break
        behind.append(message)
    return behind[::-1]


def newest_user_text(messages: Sequence[Message]) -> str:
    """Return the text of the newest request, without marks for its images."""
    newest = newest_user_message(messages)
    if newest is None:
        return ""
    return text_of(newest).strip()


def newest_image(messages: Iterable[Message]) -> str:
    """Return the newest image of a thread, as a URL or data URL.

    Raises:
        SpecialistError: there is none.
    """
    for message in reversed(list(messages)):
        for block in reversed(_blocks(message)):
            if url := image_url(block):
                return url
    raise SpecialistError("bad_image", model=None, cause="no image", detail="there is none in this conversation")


def text_of(message: Message, *, mark_images: bool = False) -> str:
    """Return the text blocks of a message, one a line; `mark_images` puts `IMAGE_MARK` where an image is attached."""
    return "\n".join(_lines(message, mark_images=mark_images))


def has_image(message: Message) -> bool:
    """Return whether an image is attached to the message."""
    return any(map(is_image, _blocks(message)))


def is_image(block: object) -> bool:
    """Return whether a content block holds an image."""
    return isinstance(block, Mapping) and block.get("type") in _IMAGE_BLOCKS


def image_url(block: Any) -> str | None:
    """Return the URL or data URL of an image block: a standard one of LangChain, or OpenAI's `image_url`."""
    if not is_image(block):
        return None
    if block["type"] == "image_url":
        return _openai_url(block.get("image_url"))
    if data := block.get("base64") or block.get("data"):
        return f"data:{block.get('mime_type', 'image/png')};base64,{data}"
    address: str | None = block.get("url")
    return address


def _openai_url(value: Any) -> str | None:
    """Return the URL of OpenAI's block, which holds it in an object, or as older clients send it, as a string."""
    url: str | None = value
    if isinstance(value, dict):
        url = value.get("url")
    return url


def reasoning_of(message: Message) -> str:
    """Return the reasoning behind an answer, which its text does not include; an empty string without any."""
    text = (getattr(message, "additional_kwargs", None) or {}).get(REASONING)
    if text and isinstance(text, str):
        return text
    blocks = [block for block in _blocks(message) if isinstance(block, Mapping) and block.get("type") == "reasoning"]
    return "".join(str(block.get("reasoning") or "") for block in blocks)


def is_explanation(message: Message) -> bool:
    """Return whether a message only explains why there was no answer: it would mislead the next choice."""
    return (getattr(message, "response_metadata", None) or {}).get("omni_router") == EXPLANATION


def for_specialist(messages: "Iterable[AnyMessage]", *, images: bool) -> "list[AnyMessage]":
    """Return a conversation as chat servers read it, without explanations; `images=False` replaces each by a mark."""
    shape = partial(_for_server, images=images)
    return [shape(message) for message in messages if not is_explanation(message)]


def with_instructions(messages: "list[AnyMessage]", instructions: str | None) -> "list[AnyMessage]":
    """Return a conversation that begins with instructions as a system message, unless it has one of its own."""
    if instructions is None or any(message.type == "system" for message in messages):
        return messages
    from langchain_core.messages import SystemMessage

    return [SystemMessage(instructions), *messages]


def _for_server(message: "AnyMessage", *, images: bool) -> "AnyMessage":
    if not isinstance(message.content, list):
        return message
    blocks = [_block_for_server(block, images=images) for block in message.content if not _is_left_out(block)]
    changes: dict[str, Any] = {"content": blocks or ""}
    if reasoning := reasoning_of(message):
        changes["additional_kwargs"] = {**message.additional_kwargs, REASONING: reasoning}
    return message.model_copy(update=changes)


def _is_left_out(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _NOT_FOR_SERVERS


def _block_for_server(block: Any, *, images: bool) -> Any:
    if not is_image(block):
        return block
    if not images:
        return {"type": "text", "text": IMAGE_MARK}
    return {"type": "image_url", "image_url": {"url": image_url(block)}}


def _lines(message: Message, *, mark_images: bool) -> Iterator[str]:
    for block in _blocks(message):
        if isinstance(block, str):
            yield block
        elif is_image(block):
            if mark_images:
                yield IMAGE_MARK
        elif isinstance(block, Mapping) and block.get("type") == "text":
            yield str(block.get("text") or "")


def _blocks(message: Message) -> Sequence[Any]:
    if isinstance(message.content, str):
        return [message.content]
    return message.content or []
