"""An answer as Anthropic's server-sent events: blocks one after the other, each with a start, deltas and an end."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from omni_router.messages import reasoning_of
from omni_router.server.anthropic.answers import SIGNATURE, head_of, stop_reason, usage_of
from omni_router.server.anthropic.errors import error_body
from omni_router.server.openai import stream as streaming
from omni_router.server.openai.answers import omni_of, tool_calls
from omni_router.server.openai.dialect import Answer, Writer, event, parts
from omni_router.server.openai.errors import ApiError

_EMPTY: dict[str, dict[str, Any]] = {
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "text": {"type": "text", "text": ""},
}


class EventWriter(Writer):
    """Writes the events of one message; reasoning is left out unless `thinking` is true."""

    def __init__(self, *, thinking: bool) -> None:
        self._thinking = thinking
        self._open: str | None = None  # the kind of the block that has not ended yet
        self._blocks = 0  # how many have begun
        self._calls: dict[int, int] = {}  # the block of each tool call, by the number of the call
        self._sent: set[str] = set()  # the kinds of blocks that have begun
        self._last_event = time.monotonic()
        self._another_model = False  # the open block is of a model that failed

    def begin(self, state: Mapping[str, Any]) -> bytes:
        """Return the start of the message."""
        return _event({"type": "message_start", "message": {**head_of(state), "omni": _omni(state)}})

    def change_model(self, model: str | None) -> None:  # noqa: ARG002 (no event after the first names it)
        """Begin a new block with the next event: what the previous model had thought is not the next one's."""
        self._another_model = True

    def delta(self, message: AIMessage) -> bytes:
        """Return the events of a token; while a model thinks unseen, one now and then keeps the connection alive."""
        events = [*self._text("thinking", reasoning_of(message)), *self._text("text", str(message.text))]
        for index, call in _call_deltas(message):
            events += self._call(index, call)
        now = time.monotonic()
        if not events and now - self._last_event >= streaming.KEEP_ALIVE:
            events = [self.keep_alive()]
        if events:
            self._last_event = now
        return b"".join(events)

    def end(self, answer: Answer) -> Iterator[bytes]:
        """Yield the events of what has not been sent yet, and the end of the message with its usage."""
        if not self._sent:
            for part in parts(reasoning_of(answer.message)):
                yield from self._text("thinking", part)
        if not self._sent & {"text", "tool_use"}:
            for part in parts(answer.text):
                yield from self._text("text", part)
        yield from self._close()
        yield _event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason(answer.message), "stop_sequence": None, "stop_details": None},
                "usage": usage_of(answer),
                "omni": omni_of(answer.state, answer.ignored),
            }
        )
        yield _event({"type": "message_stop"})

    def fail(self, error: ApiError) -> bytes:
        """Return the error as an event, which Anthropic's clients raise."""
        return _event(error_body(error))

    def keep_alive(self) -> bytes:
        """Return Anthropic's own event for it."""
        return _event({"type": "ping"})

    def _text(self, kind: str, text: str) -> Iterator[bytes]:
        """Yield a piece of text or of reasoning, in a block of its kind."""
        if not text or (kind == "thinking" and not self._thinking):
            return
        if self._open != kind or self._another_model:
            yield from self._start(kind, _EMPTY[kind])
        yield self._delta(self._blocks - 1, {"type": f"{kind}_delta", kind: text})

    def _call(self, number: int, call: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield a piece of a tool call. A late piece of an earlier call goes to that call's block."""
        if number not in self._calls:
            self._calls[number] = self._blocks
            block: dict[str, Any] = {"type": "tool_use", "id": call.get("id"), "name": call.get("name"), "input": {}}
            yield from self._start("tool_use", block)
        if arguments := call.get("args"):
            yield self._delta(self._calls[number], {"type": "input_json_delta", "partial_json": arguments})

    def _start(self, kind: str, block: Mapping[str, Any]) -> Iterator[bytes]:
        yield from self._close()
        yield _event({"type": "content_block_start", "index": self._blocks, "content_block": block})
        if not self._blocks:
            yield self.keep_alive()  # Anthropic sends one behind the start of the first block
        self._open, self._another_model = kind, False
        self._blocks += 1
        self._sent.add(kind)

    def _close(self) -> Iterator[bytes]:
        if self._open == "thinking":
            yield self._delta(self._blocks - 1, {"type": "signature_delta", "signature": SIGNATURE})
        if self._open is not None:
            yield _event({"type": "content_block_stop", "index": self._blocks - 1})
            self._open = None

    @staticmethod
    def _delta(index: int, delta: Mapping[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": index, "delta": delta})


def _call_deltas(message: AIMessage) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the pieces of tool calls, each with the number of its call."""
    if isinstance(message, AIMessageChunk):
        for chunk in message.tool_call_chunks:
            yield chunk["index"] or 0, dict(chunk)
        return
    for number, call in enumerate(tool_calls(message)):
        yield number, {"id": call["id"], "name": call["function"]["name"], "args": call["function"]["arguments"]}


def _event(data: Mapping[str, Any]) -> bytes:
    return event(data, data["type"])


def _omni(state: Mapping[str, Any]) -> dict[str, Any]:
    return omni_of({"decision": state.get("decision")})
