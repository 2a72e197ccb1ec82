"""A client's messages as the graph's, and what of them is refused."""

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
from omni_router.messages import attachment_mark, newest_user_text, user_message
from omni_router.server.json_shape import check_values
from omni_router.server.openai.errors import ApiError, shown
from omni_router.server.openai.memory import DecisionMemory, request_digest

# Files that were made here come back in the text of an answer: megabytes that say nothing to a model.
# No bracket within the brackets: from each of many "![" the search would go on to the end of the text.
_OUR_FILE = re.compile(r"!?\[[^\[\]]*\]\(data:(\w{1,20})/[\w.+-]{1,100};base64,[\w+/=-]*\)")


def read_messages(given: Sequence[Any], memory: DecisionMemory) -> list[AnyMessage]:
    """Read the messages of a request; answers of ours are given the decision they came from.

    Raises:
        ApiError: a message is not as OpenAI has them, or of a kind that is not served here.
        BadImage: an image is not readable.
    """
    read = list[AnyMessage]()
    request = request_digest("")
    for place, message in enumerate(given):
        read.append(_message(message, f"messages[{place}]"))
        newest = read[-1]
        if isinstance(newest, HumanMessage):
            request = request_digest(newest_user_text([newest]))  # once, however many answers follow it
        elif isinstance(newest, AIMessage):
            newest.response_metadata.update(memory.recall(newest, request))
            # After the recall, which knows the text as it was.
            newest.content = _OUR_FILE.sub(_mark, str(newest.text))
    return _with_a_request(read)


def _mark(link: re.Match[str]) -> str:
    return attachment_mark(link[1])


def _with_a_request(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Take the last of nothing but system messages for the request: clients of one prompt send it like that."""
    if messages and all(isinstance(message, SystemMessage) for message in messages):
        return [*messages[:-1], HumanMessage(messages[-1].content)]
    return messages


def _message(given: Any, where: str) -> AnyMessage:
    if not isinstance(given, dict):
        raise wrong(where, given, "a message is an object with role and content")
    role = given.get("role")
    reader = _ROLES.get(role) if isinstance(role, str) else None
    if reader is None:
        raise wrong(f"{where}.role", role, f"allowed are {', '.join(_ROLES)}")
    return reader(given, where)


def _system(given: dict[str, Any], where: str) -> SystemMessage:
    return SystemMessage(_text(given.get("content"), where))


def _user(given: dict[str, Any], where: str) -> HumanMessage:
    content = given.get("content")
    if not isinstance(content, list):
        return HumanMessage(_text(content, where))
    return HumanMessage([_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)])


def _assistant(given: dict[str, Any], where: str) -> AIMessage:
    text = "" if given.get("content") is None else _text(given["content"], where)
    made = given.get("tool_calls") or []
    if not isinstance(made, list):
        raise wrong(f"{where}.tool_calls", made, "it is a list of tool calls")
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for place, call in enumerate(made):
        id_, name, arguments = _call(call, f"{where}.tool_calls[{place}]")
        if (read := _object(arguments)) is not None:
            calls.append(tool_call(name=name, args=read, id=id_))
        else:
            invalid.append(invalid_tool_call(name=name, args=arguments, id=id_))
    return AIMessage(text, tool_calls=calls, invalid_tool_calls=invalid)


def _call(given: Any, where: str) -> tuple[str, str, str]:
    function = given.get("function") if isinstance(given, dict) else None
    if isinstance(function, dict):
        id_, name, arguments = given.get("id"), function.get("name"), function.get("arguments")
        if isinstance(id_, str) and isinstance(name, str) and isinstance(arguments, str):
            return id_, name, arguments
    raise wrong(where, given, "a tool call has an id, and a function with name and arguments, all of them texts")


def _object(arguments: str) -> dict[str, Any] | None:
    """Read what a model wrote as the arguments of a call; None when it is not a JSON object, or a huge one."""
    try:
        check_values(arguments.encode(errors="surrogatepass"))
        read = json.loads(arguments or "{}")
    except (ValueError, RecursionError):  # TooLarge is a ValueError
        return None
    return read if isinstance(read, dict) else None


def _tool(given: dict[str, Any], where: str) -> ToolMessage:
    call = given.get("tool_call_id")
    if not isinstance(call, str):
        raise wrong(f"{where}.tool_call_id", call, "it is the id of the tool call that this is the result of")
    return ToolMessage(_text(given.get("content"), where), tool_call_id=call)


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
        return "".join(_text_part(part, f"{where}.content[{place}]") for place, part in enumerate(content))
    raise wrong(f"{where}.content", content, "it is a text, or a list of parts")


def _text_part(part: Any, where: str) -> str:
    for kind in ("text", "refusal"):
        if isinstance(part, dict) and part.get("type") == kind and isinstance(part.get(kind), str):
            return str(part[kind])
    raise wrong(where, part, "in this message only parts of type text are allowed")


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"type": "text", "text": _text_part(part, where)}
    if kind != "image_url":
        raise wrong(f"{where}.type", kind, "allowed are text and image_url")
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        raise wrong(f"{where}.image_url", image, 'it is {"url": "https://..." or "data:image/...;base64,..."}')
    try:
        user_message("", image=url, local_files=False)
    except InvalidRequest as error:
        raise ApiError(f"{where}.image_url.url: {error}", param=f"{where}.image_url.url", code="bad_image") from error
    return {"type": "image_url", "image_url": {"url": url}}


def wrong(param: str, value: object, allowed: str) -> ApiError:
    """Name a value that cannot be used, and what can."""
    return ApiError(f"{param} is {shown(value)}: {allowed}", param=param, code="invalid_value")
