"""The dialect of POST /v1/chat/completions, which needs the least translation."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from omni_router.messages import reasoning_of
from omni_router.server.openai.answers import counts_of, finish_reason, omni_of, tool_calls
from omni_router.server.openai.dialect import Answer, Dialect, Writer, event, parts
from omni_router.server.openai.errors import ApiError


class ChatCompletions(Dialect):
    """OpenAI's chat completions."""

    def chat_body(self) -> dict[str, Any]:
        """Return the request unchanged."""
        return self.request

    def body(self, answer: Answer) -> dict[str, Any]:
        """Return a chat completion."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
        if reasoning := reasoning_of(answer.message):
            message["reasoning_content"] = reasoning
        if calls := tool_calls(answer.message):
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer.message)}
        return {
            **_head_of(answer.state, "chat.completion"),
            "choices": [choice],
            "usage": _usage_of(answer),
            "omni": omni_of(answer.state, answer.ignored),
        }

    def writer(self) -> "ChunkWriter":
        """Return a writer of chunks; the last has the usage if `stream_options` says so."""
        options = self.request.get("stream_options") or {}
        return ChunkWriter(usage=bool(options.get("include_usage")))


class ChunkWriter(Writer):
    """Writes the chunks of one completion."""

    def __init__(self, *, usage: bool) -> None:
        self._usage = usage
        self._head: dict[str, Any] = {}
        self._has_content = self._has_reasoning = False

    def begin(self, state: Mapping[str, Any]) -> bytes:
        """Return the chunk with the role."""
        self._head = _head_of(state, "chat.completion.chunk")
        omni = omni_of({"decision": state.get("decision")})
        return self._chunk({"role": "assistant", "content": ""}, omni=omni)

    def change_model(self, model: str | None) -> None:
        """Set the model of later chunks."""
        self._head["model"] = model

    def delta(self, message: AIMessage) -> bytes:
        """Return the chunk of a token."""
        delta: dict[str, Any] = {}
        if reasoning := reasoning_of(message):
            delta["reasoning_content"] = reasoning
            self._has_reasoning = True
        if text := str(message.text):
            delta["content"] = text
        if calls := list(_call_deltas(message)):
            delta["tool_calls"] = calls
        if not delta:
            return b""
        self._has_content |= "content" in delta or "tool_calls" in delta
        return self._chunk(delta)

    def end(self, answer: Answer) -> Iterator[bytes]:
        """Yield the chunks of what has not been sent yet, of the finish reason, and of the usage."""
        if not self._has_reasoning:
            for part in parts(reasoning_of(answer.message)):
                yield self._chunk({"reasoning_content": part})
        if not self._has_content:
            for part in parts(answer.text):
                yield self._chunk({"content": part})
        yield self._chunk({}, finish_reason(answer.message), omni_of(answer.state, answer.ignored))
        if self._usage:
            yield event({**self._head, "choices": [], "usage": _usage_of(answer)})
        yield b"data: [DONE]\n\n"

    def fail(self, error: ApiError) -> bytes:
        """Return the error as an event, which OpenAI's clients raise."""
        return event(error.body)

    def _chunk(
        self, delta: Mapping[str, Any], reason: str | None = None, omni: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "choices": [choice]}
        if self._usage:
            chunk["usage"] = None  # OpenAI does so in every chunk but the last
        if omni:
            chunk["omni"] = omni
        return event(chunk)


def _head_of(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the fields with which every completion and every chunk of one begins."""
    decision = state.get("decision") or {}
    return {
        "id": f"chatcmpl-{decision.get('id')}",
        "object": kind,
        "created": int(time.time()),
        "model": decision.get("model"),
    }


def _usage_of(answer: Answer) -> dict[str, Any]:
    counts = counts_of(answer)
    usage: dict[str, Any] = {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "cost": counts.cost,
    }
    if counts.reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return usage


def _call_deltas(message: AIMessage) -> Iterator[dict[str, Any]]:
    if not isinstance(message, AIMessageChunk):
        for index, call in enumerate(tool_calls(message)):
            yield {"index": index, **call}
        return
    for chunk in message.tool_call_chunks:
        function = {
            key: value for key, value in (("name", chunk["name"]), ("arguments", chunk["args"])) if value is not None
        }
        delta: dict[str, Any] = {"index": chunk["index"] or 0}
        if chunk["id"]:
            delta |= {"id": chunk["id"], "type": "function"}
        yield {**delta, "function": function}
