"""A chat completion in pieces: server-sent events, begun when the decision is made and there is something to say."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from omni_router.messages import newest_user_text
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
from omni_router.server.openai.errors import as_api_error
from omni_router.server.openai.ignored import ignored, note_ignored
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.run import Event, Feed
from omni_router.server.openai.to_json import to_json

QUIET = 15.0  # seconds without a byte: proxies hang up after 30 to 60, and a picture often takes a minute
PIECE = 16_384  # characters of a picture at once: some clients read events line by line into 64 KB

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # the second keeps nginx from collecting them
_WAITING = b": waiting\n\n"  # a comment, which clients skip


class EventStream(StreamingResponse):
    """Sends frames as they come; the feed itself notices a client that hangs up, and ends them."""

    def __init__(self, frames: AsyncIterator[bytes], feed: Feed, headers: Mapping[str, str]) -> None:
        super().__init__(frames, headers={**headers, **_HEADERS}, media_type="text/event-stream")
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's)
        """Send until the run ends, whoever ends it."""
        try:
            await self.stream_response(send)
        except OSError:  # of servers that tell so that nobody reads any more
            pass
        finally:
            await self._feed.close()


async def stream(feed: Feed, memory: DecisionMemory, *, usage: bool) -> EventStream:
    """Wait until a run has something to say, so that a failure before that still gets a status, and stream it.

    Raises:
        ApiError: the run ended in an error before anything was sent.
    """
    decision: Mapping[str, Any] | None = None
    event = await feed.next()  # without a limit: until it is decided, there are no headers to send
    while event is not None and event.kind == "decision":
        decision = event.value  # perhaps not the last: a fallback may follow
        event = await feed.next(QUIET)
    result = event.value if event and event.kind == "end" else {"decision": decision}
    if event and event.kind == "end":
        answer_of(result)
    writer = _Writer(feed.request, result, memory, usage=usage)
    return EventStream(_frames(feed, writer, event), feed, headers_of(result))


async def _frames(feed: Feed, writer: "_Writer", event: Event | None) -> AsyncIterator[bytes]:
    yield writer.first()
    try:
        while event is None or event.kind != "end":
            if event is None:
                yield _WAITING
            elif event.kind == "piece":
                yield writer.piece(event.value)
            else:
                writer.decided(event.value)
            event = await feed.next(QUIET)
        for frame in await asyncio.to_thread(writer.last, event.value):  # a picture is read from disk
            yield frame
    except ClientDisconnect:
        feed.request.state.failed = "the client hung up"
    except Exception as error:  # noqa: BLE001 (told to the client, and to the log where it is ours)
        failure = as_api_error(error)
        feed.request.state.failed = failure.code
        yield _event(failure.body)


class _Writer:
    """Writes the frames of one completion."""

    def __init__(self, request: Request, result: Mapping[str, Any], memory: DecisionMemory, *, usage: bool) -> None:
        self._request = request
        self._head = head_of(result, "chat.completion.chunk")
        self._omni = omni_of({"decision": result.get("decision")})
        self._memory, self._usage, self._said = memory, usage, False

    def first(self) -> bytes:
        return self._frame({"role": "assistant", "content": ""}, omni=self._omni)

    def decided(self, decision: Mapping[str, Any]) -> None:
        """Go on under another decision: the model before has failed without a word."""
        self._head["model"] = decision["model"]

    def piece(self, message: AIMessage) -> bytes:
        delta: dict[str, Any] = {}
        if text := str(message.text):
            delta["content"] = text
        if isinstance(message, AIMessageChunk):
            calls = [_call_delta(call) for call in message.tool_call_chunks]
        else:
            calls = [{"index": place, **call} for place, call in enumerate(tool_calls(message))]
        if calls:
            delta["tool_calls"] = calls
        self._said |= bool(delta)
        return self._frame(delta) if delta else b""

    def last(self, result: Mapping[str, Any]) -> list[bytes]:
        """Write what is still to be said, why the answer ends, and how it went.

        Raises:
            ApiError: the run ended in an error.
        """
        answer = answer_of(result)
        text = text_of(result, answer)
        self._memory.remember(answer, text, newest_user_text(result["messages"]))
        rest = [] if self._said else [self._frame({"content": part}) for part in _parts(text)]
        note_ignored(self._request, answer.response_metadata.get("ignored", []))  # too late for the header
        ends = self._frame({}, finish_reason(answer), omni_of(result, ignored(self._request)))
        counted = [_event({**self._head, "choices": [], "usage": usage_of(answer)})] if self._usage else []
        return [*rest, ends, *counted, b"data: [DONE]\n\n"]

    def _frame(
        self, delta: Mapping[str, Any], reason: str | None = None, omni: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        null_usage = {"usage": None} if self._usage else {}  # as OpenAI does in every piece but the last
        return _event({**self._head, "choices": [choice], **null_usage, **({"omni": omni} if omni else {})})


def _call_delta(call: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["args"]}
    named = {key: value for key, value in function.items() if value is not None}
    begins = {"id": call["id"], "type": "function"} if call["id"] else {}
    return {"index": call["index"] or 0, **begins, "function": named}


def _parts(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + to_json(data) + b"\n\n"
