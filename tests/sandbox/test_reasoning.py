"""Models of the sandbox that reason: what the real client gets of them over the wire."""

from typing import Any

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError

from omni_router._sandbox import SANDBOX_TOKEN, Reasoning, Sandbox

FIRST, SECOND = "sandbox/text-generation-5", "sandbox/text-generation-6"
QUESTION: list[Any] = [{"role": "user", "content": "How do tides work?"}]


def ask(model: str, messages: list[Any] = QUESTION, **parameters: Any) -> Any:
    with InferenceClient(api_key=SANDBOX_TOKEN) as client:
        answer = client.chat_completion(messages, model=model, **parameters)
        return list(answer) if parameters.get("stream") else answer


@pytest.mark.parametrize(("model", "field"), [(FIRST, "reasoning_content"), (SECOND, "reasoning")])
def test_reasoning_comes_beside_the_content_and_before_it(sandbox: Sandbox, model: str, field: str) -> None:
    whole = ask(model).choices[0].message
    assert whole[field].startswith(f"[sandbox] Simulated reasoning of {model}")
    assert "step-" not in whole.content
    deltas = [chunk.choices[0].delta for chunk in ask(model, stream=True)]
    reasoning, content = ["".join(delta.get(name) or "" for delta in deltas) for name in (field, "content")]
    assert (reasoning, content) == (whole[field], whole.content)
    with_reasoning = [bool(delta.get(field)) for delta in deltas]
    assert with_reasoning == sorted(with_reasoning, reverse=True)


def test_effort_sets_its_length_and_usage_counts_it(sandbox: Sandbox) -> None:
    counts = {}
    for effort in ("none", "low", "high"):
        usage = ask(FIRST, extra_body={"reasoning_effort": effort}).usage
        details = usage.get("completion_tokens_details") or {"reasoning_tokens": 0}
        counts[effort] = details["reasoning_tokens"]
        assert usage.completion_tokens > counts[effort]
    assert counts["none"] == 0 < counts["low"] < counts["high"]


@pytest.mark.parametrize("limit", [{"max_tokens": 5}, {}])
def test_it_uses_up_the_budget_that_the_request_or_the_provider_sets(sandbox: Sandbox, limit: dict[str, int]) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(default_limit=5))
    choice = ask(FIRST, **limit).choices[0]  # type: ignore[arg-type]
    assert (choice.finish_reason, choice.message.content) == ("length", "")
    assert len(choice.message.reasoning_content.split()) == 5
    assert ask(FIRST, max_tokens=1000).choices[0].finish_reason == "stop"


@pytest.mark.parametrize(("back", "sent", "accepted"), [
    ("accepted", True, True), ("accepted", False, True), ("demanded", True, True), ("demanded", False, False),
    ("refused", True, False), ("refused", False, True),
])  # fmt: skip
def test_it_may_demand_or_refuse_its_reasoning_of_a_tool_turn(
    sandbox: Sandbox, back: Any, *, sent: bool, accepted: bool
) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(back=back))
    function = {"name": "weather", "arguments": "{}"}
    turn: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": function}]}  # fmt: skip
    if sent:
        turn["reasoning_content"] = "The tool knows."
    messages = [*QUESTION, turn, {"role": "tool", "tool_call_id": "1", "content": "rain"}]
    if accepted:
        assert "rain" in ask(FIRST, messages).choices[0].message.content
    else:
        with pytest.raises(BadRequestError):
            ask(FIRST, messages)
