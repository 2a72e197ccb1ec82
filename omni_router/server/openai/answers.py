"""The result of a run: its answer, and what every dialect says of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from langchain_core.messages import AIMessage
from starlette.requests import Request

from omni_router.artifacts import artifact_data_url, kind_of
from omni_router.costs import as_decimal, total_cost
from omni_router.hints import HTTP
from omni_router.messages import newest_user_text
from omni_router.run_result import RunResult
from omni_router.server.headers import COST_HEADER, DECISION_HEADERS, ESTIMATE_HEADER
from omni_router.server.openai.bodies import ignored, note_ignored
from omni_router.server.openai.dialect import Answer
from omni_router.server.openai.errors import failed_run
from omni_router.server.openai.memory import DecisionMemory


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


class Counts(NamedTuple):
    """The numbers of tokens of an answer, as far as its provider counts them, and the cost of the run."""

    input: int
    output: int
    cached: int | None  # a part of `input`; None if it is not reported
    reasoning: int | None  # a part of `output`
    cost: float | None  # US dollars, of all calls of the run, also of those that failed; None if it is not known


def counts_of(answer: Answer) -> Counts:
    """Return what an answer took."""
    usage: Mapping[str, Any] = answer.message.usage_metadata or {}
    return Counts(
        int(usage.get("input_tokens", 0)),
        int(usage.get("output_tokens", 0)),
        usage.get("input_token_details", {}).get("cache_read"),
        usage.get("output_token_details", {}).get("reasoning"),
        total_cost(answer.state.get("attempts") or []),
    )


def finished_answer(state: Mapping[str, Any], request: Request, memory: DecisionMemory) -> Answer:
    """Return the answer of a run, and remember the decision behind it for the next turn.

    Raises:
        ApiError: the run ended in an error.
    """
    message = answer_of(state)
    text = text_of(state, message)
    note_ignored(request, message.response_metadata.get("ignored", []))
    memory.remember(message, text, newest_user_text(state["messages"]))
    return Answer(state, message, text, ignored(request))
