"""Models that reason before they answer: how they send it, what it costs, and whether they want it back."""

from typing import Any

from omni_router._sandbox.calls import Call, dicts
from omni_router._sandbox.models import REASONING_FIELDS, Reasoning

# Tokens of reasoning by `reasoning_effort`; few, so that tests and demos stay readable.
EFFORTS = {"none": 0, "minimal": 8, "low": 12, "medium": 16, "high": 32, "xhigh": 64}


def think(call: Call, reasoning: Reasoning | None) -> tuple[list[str], int | None]:
    """Return the tokens of the reasoning, and how many are left for the answer; None for any number."""
    limit: int | None = call.body.get("max_tokens") or call.body.get("max_completion_tokens")
    if reasoning is None:
        return [], limit
    tokens = _tokens(call, reasoning)
    limit = limit or reasoning.default_limit
    if limit is None:
        return tokens, None
    return tokens[:limit], max(0, limit - len(tokens))


def _tokens(call: Call, reasoning: Reasoning) -> list[str]:
    count = reasoning.tokens
    if count is None:
        count = EFFORTS.get(str(call.body.get("reasoning_effort")), EFFORTS["medium"])
    beginning = f"[sandbox] Simulated reasoning of {call.model}:".split()
    steps = [f"step-{number}" for number in range(1, count + 1)]
    return [f"{word} " for word in (*beginning, *steps)][:count]


def in_tags(tokens: list[str], answer: list[str], *, complete: bool) -> list[str]:
    """Return the tokens of a content that begins with the reasoning, which may be cut off."""
    if not tokens:
        return answer
    if not complete:
        return ["<think>\n", *tokens]
    return ["<think>\n", *tokens, "\n</think>", "\n\n", *answer]


def complaint(call: Call, reasoning: Reasoning | None) -> str | None:
    """Return what is wrong with the reasoning in the messages of earlier tool calls."""
    if reasoning is None:
        return None
    calling = [message for message in dicts(call.body["messages"]) if message.get("tool_calls")]
    if reasoning.back == "demanded" and not all(message.get(reasoning.field) for message in calling):
        return f"messages: the {reasoning.field} of a message with tool calls must be passed back (simulated)"
    if reasoning.back == "refused" and any(message.keys() & set(REASONING_FIELDS) for message in calling):
        return "messages: a message has a property that is not supported: reasoning (simulated)"
    return None


def usage(thought: int) -> dict[str, Any]:
    """Return what a model adds to its usage that has reasoned for so many tokens."""
    if not thought:
        return {}
    return {"completion_tokens_details": {"reasoning_tokens": thought}}
