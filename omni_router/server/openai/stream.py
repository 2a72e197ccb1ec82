"""A chat completion as server-sent events, which begin when the decision is made and there is something to send."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from omni_router.events import DecisionMade, Finished, RunEvent, Token
from omni_router.messages import newest_user_text, reasoning_of
from omni_router.server.bodies import to_json
from omni_router.server.openai.answers import (
    answer_of,
    finish_reason,
    head_of,
    headers_of,
    omni_of,
    text_of,
    tool_calls,
    usage_of,
)
from omni_router.server.openai.bodies import ignored, note_ignored
from omni_router.server.openai.errors import as_api_error
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.run import RunStream

KEEP_ALIVE = 15.0  # seconds without a byte: proxies hang up after 30 to 60, and an image often takes a minute
MAX_DELTA = 16_384  # characters of an image at once: some clients read events line by line into 64 KB

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # the second stops nginx from buffering
_WAITING = b": waiting\n\n"  # a comment, which clients skip


class EventStream(StreamingResponse):
    """A response that sends frames as they come; the run itself notices a client that disconnects, and ends them."""

    def __init__(self, frames: AsyncIterator[bytes], run: RunStream, headers: Mapping[str, str]) -> None:
        super().__init__(frames, headers={**headers, **_HEADERS}, media_type="text/event-stream")
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's)
        """Send until the run ends or is cancelled."""
        try:
            await self.stream_response(send)
        except OSError:  # some servers raise it when the client has disconnected
            pass
        finally:
            await self._run.close()


async def stream(run: RunStream, memory: DecisionMemory, *, usage: bool) -> EventStream:
    """Wait until a run has something to send, so that an earlier failure still has a status, and stream it.

    Raises:
        ApiError: the run ended in an error before anything was sent.
    """
    result: dict[str, Any] = {"decision": None}
    event = await run.next()  # waits without a limit: there are no headers to send before a decision
    while isinstance(event, DecisionMade):
        result = {"decision": event.decision}  # it may not be the last: a fallback may follow
        event = await run.next(KEEP_ALIVE)
    if isinstance(event, Finished):
        result = event.state
        answer_of(result)
    writer = _Writer(run.request, result, memory, usage=usage)
    return EventStream(_frames(run, writer, event), run, headers_of(result))


async def _frames(run: RunStream, writer: "_Writer", event: RunEvent | None) -> AsyncIterator[bytes]:
    yield writer.first()
    try:
        while not isinstance(event, Finished):
            if isinstance(event, Token):
                yield writer.delta(event.message)
            elif isinstance(event, DecisionMade):
                writer.change_model(event.decision["model"])
            else:
                yield _WAITING
            event = await run.next(KEEP_ALIVE)
        for frame in await asyncio.to_thread(writer.last, event.state):  # an image is read from disk
            yield frame
    except ClientDisconnect:
        run.request.state.failed = "the client disconnected"
    except Exception as error:  # noqa: BLE001 (reported to the client, and logged if it is the server's)
        failure = as_api_error(error)
        run.request.state.failed = failure.code
        yield _sse(failure.body)


class _Writer:
    """Writes the frames of one completion."""

    def __init__(self, request: Request, result: Mapping[str, Any], memory: DecisionMemory, *, usage: bool) -> None:
        self._request = request
        self._head = head_of(result, "chat.completion.chunk")
        self._omni = omni_of({"decision": result.get("decision")})
        self._memory, self._usage = memory, usage
        self._has_content = self._has_reasoning = False

    def first(self) -> bytes:
        return self._frame({"role": "assistant", "content": ""}, omni=self._omni)

    def change_model(self, model: str | None) -> None:
        """Set the model of later frames: the previous one failed without a token."""
        self._head["model"] = model

    def delta(self, message: AIMessage) -> bytes:
        """Return the frame of a token, or nothing if the token has neither text, reasoning nor tool calls."""
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
        return self._frame(delta)

    def last(self, result: Mapping[str, Any]) -> list[bytes]:
        """Return the frames of what has not been sent yet, of the finish reason, and of the usage.

        Raises:
            ApiError: the run ended in an error.
        """
        answer = answer_of(result)
        text = text_of(result, answer)
        self._memory.remember(answer, text, newest_user_text(result["messages"]))
        frames: list[bytes] = []
        if (reasoning := reasoning_of(answer)) and not self._has_reasoning:
            frames = [self._frame({"reasoning_content": part}) for part in _parts(reasoning)]
        if not self._has_content:
            frames += [self._frame({"content": part}) for part in _parts(text)]
        note_ignored(self._request, answer.response_metadata.get("ignored", []))  # the header has been sent
        frames.append(self._frame({}, finish_reason(answer), omni_of(result, ignored(self._request))))
        if self._usage:
            frames.append(_sse({**self._head, "choices": [], "usage": usage_of(result, answer)}))
        return [*frames, b"data: [DONE]\n\n"]

    def _frame(
        self, delta: Mapping[str, Any], reason: str | None = None, omni: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "choices": [choice]}
        if self._usage:
            chunk["usage"] = None  # OpenAI does so in every chunk but the last
        if omni:
            chunk["omni"] = omni
        return _sse(chunk)


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


def _parts(text: str) -> Iterator[str]:
    return (text[start : start + MAX_DELTA] for start in range(0, len(text), MAX_DELTA))


def _sse(data: Mapping[str, Any]) -> bytes:
    return b"data: " + to_json(data) + b"\n\n"
