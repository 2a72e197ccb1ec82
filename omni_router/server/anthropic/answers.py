"""An answer as a message of Anthropic's."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage

from omni_router.messages import reasoning_of
from omni_router.server.openai.answers import counts_of, finish_reason, omni_of
from omni_router.server.openai.dialect import Answer

# Clients drop thinking without a signature. This one proves nothing, and is not looked at when it comes back.
SIGNATURE = "omni-router"

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message(answer: Answer, *, thinking: bool) -> dict[str, Any]:
    """Return a message; the reasoning is left out unless `thinking` is true."""
    return {
        **head_of(answer.state),
        "content": _blocks(answer, thinking=thinking),
        "stop_reason": stop_reason(answer.message),
        "usage": usage_of(answer),
        "omni": omni_of(answer.state, answer.ignored),
    }


def head_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with which every message begins, without what is only known at its end."""
    decision = state.get("decision") or {}
    return {
        "id": f"msg_{decision.get('id')}",
        "type": "message",
        "role": "assistant",
        "model": decision.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,  # providers do not say which one it was, nor whether it was one
        "stop_details": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def stop_reason(answer: AIMessage) -> str:
    """Return why the answer ends."""
    return _STOP_REASONS[finish_reason(answer)]


def usage_of(answer: Answer) -> dict[str, Any]:
    """Return the numbers of tokens; input that the provider had cached is counted apart, as Anthropic does."""
    counts = counts_of(answer)
    cached = counts.cached or 0
    usage: dict[str, Any] = {
        "input_tokens": max(counts.input - cached, 0),
        "output_tokens": counts.output,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
    }
    if counts.reasoning is not None:
        usage["output_tokens_details"] = {"thinking_tokens": counts.reasoning}
    return usage


def _blocks(answer: Answer, *, thinking: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    reasoning = reasoning_of(answer.message)
    if thinking and reasoning:
        blocks.append({"type": "thinking", "thinking": reasoning, "signature": SIGNATURE})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return [*blocks, *_tool_uses(answer.message)]


def _tool_uses(message: AIMessage) -> Iterator[dict[str, Any]]:
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["args"]}
    for invalid in message.invalid_tool_calls:
        # The input has to be an object. This one fits no tool's schema, so that the client reports it to the model.
        written = {"invalid_json": invalid["args"]}
        yield {"type": "tool_use", "id": invalid["id"], "name": invalid["name"], "input": written}
