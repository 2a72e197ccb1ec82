"""Answers of chat models, plain and streamed; each says plainly that it is simulated.

A chat with tools may be answered by a call of one, which says so in its id.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from omni_router._sandbox import counting, stream, tool_calls
from omni_router._sandbox.calls import Call, dicts
from omni_router._sandbox.faults import FAULTS, Shape, without_directives
from omni_router._sandbox.models import IN_CONTENT, Model, Reasoning
from omni_router._sandbox.reasoning import complaint, in_tags, think, usage
from omni_router.hub.http import httpx

MAX_QUOTE = 120  # characters of the question that the answer repeats; enough to see which one it was
_MAX_URL = 100
_FRAGMENT = 8  # characters of a call's arguments in one piece of a stream
_CRASH = {"error": "The model crashed while generating. (simulated)", "error_type": "generation"}
_BREAKS_AFTER: dict[Shape, int] = {"cut_at_start": 0, "cut": 3, "error_frame": 3}  # frames of a stream


class _Reply(NamedTuple):
    """The answer of a model."""

    pieces: list[str]  # tokens
    tool_call: dict[str, Any] | None
    finish_reason: str
    thought: dict[str, list[str]]  # tokens of its reasoning, by the field that they are sent in


def answer(call: Call, shape: Shape | None, *, model: Model, pause: Callable[[], None]) -> httpx.Response:
    """Answer a chat with a model; `pause` waits between two streamed pieces."""
    if fault := _complaint(call, sees=model.task == "image-text-to-text") or complaint(call, model.reasoning):
        error = {"message": fault, "type": "invalid_request_error", "param": "messages", "code": None}
        return httpx.Response(400, json={"error": error})
    if shape == "not_an_image":  # a chat answers with bytes that are not text either
        return httpx.Response(200, content=b"\x89PNG\r\n\x1a\n\xff\xfe", headers={"content-type": "image/png"})
    reply = _reply(call, shape, model.reasoning)
    if call.body.get("stream"):
        body = stream.Pieces(_server_sent_events(_frames(call, reply, shape), shape, pause))
        return httpx.Response(200, stream=body, headers={"content-type": "text/event-stream; charset=utf-8"})
    return _answer_at_once(call, reply, shape)


def _answer_at_once(call: Call, reply: _Reply, shape: Shape | None) -> httpx.Response:
    if shape == "cut":
        return _cut_off(b'{"id": "sandbox", ')
    if shape == "cut_at_start":
        return _cut_off(b"")
    if shape == "error_frame":
        return httpx.Response(200, json=FAULTS["error_body"].body)
    return httpx.Response(200, json=_completion(call, reply, shape))


def _cut_off(start: bytes) -> httpx.Response:
    return httpx.Response(200, stream=stream.broken(start), headers={"content-type": "application/json"})


def _complaint(call: Call, *, sees: bool) -> str | None:
    """Return what is wrong with the messages."""
    if not isinstance(call.body.get("messages"), list) or not call.body["messages"]:
        return "messages: a list with at least one message is required (simulated)"
    kinds = {str(part.get("type")) for part in _parts(call)}
    if unknown := kinds - {"text", "image_url"}:
        return f"messages: a part of type {', '.join(sorted(unknown))} is not accepted (simulated)"
    if "image_url" in kinds and not sees:
        return f"{call.model} takes text only, no images (simulated)"
    return None


def _reply(call: Call, shape: Shape | None, reasoning: Reasoning | None) -> _Reply:
    tokens, left = think(call, reasoning)
    reply = _Reply([], None, "length", {})
    if left != 0:
        reply = _reply_without_reasoning(call, shape, left)
    if reasoning is None:
        return reply
    if reasoning.field == IN_CONTENT:
        return reply._replace(pieces=in_tags(tokens, reply.pieces, complete=left != 0))
    return reply._replace(thought={reasoning.field: tokens})


def _reply_without_reasoning(call: Call, shape: Shape | None, limit: int | None) -> _Reply:
    if shape is None:
        tool_call = tool_calls.tool_call(call)
        if tool_call is not None:
            return _Reply([], tool_call, "tool_calls", {})
    pieces, reason = _pieces(call, limit)
    if shape == "content_filter":
        return _Reply(pieces[:3], None, "content_filter", {})
    return _Reply(pieces, None, reason, {})


def _pieces(call: Call, limit: int | None) -> tuple[list[str], str]:
    """Write the answer; return its tokens and why it ends."""
    text = tool_calls.json_text(call) or _text(call)
    end = len(text)
    for stop in _stops(call):
        if stop in text:
            end = min(end, text.find(stop))
    pieces = re.findall(r"\S+\s*|\A\s+\S+\s*", text[:end])
    if limit is not None and limit < len(pieces):
        return pieces[:limit], "length"
    return pieces, "stop"


def _text(call: Call) -> str:
    if results := tool_calls.tool_results(call):
        quotes = "; ".join(f"“{_shorten(result, MAX_QUOTE)}”" for result in results)
        return f"{tool_calls.MARK} answer of {call.model}: the tool answered {quotes}."
    question = _shorten(without_directives(call.prompt), MAX_QUOTE)
    text = f"{tool_calls.MARK} answer of {call.model}: you wrote “{question}”."
    images = list(map(_describe_image, _images(call)))
    if images:
        noun = "an image" if len(images) == 1 else "images"
        text += f" It got {noun}: {'; '.join(images)}."
    return f"{text} No model was run for it."


def _shorten(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[:length].rstrip()}…"


def _stops(call: Call) -> list[str]:
    stop = call.body.get("stop") or []
    if isinstance(stop, str):
        return [stop]
    return [text for text in stop if isinstance(text, str)]


def _parts(call: Call) -> list[dict[str, Any]]:
    parts = []
    for message in dicts(call.body["messages"]):
        parts += dicts(message.get("content"))
    return parts


def _images(call: Call) -> list[dict[str, Any]]:
    return [part for part in _parts(call) if part.get("type") == "image_url"]


def _describe_image(part: dict[str, Any]) -> str:
    image = part.get("image_url")
    if isinstance(image, dict):
        image = image.get("url")
    url = str(image)
    if not url.startswith("data:"):
        return f"the address {_shorten(url, _MAX_URL)}"
    head, _, data = url.partition(",")
    mime_type = head.removeprefix("data:").split(";")[0] or "of no type"
    size = len(data)
    if head.endswith(";base64"):
        size = len(data.rstrip("=")) * 3 // 4
    return f"a data URL, {mime_type}, of {size} bytes"


def _usage(call: Call, reply: _Reply) -> dict[str, Any]:
    prompt = counting.prompt_tokens(call)
    completion = len(reply.pieces)
    if reply.tool_call:
        completion = len(_fragments(reply.tool_call))
    thought = sum(map(len, reply.thought.values()))
    completion += thought
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counts, **usage(thought)}


def _head(call: Call, kind: str) -> dict[str, Any]:
    """Return the fields of every answer; without time or chance, so that a question always gets the same bytes."""
    return {"id": "sandbox", "object": kind, "created": 0, "model": call.model, "system_fingerprint": "sandbox"}


def _completion(call: Call, reply: _Reply, shape: Shape | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.pieces)}
    message |= {field: "".join(tokens) for field, tokens in reply.thought.items() if tokens}
    if shape == "null_content":
        message["content"] = None
    if reply.tool_call:
        message |= {"content": None, "tool_calls": [reply.tool_call]}
    choices = [{"index": 0, "message": message, "finish_reason": reply.finish_reason}]
    if shape == "no_choices":
        choices = []
    return {**_head(call, "chat.completion"), "choices": choices, "usage": _usage(call, reply)}


def _fragments(tool_call: dict[str, Any]) -> list[str]:
    """Split a call's arguments as they are streamed."""
    arguments = tool_call["function"]["arguments"]
    return [arguments[start : start + _FRAGMENT] for start in range(0, len(arguments), _FRAGMENT)]


