"""The result of a run as OpenAI's clients read it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from langchain_core.messages import AIMessage

from omni_router.artifacts import artifact_data_url, kind_of
from omni_router.costs import as_decimal, total_cost
from omni_router.hints import HTTP
from omni_router.messages import reasoning_of
from omni_router.run_result import RunResult
from omni_router.server.headers import COST_HEADER, DECISION_HEADERS, ESTIMATE_HEADER
from omni_router.server.openai.errors import failed_run


def omni_of(state: Mapping[str, Any], ignored: Sequence[str] = ()) -> dict[str, Any]:
    """Return the extra field `omni`: the result of a run, or of the decision so far, without the answer."""
    omni = RunResult.from_state(state).redact_paths().for_audience(HTTP).as_json()
    del omni["answer"]
    if ignored:
        omni["ignored"] = list(ignored)
    return omni


def headers_of(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the decision as headers `x-omni-*`, percent-encoded, since a route may have any name."""
    decision = state.get("decision") or {}
    headers: dict[str, str] = {}
    for header, key in DECISION_HEADERS.items():
        if decision.get(key) is not None:
            headers[header] = quote(str(decision[key]), safe="/:")
    return headers | _cost_headers(state)


def _cost_headers(state: Mapping[str, Any]) -> dict[str, str]:
    result = RunResult.from_state(state)
    costs = {COST_HEADER: result.cost, ESTIMATE_HEADER: result.estimated_cost}
    return {header: as_decimal(cost) for header, cost in costs.items() if cost is not None}


def answer_of(state: Mapping[str, Any]) -> AIMessage:
    """Return the message that answers.

    Raises:
        ApiError: the run ended in an error.
    """
    if error := state.get("error"):
        raise failed_run(error, headers=headers_of(state), omni=omni_of(state))
    answer = state["messages"][-1]
    if not isinstance(answer, AIMessage):
        raise TypeError(type(answer))
    return answer


def text_of(state: Mapping[str, Any], answer: AIMessage) -> str:
    """Return the answer's text; files are embedded as Markdown, which chat pages show."""
    return "\n\n".join(map(_markdown, state.get("artifacts") or [])) or str(answer.text)


def _markdown(artifact: Mapping[str, Any]) -> str:
    kind = kind_of(artifact)
    link = f"[Generated {kind}]({artifact_data_url(artifact)})"
    return f"!{link}" if kind == "image" else link


def completion(state: Mapping[str, Any], ignored: Sequence[str] = ()) -> dict[str, Any]:
    """Return a chat completion; `ignored` names the parameters of the request that had no effect.

    Raises:
        ApiError: the run ended in an error.
    """
    answer = answer_of(state)
    message: dict[str, Any] = {"role": "assistant", "content": text_of(state, answer) or None, "refusal": None}
    if reasoning := reasoning_of(answer):
        message["reasoning_content"] = reasoning
    if calls := tool_calls(answer):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {
        **head_of(state, "chat.completion"),
        "choices": [choice],
        "usage": usage_of(state, answer),
        "omni": omni_of(state, ignored),
    }


def head_of(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the fields with which every completion and every chunk of one begins."""
    decision = state.get("decision") or {}
    return {
        "id": f"chatcmpl-{decision.get('id')}",
        "object": kind,
        "created": int(time.time()),
        "model": decision.get("model"),
    }


def tool_calls(answer: AIMessage) -> list[dict[str, Any]]:
    """Return an answer's tool calls in OpenAI's form; arguments that are not valid JSON are passed on unchanged."""
    calls = [_tool_call(call["id"], call["name"], json.dumps(call["args"])) for call in answer.tool_calls]
    invalid = [_tool_call(call["id"], call["name"], call["args"] or "") for call in answer.invalid_tool_calls]
    return calls + invalid


def _tool_call(id_: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def finish_reason(answer: AIMessage) -> str:
    """Return why the answer ends."""
    if answer.tool_calls or answer.invalid_tool_calls:
        return "tool_calls"
    reason = answer.response_metadata.get("finish_reason")
    return reason if reason in ("length", "content_filter") else "stop"


def usage_of(state: Mapping[str, Any], answer: AIMessage) -> dict[str, Any]:
    """Return the numbers of tokens of the answer, as far as its provider counts them, and the cost of the run.

    The cost, in US dollars, is that of all calls of the run, also of those that failed; None if it is not known.
    """
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    prompt, completed = int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0))
    counted: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completed,
        "total_tokens": prompt + completed,
        "cost": total_cost(state.get("attempts") or []),
    }
    reasoning = usage.get("output_token_details", {}).get("reasoning")
    if reasoning is not None:
        counted["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return counted
