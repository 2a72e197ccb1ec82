"""The items of a conversation as the messages of a chat."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omni_router.images import encode_base64
from omni_router.messages import IMAGE_MARK, REASONING
from omni_router.server.openai.errors import ApiError, wrong
from omni_router.server.responses.tools import Tools

_PACKED = "omni-router:"  # how the `encrypted_content` of this server begins
_NOT_STORED = "responses are not stored here; send the items themselves (many clients do so with store=False)"
_CALL = "a call has call_id, name, and arguments or input, all of them strings"


class Conversation:
    """Collects the messages of a chat, and where in the request each stands.

    An answer is one message of a chat, and several items here: its reasoning, its text and its calls.
    """

    def __init__(self, instructions: str | None, items: str | Sequence[Any], tools: Tools) -> None:
        self.messages: list[dict[str, Any]] = []
        self.places: list[str] = []
        self._tools = tools
        self._open: dict[str, Any] | None = None  # the answer that further items may belong to
        self._images: list[dict[str, Any]] = []  # of results, until all results of an answer have come
        if instructions is not None:
            self._add({"role": "system", "content": instructions}, "instructions")
        if isinstance(items, str):
            self._add({"role": "user", "content": items}, "input")
            return
        for index, item in enumerate(items):
            self._read(item, f"input[{index}]")
        self._show_images(f"input[{len(items) - 1}]")

    def _read(self, item: Any, where: str) -> None:
        if not isinstance(item, dict):
            raise wrong(where, item, "an item is an object with type, or with role and content")
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        if kind == "item_reference" and str(item.get("id")).startswith("rs_"):
            return  # the reasoning behind a call: some clients never send it themselves, and the call is here
        if kind == "item_reference":
            raise ApiError(f"{where} is a reference to an item: {_NOT_STORED}.", param=where, code="unsupported_value")
        if not isinstance(kind, str) or kind not in _ITEMS:
            raise wrong(f"{where}.type", kind, f"allowed are {', '.join(_ITEMS)}")
        _ITEMS[kind](self, item, where)

    def message(self, item: Mapping[str, Any], where: str) -> None:
        """Add a message of any role."""
        role = item.get("role")
        if role not in ("user", "assistant", "system", "developer"):
            raise wrong(f"{where}.role", role, "allowed are user, assistant, system and developer")
        content = _content(item.get("content"), where, images=role == "user")
        if role != "assistant":
            self._add({"role": role, "content": content}, where)
            return
        answer = self._answer(where)
        answer["content"] = (answer["content"] or "") + content

    def reasoning(self, item: Mapping[str, Any], where: str) -> None:
        """Add the reasoning of an answer: as it was, else its summary; what another server encrypted stays out."""
        content = _texts(item.get("content"), f"{where}.content")
        summary = _texts(item.get("summary"), f"{where}.summary")
        parts = content or _unpacked(item.get("encrypted_content")) or summary
        if parts:
            answer = self._answer(where)
            answer[REASONING] = answer.get(REASONING, "") + "\n".join(parts)

    def call(self, item: Mapping[str, Any], where: str) -> None:
        """Add a tool call to an answer."""
        match item:
            case {"type": "function_call", "call_id": str(id_), "name": str(name), "arguments": str(arguments)}:
                pass
            case {"type": "custom_tool_call", "call_id": str(id_), "name": str(name), "input": str(text)}:
                arguments = json.dumps({"input": text})
            case _:
                raise wrong(where, item, _CALL)
        function = {"name": self._tools.chat_name(name, item.get("namespace")), "arguments": arguments}
        self._answer(where)["tool_calls"].append({"id": id_, "type": "function", "function": function})

    def result(self, item: Mapping[str, Any], where: str) -> None:
        """Add the result of a tool call; a chat has only text there, so that an image follows as a message."""
        call_id = item.get("call_id")
        if not isinstance(call_id, str):
            raise wrong(f"{where}.call_id", call_id, "it is the id of the call that this result belongs to")
        output = item.get("output")
        if not isinstance(output, str):
            output, images = _output(output, f"{where}.output")
            self._images += images
        self._add({"role": "tool", "tool_call_id": call_id, "content": output}, where)

    def _answer(self, where: str) -> dict[str, Any]:
        if self._open is None:
            answer: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
            self._add(answer, where)
            self._open = answer
        return self._open

    def _show_images(self, where: str) -> None:
        if self._images:
            images, self._images = self._images, []
            self._add({"role": "user", "content": images}, where)

    def _add(self, message: dict[str, Any], where: str) -> None:
        self._open = None
        if message["role"] != "tool":
            self._show_images(where)
        self.messages.append(message)
        self.places.append(where)


_ITEMS: dict[str, Callable[[Conversation, Mapping[str, Any], str], None]] = {
    "message": Conversation.message,
    "reasoning": Conversation.reasoning,
    "function_call": Conversation.call,
    "function_call_output": Conversation.result,
    "custom_tool_call": Conversation.call,
    "custom_tool_call_output": Conversation.result,
}


def _content(content: Any, where: str, *, images: bool) -> Any:
    """Return the content of a message: parts where images are allowed, else a text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong(f"{where}.content", content, "it is a string, or a list of parts")
    parts = [_part(part, f"{where}.content[{index}]", images=images) for index, part in enumerate(content)]
    if images:
        return parts
    return "".join(part["text"] for part in parts)


def _part(part: Any, where: str, *, images: bool) -> dict[str, Any]:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)} if images:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "input_image"} if images:
            raise wrong(where, part, "an image has image_url, an http(s) address or a data URL; files are not stored")
        case {"type": kind}:
            allowed = "input_text and input_image" if images else "input_text and output_text"
            raise wrong(f"{where}.type", kind, f"allowed are {allowed}")
    raise wrong(where, part, "a part is an object with type")


def packed(reasoning: str) -> str:
    """Return a reasoning as `encrypted_content`, which some clients send back and nothing else.

    It is encoded, not encrypted: its client may read it anyway.
    """
    return _PACKED + encode_base64(reasoning.encode(errors="surrogatepass"))


def _unpacked(content: Any) -> list[str]:
    if not isinstance(content, str) or not content.startswith(_PACKED):
        return []
    try:
        return [base64.b64decode(content.removeprefix(_PACKED), validate=True).decode()]
    except ValueError:
        return []


def _texts(parts: Any, where: str) -> list[str]:
    """Return the texts of parts; parts of other forms are left out."""
    if not isinstance(parts, list | None):
        raise wrong(where, parts, "it is a list of parts")
    dicts = [part for part in parts or [] if isinstance(part, dict)]
    return [part["text"] for part in dicts if isinstance(part.get("text"), str)]


def _output(output: Any, where: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the text of a result, with a mark for each image, and the images."""
    if not isinstance(output, list):
        raise wrong(where, output, "it is a string, or a list of parts")
    lines, images = [], []
    for index, raw in enumerate(output):
        part = _part(raw, f"{where}[{index}]", images=True)
        if part["type"] == "image_url":
            images.append(part)
        lines.append(part.get("text", IMAGE_MARK))
    return "\n".join(lines), images