def _deltas(reply: _Reply, shape: Shape | None) -> Iterator[dict[str, Any]]:
    if shape == "no_choices":
        return
    if shape == "null_content":
        yield {"role": "assistant", "content": None}
        return
    for field, tokens in reply.thought.items():
        for token in tokens:
            yield {"role": "assistant", "content": None, field: token}
    for piece in reply.pieces:
        yield {"role": "assistant", "content": piece}
    if reply.tool_call:
        function = {**reply.tool_call["function"], "arguments": ""}
        start = {"index": 0, **reply.tool_call, "function": function}
        yield {"role": "assistant", "content": None, "tool_calls": [start]}
        for fragment in _fragments(reply.tool_call):
            yield {"role": "assistant", "tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}


def _frames(call: Call, reply: _Reply, shape: Shape | None) -> Iterator[dict[str, Any]]:
    head = _head(call, "chat.completion.chunk")
    for delta in _deltas(reply, shape):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": reply.finish_reason}
    yield {**head, "choices": [] if shape == "no_choices" else [last]}
    if (call.body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(call, reply)}


def _server_sent_events(
    frames: Iterator[dict[str, Any]], shape: Shape | None, pause: Callable[[], None]
) -> Iterator[bytes]:
    breaks_after = None if shape is None else _BREAKS_AFTER.get(shape)
    for place, frame in enumerate(frames):
        if place == breaks_after and shape == "error_frame":
            yield stream.event(json.dumps(_CRASH))
            return
        if place == breaks_after:
            raise stream.cut()
        if place:
            pause()
        yield stream.event(json.dumps(frame))
    yield stream.event("[DONE]")
