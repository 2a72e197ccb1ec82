"""Messages of Anthropic's form as those of chat completions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omni_router.errors import BadImage
from omni_router.messages import IMAGE_MARK, user_message
from omni_router.server.openai.errors import ApiError, shown, wrong

_ROLES = ("user", "assistant", "system")
_USER_BLOCKS = "text, image and tool_result"
_RESULT_BLOCKS = "text and image"
_ASSISTANT_BLOCKS = "text, tool_use, thinking and redacted_thinking"
_REMINDER = "<system-reminder>"  # how Claude Code begins what it adds to a conversation by itself
_BILLING = "x-anthropic-billing-header:"  # a system block of Claude Code that is not meant for a model
_NO_DOCUMENTS = "documents are not served; send their text as a block of type text"


def chat_messages(system: str | list[Any] | None, messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Return messages as those of chat completions; each tool result becomes a message of its own.

    Instructions among the messages join those before them: the templates of many models take a system message only at
    the beginning.

    Raises:
        ApiError: a message does not have Anthropic's form, or holds a block that is not served here.
    """
    instructions = _instructions(system, "system") if system else []
    chat: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        role, where = _role(message, f"messages.{index}"), f"messages.{index}.content"
        if role == "system":
            instructions += _instructions(message.get("content"), where)
        else:
            chat += _chat_messages(role, message.get("content"), where)
    if instructions:
        chat.insert(0, {"role": "system", "content": "\n\n".join(instructions)})
    return chat


def _instructions(content: Any, where: str) -> list[str]:
    if isinstance(content, str):
        return [content]
    texts = [_text(block, f"{where}.{index}") for index, block in enumerate(_blocks(content, where))]
    return [text for text in texts if not text.startswith(_BILLING)]


def _role(message: Any, where: str) -> str:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise wrong(f"{where}.role", role, f"allowed are {', '.join(_ROLES)}")
    return role


def _chat_messages(role: str, content: Any, where: str) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"role": role, "content": content}
    elif role == "assistant":
        yield _assistant(content, where)
    else:
        yield from _user(content, where)


def _user(content: Any, where: str) -> Iterator[dict[str, Any]]:
    """Yield the tool results first: they belong to the answer before, whatever else the message holds.

    A chat has only text in a result, so that its images begin the rest, and a model that sees is chosen.
    """
    results: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for index, block in enumerate(_blocks(content, where)):
        path = f"{where}.{index}"
        if _kind(block, path) == "tool_result":
            results.append(_tool_result(block, path, images))
        else:
            parts.append(_part(block, path, _USER_BLOCKS))
    if results and not images and all(map(_is_reminder, parts)):
        # Claude Code's notes on a result are no new request, which the router would choose a model for.
        results[-1]["content"] = "\n".join([results[-1]["content"], *map(_text_of_part, parts)])
        parts = []
    yield from results
    if images or parts:
        yield {"role": "user", "content": [*images, *parts]}


def _is_reminder(part: Mapping[str, Any]) -> bool:
    return _text_of_part(part).lstrip().startswith(_REMINDER)


def _text_of_part(part: Mapping[str, Any]) -> str:
    return str(part.get("text", IMAGE_MARK))


def _tool_result(block: Mapping[str, Any], where: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a result as a message, and add its images to those of the other results."""
    call = block.get("tool_use_id")
    if not isinstance(call, str):
        raise wrong(f"{where}.tool_use_id", call, "it is the id of the tool_use block that this result belongs to")
    content, where = block.get("content") or [], f"{where}.content"
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    texts: list[str] = []
    for index, inner in enumerate(_blocks(content, where)):
        part = _part(inner, f"{where}.{index}", _RESULT_BLOCKS)
        texts.append(_text_of_part(part))
        if part["type"] == "image_url":
            images.append(part)
    text = "\n".join(texts)
    if block.get("is_error"):  # chat completions have no field for it
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": call, "content": text}


def _assistant(content: Any, where: str) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(_blocks(content, where)):
        path = f"{where}.{index}"
        kind = _kind(block, path)
        if kind == "text":
            texts.append(_text(block, path))
        elif kind == "thinking":
            thoughts.append(str(block.get("thinking") or ""))
        elif kind == "tool_use":
            calls.append(_tool_use(block, path))
        elif kind != "redacted_thinking":  # which nobody but Anthropic can read
            raise wrong(f"{path}.type", kind, f"allowed in an answer are {_ASSISTANT_BLOCKS}")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message


def _tool_use(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    match block:
        case {"id": str(id_), "name": str(name), "input": dict(arguments)}:
            function = {"name": name, "arguments": json.dumps(arguments)}
            return {"id": id_, "type": "function", "function": function}
    raise wrong(where, dict(block), "a tool_use block has id and name, both strings, and input, an object")


def _part(block: Mapping[str, Any], where: str, allowed: str) -> dict[str, Any]:
    kind = _kind(block, where)
    if kind == "text":
        return {"type": "text", "text": _text(block, where)}
    if kind == "image":
        return _image(block.get("source"), f"{where}.source")
    if kind == "document":
        raise wrong(f"{where}.type", kind, _NO_DOCUMENTS)
    raise wrong(f"{where}.type", kind, f"allowed are {allowed}")


def _image(source: Any, where: str) -> dict[str, Any]:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            url = f"data:{media_type};base64,{data}"
        case {"type": "url", "url": str(address)}:
            url = address
        case {"type": "file"}:
            raise wrong(f"{where}.type", "file", "files are not stored here; send the image as base64 or url")
        case _:
            raise wrong(where, source, "it is of type base64, with media_type and data, or of type url, with url")
    try:
        user_message("", image=url, local_files=False)
    except BadImage as error:
        raise ApiError(f"{where}: {error}", param=where, code="bad_image") from error
    return {"type": "image_url", "image_url": {"url": url}}


def _blocks(content: Any, where: str) -> list[Any]:
    if not isinstance(content, list):
        raise wrong(where, content, "it is a string, or a list of content blocks")
    return content


def _kind(block: Any, where: str) -> str:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(kind, str):
        raise ApiError(f"{where} is {shown(block)}: a content block is an object with a type", param=where)
    return kind


def _text(block: Any, where: str) -> str:
    if _kind(block, where) != "text":
        raise wrong(f"{where}.type", block["type"], "only blocks of type text are allowed here")
    text = block.get("text")
    if not isinstance(text, str):
        raise wrong(f"{where}.text", text, "it is a string")
    return text
