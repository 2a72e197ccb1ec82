"""What a chat may ask for beside text: tool calls, or JSON. Both are simulated, too."""

import json
import re
from collections.abc import Mapping
from typing import Any

from omni_router._sandbox.calls import Call, dicts, text_of
from omni_router._sandbox.faults import without_directives
from omni_router._sandbox.schema_filler import SchemaFiller

MARK = "[sandbox] Simulated"
_MIN_LETTERS = 4  # the shortest word in a tool's name that says what the tool is for
_EMPTY_WORDS = {"tool", "function", "with", "from", "this", "that", "call", "make"}


def tool_call(call: Call) -> dict[str, Any] | None:
    """Return a call of the tool that the chat forces, or whose name or description shares a word with the prompt.

    After a tool's result only a forced one is called, and then one that was not called yet, so that an agent's loop
    ends.
    """
    choice = call.body.get("tool_choice")
    tools = _tools(call)
    if not tools or choice == "none":
        return None
    earlier_calls = _calls_so_far(call)
    has_results = bool(tool_results(call))
    if isinstance(choice, dict):
        tools = _named(tools, choice) or tools
    elif has_results:
        tools = _not_called(tools, earlier_calls) or tools
    prompt = without_directives(call.prompt)
    tool = max(tools, key=lambda tool: _fit(tool, prompt))
    is_forced = choice not in (None, "auto")
    if not is_forced and (has_results or _fit(tool, prompt) == (0, 0)):
        return None
    arguments = SchemaFiller(tool.get("parameters") or {"type": "object"}, prompt).fill(only_required=True)
    return {
        "id": f"call_simulated_{len(earlier_calls) + 1}",
        "type": "function",
        "function": {"name": tool["name"], "arguments": json.dumps(arguments, ensure_ascii=False)},
    }


def tool_results(call: Call) -> list[str]:
    """Return the results of tools with which the chat ends."""
    results: list[str] = []
    for message in reversed(dicts(call.body["messages"])):
        if message.get("role") != "tool":
            break
        results.insert(0, text_of(message.get("content")))
    return results


def json_text(call: Call) -> str | None:
    """Return JSON in the format that the chat asks for; None when it asks for none."""
    response_format = call.body.get("response_format")
    if not isinstance(response_format, Mapping) or response_format.get("type") in (None, "text"):
        return None
    prompt = without_directives(call.prompt)
    schema = _schema(response_format)
    if schema is None:  # any JSON will do: it gets the keys that the prompt quotes
        keys = re.findall(r"['\"](\w+)['\"]", prompt) or ["answer"]
        return json.dumps({key: f"{MARK} {key}." for key in keys})
    filler = SchemaFiller(schema, prompt, f"{MARK} {call.model}:")
    return json.dumps(filler.fill(only_required=False), ensure_ascii=False)


def _schema(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of a response format, from wherever a provider expects it."""
    schema = response_format.get("schema") or response_format.get("value")
    json_schema = response_format.get("json_schema")
    if isinstance(json_schema, Mapping) and json_schema.get("schema"):
        schema = json_schema["schema"]
    if not isinstance(schema, Mapping):
        return None
    return schema


def _tools(call: Call) -> list[dict[str, Any]]:
    functions = [tool.get("function") for tool in dicts(call.body.get("tools"))]
    return dicts(functions)


def _calls_so_far(call: Call) -> list[dict[str, Any]]:
    calls = []
    for message in dicts(call.body["messages"]):
        calls += dicts(message.get("tool_calls"))
    return calls


def _named(tools: list[dict[str, Any]], choice: dict[str, Any]) -> list[dict[str, Any]]:
    name = choice.get("function", {}).get("name")
    return [tool for tool in tools if tool["name"] == name]


def _not_called(tools: list[dict[str, Any]], earlier_calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [call.get("function", {}).get("name") for call in earlier_calls]
    return [tool for tool in tools if tool["name"] not in names]


def _fit(tool: Mapping[str, Any], prompt: str) -> tuple[int, int]:
    """Return how well a tool fits a prompt, by its name and then by its description."""
    name = str(tool["name"])
    score = _shared_letters(name, prompt)
    if name.casefold() in prompt.casefold():
        score += len(name)
    return score, _shared_letters(str(tool.get("description") or ""), prompt)


def _shared_letters(text: str, prompt: str) -> int:
    """Count the letters of the significant words that a text shares with a prompt."""
    return sum(map(len, _significant_words(text) & _significant_words(prompt)))


def _significant_words(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).casefold())
    return {word for word in words if len(word) >= _MIN_LETTERS and word not in _EMPTY_WORDS}
