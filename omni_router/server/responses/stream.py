"""A response as events, in the order of OpenAI's: each item is added, grows, and is done before the next one."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from omni_router.messages import reasoning_of
from omni_router.server.openai.answers import omni_of, tool_calls
from omni_router.server.openai.dialect import Answer, Writer, event, parts
from omni_router.server.openai.errors import SERVER, ApiError
from omni_router.server.responses.items import CallItem, Event, Item, ReasoningItem, TextItem
from omni_router.server.responses.output import Response, item_status

_RATE = 429


class EventWriter(Writer):
    """Writes the events of one response."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._done: list[dict[str, Any]] = []
        self._item: Item | None = None  # the item that grows
        self._calls: set[tuple[int, str | None]] = set()
        self._sequence = 0

    def begin(self, state: Mapping[str, Any]) -> bytes:
        """Return the events of a response without output."""
        self._response.start(state)
        body = self._response.as_json("in_progress", omni=omni_of({"decision": state.get("decision")}))
        return b"".join(self._event(f"response.{name}", response=body) for name in ("created", "in_progress"))

    def change_model(self, model: str | None) -> None:
        """Set the model of the response."""
        self._response.model = model

    def delta(self, message: AIMessage) -> bytes:
        """Return the events of a token."""
        return b"".join(self._grow(message))

    def end(self, answer: Answer) -> Iterator[bytes]:
        """Yield the events of what has not been sent yet, and the whole response."""
        if not self._done and self._item is None:
            yield from self._text(ReasoningItem, reasoning_of(answer.message))
        if not self._has_content():
            yield from self._text(TextItem, answer.text) if answer.text else self._open(TextItem)
        yield from self._close(item_status(answer.message))
        body = self._response.ended(answer, self._done)
        yield self._event(f"response.{body['status']}", response=body)

    def fail(self, error: ApiError) -> bytes:
        """Return the error, which OpenAI's clients raise, and the failed response, which others look for."""
        nested = error.body["error"]
        raised = self._event("error", code=error.code, message=str(error), param=error.param, error=nested)
        failure = {"code": _code(error), "message": str(error), "type": error.type, "param": error.param}
        body = self._response.as_json("failed", error=failure, output=self._done, omni=error.omni)
        return raised + self._event("response.failed", response=body)

    def _grow(self, message: AIMessage) -> Iterator[bytes]:
        yield from self._text(ReasoningItem, reasoning_of(message))
        yield from self._text(TextItem, str(message.text))
        for chunk in _call_chunks(message):
            yield from self._call(chunk)

    def _text(self, kind: type[ReasoningItem | TextItem], text: str) -> Iterator[bytes]:
        if not text:
            return
        if not isinstance(self._item, kind):
            yield from self._open(kind)
        for part in parts(text):
            yield from self._events(self._grown(part))

    def _call(self, chunk: ToolCallChunk) -> Iterator[bytes]:
        """Write a part of a call; a call begins with a new number or a new id."""
        index, id_ = chunk["index"] or 0, chunk["id"] or None
        item = self._item
        if not isinstance(item, CallItem) or item.index != index or id_ not in (None, item.call_id):
            if (index, id_) in self._calls:
                raise ApiError("The model's provider mixes the parts of several tool calls.", status=502,
                               type=SERVER, code="malformed_answer")  # fmt: skip
            yield from self._close()
            place = len(self._done)
            yield from self._begin(CallItem(self._response, place, index=index, call_id=id_, name=chunk["name"]))
        self._calls |= {(index, id_), (index, None)}
        if arguments := chunk["args"]:
            yield from self._events(self._grown(arguments))

    def _open(self, kind: type[ReasoningItem | TextItem]) -> Iterator[bytes]:
        yield from self._close()
        yield from self._begin(kind(self._response, len(self._done)))

    def _begin(self, item: Item) -> Iterator[bytes]:
        self._item = item
        yield from self._events(item.begin())

    def _grown(self, text: str) -> Iterator[Event]:
        assert self._item is not None  # noqa: S101 (it has just been opened)
        return self._item.grow(text)

    def _close(self, status: str = "completed") -> Iterator[bytes]:
        """End the item that grows; only the last one may be incomplete."""
        if self._item is not None:
            yield from self._events(self._item.finish(status))
            self._done.append(self._item.as_json(status))
            self._item = None

    def _has_content(self) -> bool:
        done = any(item["type"] != "reasoning" for item in self._done)
        return done or isinstance(self._item, TextItem | CallItem)

    def _events(self, events: Iterator[Event]) -> Iterator[bytes]:
        for name, fields in events:
            yield self._event(name, **fields)

    def _event(self, name: str, /, **fields: Any) -> bytes:
        data = {"type": name, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event(data, name)


def _call_chunks(message: AIMessage) -> list[ToolCallChunk]:
    """Return the parts of calls in a token, or the calls of a message that is not streamed."""
    if isinstance(message, AIMessageChunk):
        return message.tool_call_chunks
    chunks = []
    for index, call in enumerate(tool_calls(message)):
        function = call["function"]
        chunks.append(tool_call_chunk(name=function["name"], args=function["arguments"], id=call["id"], index=index))
    return chunks


def _code(error: ApiError) -> str:
    """Return one of OpenAI's codes for a failed response, of which few fit; `omni` has the kind of error."""
    if error.status == _RATE:
        return "rate_limit_exceeded"
    if error.type == SERVER:
        return "server_error"
    return "invalid_prompt"
