"""An answer as a response, and as the items of its output."""

import json
import time
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

from omni_router.messages import reasoning_of
from omni_router.server.openai.answers import counts_of, finish_reason, omni_of, tool_calls
from omni_router.server.openai.dialect import Answer
from omni_router.server.responses.input import packed
from omni_router.server.responses.tools import Tools

ENCRYPTED = "reasoning.encrypted_content"  # what `include` holds for reasoning in a form that can be sent back

# Why an answer is not complete, by the reason why a chat ends.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Response:
    """The response to a request: its parameters, and what is known of its answer so far."""

    def __init__(self, request: Mapping[str, Any], tools: Tools) -> None:
        self.tools = tools
        self.model: str | None = None
        self._request = request
        self._id = "0"
        self._created = int(time.time())

    @property
    def summarized(self) -> bool:
        """Whether the reasoning is requested as a summary; it is then sent whole as one."""
        return bool((self._request.get("reasoning") or {}).get("summary"))

    def start(self, state: Mapping[str, Any]) -> None:
        """Read the decision that the response is named after."""
        decision = state.get("decision") or {}
        self._id, self.model = str(decision.get("id")), decision.get("model")

    def item_id(self, prefix: str, index: int) -> str:
        """Return the id of the item at a place of the output."""
        return f"{prefix}_{self._id}_{index}"

    def as_json(self, status: str, **fields: Any) -> dict[str, Any]:
        """Return the response with a status and further fields."""
        request = self._request
        return {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "metadata": request.get("metadata") or {},
            "model": self.model or request.get("model"),
            "output": [],
            "parallel_tool_calls": request.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None, **(request.get("reasoning") or {})},
            "store": False,
            "temperature": request.get("temperature"),
            "text": {"format": {"type": "text"}, **(request.get("text") or {})},
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": request.get("tools") or [],
            "top_p": request.get("top_p"),
            "truncation": "disabled",
            "usage": None,
            **fields,
        }

    def ended(self, answer: Answer, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the response to a run that has ended, with the items of its answer."""
        status, details = "completed", None
        if reason := _INCOMPLETE.get(finish_reason(answer.message)):
            status, details = "incomplete", {"reason": reason}
        return self.as_json(
            status,
            output=output,
            incomplete_details=details,
            usage=usage_of(answer),
            omni=omni_of(answer.state, answer.ignored),
        )

    def finished(self, answer: Answer) -> dict[str, Any]:
        """Return the whole response."""
        self.start(answer.state)
        return self.ended(answer, self._output(answer))

    def _output(self, answer: Answer) -> list[dict[str, Any]]:
        items = []
        if reasoning := reasoning_of(answer.message):
            items.append(self.reasoning(0, reasoning))
        calls = tool_calls(answer.message)
        if answer.text or not calls:
            items.append(self.message(len(items), answer.text, item_status(answer.message)))
        for call in calls:
            function = call["function"]
            items.append(self.call(len(items), call["id"], function["name"], function["arguments"]))
        return items

    def reasoning(self, index: int, text: str | None) -> dict[str, Any]:
        """Return the item of a reasoning, or without a text its beginning."""
        item: dict[str, Any] = {"id": self.item_id("rs", index), "type": "reasoning", "summary": []}
        if text is not None and self.summarized:
            item["summary"] = [{"type": "summary_text", "text": text}]
        elif text is not None:
            item["content"] = [{"type": "reasoning_text", "text": text}]
        if text is not None and ENCRYPTED in (self._request.get("include") or ()):
            item["encrypted_content"] = packed(text)
        return item

    def message(self, index: int, text: str | None, status: str) -> dict[str, Any]:
        """Return the item of a text, or without a text its beginning."""
        content = []
        if text is not None:
            content.append(text_part(text))
        return {
            "id": self.item_id("msg", index),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def call(
        self, index: int, call_id: str | None, name: str | None, arguments: str, status: str = "completed"
    ) -> dict[str, Any]:
        """Return the item of a tool call, in the form of the tool that is called."""
        tool = self.tools.named(name or "")
        item = {"call_id": call_id or self.item_id("call", index), "name": name or ""}
        if tool is not None:
            item["name"] = tool.name
            if tool.namespace is not None:
                item["namespace"] = tool.namespace
        if tool is not None and tool.custom:
            head = {"id": self.item_id("ctc", index), "type": "custom_tool_call"}
            return {**head, "status": status, **item, "input": custom_input(arguments)}
        head = {"id": self.item_id("fc", index), "type": "function_call"}
        return {**head, "status": status, **item, "arguments": arguments}


def text_part(text: str) -> dict[str, Any]:
    """Return the part of a message that holds its text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def item_status(message: AIMessage) -> str:
    """Return the status of a message's item."""
    return "incomplete" if finish_reason(message) in _INCOMPLETE else "completed"


def custom_input(arguments: str) -> str:
    """Return the input of a custom tool; arguments that do not have its form are the input themselves."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        return str(value["input"])
    return arguments


def usage_of(answer: Answer) -> dict[str, Any]:
    """Return the numbers of tokens, and the cost of the run."""
    counts = counts_of(answer)
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"cached_tokens": counts.cached or 0, "cache_write_tokens": 0},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning or 0},
        "total_tokens": counts.input + counts.output,
        "cost": counts.cost,
    }
