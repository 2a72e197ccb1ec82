"""What a chat asks for beside words: calls of tools, or JSON. The calls and the JSON are simulated, too."""

import json
import re
from collections.abc import Mapping
from typing import Any

from omni_router._sandbox.calls import Call, text_of
from omni_router._sandbox.faults import without_directives
from omni_router._sandbox.forms import Form

MARK = "[sandbox] Simulated"
_SHORTEST = 4  # letters of a word in a tool's name that the prompt may be about
_SAY_NOTHING = {"tool", "function", "with", "from", "this", "that", "call", "make"}


def tool_call(call: Call) -> dict[str, Any] | None:
    """Give the call of a tool that the chat forces, or whose name or description shares a word with the prompt.

    After a tool's result only a forced one is called, and then one that was not called yet, so that an agent's loop
    comes to its end.
    """
    tools = [tool["function"] for tool in _dicts(call.body.get("tools")) if isinstance(tool.get("function"), dict)]
    choice = call.body.get("tool_choice")
    if not tools or choice == "none":
        return None
    made = [each for message in _dicts(call.body["messages"]) for each in _dicts(message.get("tool_calls"))]
    forced = choice not in (None, "auto")
    if isinstance(choice, dict):
        tools = [tool for tool in tools if tool["name"] == choice.get("function", {}).get("name")] or tools
    elif results(call):
        called = {each.get("function", {}).get("name") for each in made}
        tools = [tool for tool in tools if tool["name"] not in called] or tools
    prompt = without_directives(call.prompt)
    fitting = max(tools, key=lambda tool: _fit(tool, prompt))
    if not forced and (results(call) or _fit(fitting, prompt) == (0, 0)):
        return None
    arguments = Form(fitting.get("parameters") or {"type": "object"}, prompt).filled(only_required=True)
    return {
        "id": f"call_simulated_{len(made) + 1}",
        "type": "function",
        "function": {"name": fitting["name"], "arguments": json.dumps(arguments, ensure_ascii=False)},
    }


def results(call: Call) -> list[str]:
    """Give what the tools answered that the chat ends with."""
    found: list[str] = []
    for message in reversed(_dicts(call.body["messages"])):
        if message.get("role") != "tool":
            break
        found.insert(0, text_of(message.get("content")))
    return found


def json_text(call: Call) -> str | None:
    """Give JSON in the form that the chat asks for; None when it asks for none."""
    form = call.body.get("response_format")
    if not isinstance(form, Mapping) or form.get("type") in (None, "text"):
        return None
    prompt = without_directives(call.prompt)
    told = form.get("json_schema")
    schema = (told.get("schema") if isinstance(told, Mapping) else None) or form.get("schema") or form.get("value")
    if not isinstance(schema, Mapping):  # any JSON will do: with the keys that the prompt quotes
        keys = re.findall(r"['\"](\w+)['\"]", prompt) or ["answer"]
        return json.dumps({key: f"{MARK} {key}." for key in keys})
    return json.dumps(Form(schema, prompt, f"{MARK} {call.model}:").filled(only_required=False), ensure_ascii=False)


def _fit(tool: Mapping[str, Any], prompt: str) -> tuple[int, int]:
    """Return how well a tool fits a prompt, by its name and then by its description."""
    name = str(tool["name"])
    named = len(name) if name.casefold() in prompt.casefold() else 0
    return named + _shared(name, prompt), _shared(str(tool.get("description") or ""), prompt)


def _shared(text: str, prompt: str) -> int:
    """Count the letters of the telling words that a text shares with a prompt."""
    return sum(map(len, _telling_words(text) & _telling_words(prompt)))


def _telling_words(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).casefold())
    return {word for word in words if len(word) >= _SHORTEST and word not in _SAY_NOTHING}


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
