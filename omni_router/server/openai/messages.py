"""Read a client's messages as those of the graph."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call

from omni_router.errors import InvalidRequest
from omni_router.messages import REASONING, attachment_mark, newest_user_text, user_message
from omni_router.server.bodies import check_values
from omni_router.server.openai.errors import ApiError, wrong
from omni_router.server.openai.memory import DecisionMemory, request_digest

# Files that were generated here come back in the text of an answer: megabytes that mean nothing to a model.
# No bracket is allowed within the brackets: from each of many "![" the search would go on to the end of the text.
_OUR_FILE = re.compile(r"!?\[[^\[\]]*\]\(data:(\w{1,20})/[\w.+-]{1,100};base64,[\w+/=-]*\)")


def _place(index: int) -> str:
    return f"messages[{index}]"


def read_messages(
    raw_messages: Sequence[Any], memory: DecisionMemory, place: Callable[[int], str] = _place
) -> list[AnyMessage]:
    """Read the messages of a request; our own answers among them get back the decision behind them.

    `place` says where in the request a message stands, for errors.

    Raises:
        ApiError: a message does not have OpenAI's form, or is of a kind that is not served here.
        BadImage: an image is not readable.
    """
    messages = list[AnyMessage]()
    request = request_digest("")
    for index, raw in enumerate(raw_messages):
        newest = _message(raw, place(index))
        messages.append(newest)
        if isinstance(newest, HumanMessage):
            request = request_digest(newest_user_text([newest]))  # computed once, however many answers follow it
        elif isinstance(newest, AIMessage):
            newest.response_metadata.update(memory.recall(newest, request))
            # After the recall, which knows the original text.
            newest.content = _OUR_FILE.sub(_mark, str(newest.text))
    return _with_a_request(messages)


def _mark(link: re.Match[str]) -> str:
    return attachment_mark(link[1])


def _with_a_request(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Return the messages; if all are system messages, as some clients send, the last becomes the request."""
    if messages and all(isinstance(message, SystemMessage) for message in messages):
        return [*messages[:-1], HumanMessage(messages[-1].content)]
    return messages


def _message(raw: Any, where: str) -> AnyMessage:
    if not isinstance(raw, dict):
        raise wrong(where, raw, "a message is an object with role and content")
    role = raw.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise wrong(f"{where}.role", role, f"allowed are {', '.join(_ROLES)}")
    return _ROLES[role](raw, where)


def _system(raw: dict[str, Any], where: str) -> SystemMessage:
    return SystemMessage(_text(raw.get("content"), where))


def _user(raw: dict[str, Any], where: str) -> HumanMessage:
    content = raw.get("content")
    if not isinstance(content, list):
        return HumanMessage(_text(content, where))
    return HumanMessage([_part(part, f"{where}.content[{index}]") for index, part in enumerate(content)])


def _assistant(raw: dict[str, Any], where: str) -> AIMessage:
    text = ""
    if raw.get("content") is not None:
        text = _text(raw["content"], where)
    raw_calls = raw.get("tool_calls") or []
    if not isinstance(raw_calls, list):
        raise wrong(f"{where}.tool_calls", raw_calls, "it is a list of tool calls")
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for index, call in enumerate(raw_calls):
        id_, name, arguments = _call(call, f"{where}.tool_calls[{index}]")
        if (parsed := _object(arguments)) is not None:
            calls.append(tool_call(name=name, args=parsed, id=id_))
        else:
            invalid.append(invalid_tool_call(name=name, args=arguments, id=id_))
    return AIMessage(text, tool_calls=calls, invalid_tool_calls=invalid, additional_kwargs=_reasoning(raw))


def _reasoning(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the reasoning of an answer, which clients send back in either of two fields; other forms are left out."""
    for field in ("reasoning_content", "reasoning"):
        if isinstance(reasoning := raw.get(field), str) and reasoning:
            return {REASONING: reasoning}
    return {}


def _call(raw: Any, where: str) -> tuple[str, str, str]:
    match raw:
        case {"id": str(id_), "function": {"name": str(name), "arguments": str(arguments)}}:
            return id_, name, arguments
    raise wrong(where, raw, "a tool call has an id, and a function with name and arguments, all of them strings")


def _object(arguments: str) -> dict[str, Any] | None:
    """Parse what a model wrote as the arguments of a call; None when it is not a JSON object, or a huge one."""
    try:
        check_values(arguments.encode(errors="surrogatepass"))
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):  # TooLarge is a ValueError
        return None
    return value if isinstance(value, dict) else None


def _tool(raw: dict[str, Any], where: str) -> ToolMessage:
    call = raw.get("tool_call_id")
    if not isinstance(call, str):
        raise wrong(f"{where}.tool_call_id", call, "it is the id of the tool call that this result belongs to")
    return ToolMessage(_text(raw.get("content"), where), tool_call_id=call)


_ROLES: dict[str, Callable[[dict[str, Any], str], AnyMessage]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text_part(part, f"{where}.content[{index}]") for index, part in enumerate(content))
    raise wrong(f"{where}.content", content, "it is a string, or a list of parts")


def _text_part(part: Any, where: str) -> str:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return text
    raise wrong(where, part, "in this message only parts of type text are allowed")


def _part(part: Any, where: str) -> dict[str, Any]:
    match part:
        case {"type": "text"}:
            return {"type": "text", "text": _text_part(part, where)}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _image(url, f"{where}.image_url.url")
        case {"type": "image_url"}:
            raise wrong(
                f"{where}.image_url",
                part.get("image_url"),
                'it is {"url": "https://..." or "data:image/...;base64,..."}',
            )
        case {"type": kind}:
            raise wrong(f"{where}.type", kind, "allowed are text and image_url")
    raise wrong(f"{where}.type", None, "allowed are text and image_url")


def _image(url: str, where: str) -> dict[str, Any]:
    try:
        user_message("", image=url, local_files=False)
    except InvalidRequest as error:
        raise ApiError(f"{where}: {error}", param=where, code="bad_image") from error
    return {"type": "image_url", "image_url": {"url": url}}
