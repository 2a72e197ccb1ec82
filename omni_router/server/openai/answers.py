"""The graph's output as OpenAI's clients read it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from langchain_core.messages import AIMessage

from omni_router.artifacts import artifact_data_url, kind_of
from omni_router.events import for_the_network, summarize
from omni_router.hints import HTTP
from omni_router.server.openai.errors import failed_run

_HEADERS = {"route": "route", "model": "model", "source": "source", "confidence": "confidence", "decision": "id"}


def omni_of(result: Mapping[str, Any], ignored: Sequence[str] = ()) -> dict[str, Any]:
    """Return the extra field `omni`: the summary of a run, or of what is decided so far, without the answer."""
    told = {key: value for key, value in for_the_network(summarize(result), HTTP).items() if key != "answer"}
    return {**told, "ignored": list(ignored)} if ignored else told


def headers_of(result: Mapping[str, Any]) -> dict[str, str]:
    """Give the decision as headers `x-omni-*`, percent-encoded, since a route may have any name."""
    decision = result.get("decision") or {}
    told = {name: decision.get(key) for name, key in _HEADERS.items()}
    return {f"x-omni-{name}": quote(str(value), safe="/:") for name, value in told.items() if value is not None}


def answer_of(result: Mapping[str, Any]) -> AIMessage:
    """Give the message that answers.

    Raises:
        ApiError: the run ended in an error.
    """
    if error := result.get("error"):
        raise failed_run(error, headers=headers_of(result), omni=omni_of(result))
    answer = result["messages"][-1]
    if not isinstance(answer, AIMessage):
        raise TypeError(type(answer))
    return answer


def text_of(result: Mapping[str, Any], answer: AIMessage) -> str:
    """Return the answer's text; files are put into it as Markdown, which is what chat pages show."""
    return "\n\n".join(map(_markdown, result.get("artifacts") or [])) or str(answer.text)


def _markdown(artifact: Mapping[str, Any]) -> str:
    kind = kind_of(artifact)
    link = f"[Generated {kind}]({artifact_data_url(artifact)})"
    return f"!{link}" if kind == "image" else link


def completion(result: Mapping[str, Any], ignored: Sequence[str] = ()) -> dict[str, Any]:
    """Make a chat completion; `ignored` names what of the request had no effect.

    Raises:
        ApiError: the run ended in an error.
    """
    answer = answer_of(result)
    message: dict[str, Any] = {"role": "assistant", "content": text_of(result, answer) or None, "refusal": None}
    if calls := tool_calls(answer):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {
        **head_of(result, "chat.completion"),
        "choices": [choice],
        "usage": usage_of(answer),
        "omni": omni_of(result, ignored),
    }


def head_of(result: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Give what every completion and every piece of one begins with."""
    decision = result.get("decision") or {}
    return {
        "id": f"chatcmpl-{decision.get('id')}",
        "object": kind,
        "created": int(time.time()),
        "model": decision.get("model"),
    }


def tool_calls(answer: AIMessage) -> list[dict[str, Any]]:
    """Give an answer's tool calls in OpenAI's form; arguments that are not valid JSON stay as they came."""
    valid = [(call["id"], call["name"], json.dumps(call["args"])) for call in answer.tool_calls]
    broken = [(call["id"], call["name"], call["args"] or "") for call in answer.invalid_tool_calls]
    return [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in (*valid, *broken)
    ]


def finish_reason(answer: AIMessage) -> str:
    """Say why the answer ends."""
    given = answer.response_metadata.get("finish_reason")
    if answer.tool_calls or answer.invalid_tool_calls:
        return "tool_calls"
    return given if given in ("length", "content_filter") else "stop"


def usage_of(answer: AIMessage) -> dict[str, int]:
    """Count tokens, as far as the provider did."""
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    prompt, said = int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0))
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
