"""Answers of chat models, plain and streamed; each says plainly that it is simulated.

A chat with tools may be answered by a call of one, which says so in its id.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from omni_router._sandbox import stream, wants
from omni_router._sandbox.calls import Call, text_of
from omni_router._sandbox.faults import FAULTS, Shape, without_directives
from omni_router.hub.http import httpx

QUOTED = 120  # characters of the question that the answer repeats; enough to see which one it was
_SHOWN_URL = 100
_FRAGMENT = 8  # characters of a call's arguments in one piece of a stream
_PICTURE_TOKENS = 256  # about what vision models count for a picture
_CRASH = {"error": "The model crashed while generating. (simulated)", "error_type": "generation"}


def answer(call: Call, shape: Shape | None, *, sees: bool, pause: Callable[[], None]) -> httpx.Response:
    """Answer a chat; `sees` says whether the model takes pictures, `pause` waits between two streamed pieces."""
    if complaint := _complaint(call, sees=sees):
        error = {"message": complaint, "type": "invalid_request_error", "param": "messages", "code": None}
        return httpx.Response(400, json={"error": error})
    if shape == "not_an_image":  # asked of a chat: bytes that are no text either
        return httpx.Response(200, content=b"\x89PNG\r\n\x1a\n\xff\xfe", headers={"content-type": "image/png"})
    called = wants.tool_call(call) if shape is None else None
    pieces, reason = ([], "tool_calls") if called else _pieces(call)
    if shape == "content_filter":
        pieces, reason = pieces[:3], "content_filter"
    usage = _usage(call, len(_fragments(called)) if called else len(pieces))
    if call.body.get("stream"):
        frames = _frames(call, _deltas(pieces, called, shape), reason, usage, shape)
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        return httpx.Response(200, stream=stream.Pieces(_sent(frames, shape, pause)), headers=headers)
    if shape in ("cut", "cut_at_start"):
        start = b'{"id": "sandbox", ' if shape == "cut" else b""
        return httpx.Response(200, stream=stream.broken(start), headers={"content-type": "application/json"})
    if shape == "error_frame":
        return httpx.Response(200, json=FAULTS["error_body"].body)
    message: dict[str, Any] = {"role": "assistant", "content": None if shape == "null_content" else "".join(pieces)}
    if called:
        message |= {"content": None, "tool_calls": [called]}
    choices = [] if shape == "no_choices" else [{"index": 0, "message": message, "finish_reason": reason}]
    return httpx.Response(200, json={**_head(call, "chat.completion"), "choices": choices, "usage": usage})


def _complaint(call: Call, *, sees: bool) -> str | None:
    if not isinstance(call.body.get("messages"), list) or not call.body["messages"]:
        return "messages: a list with at least one message is required (simulated)"
    kinds = {str(part.get("type")) for part in _parts(call)}
    if strange := kinds - {"text", "image_url"}:
        return f"messages: a part of type {', '.join(sorted(strange))} is not accepted (simulated)"
    if "image_url" in kinds and not sees:
        return f"{call.model} takes text only, no pictures (simulated)"
    return None


def _pieces(call: Call) -> tuple[list[str], str]:
    """Write the answer; return its tokens and why it ends."""
    text = wants.json_text(call) or _text(call)
    ends = [text.find(end) for end in _stops(call) if end in text]
    pieces = re.findall(r"\S+\s*|\A\s+\S+\s*", text[: min(ends)] if ends else text)
    limit = call.body.get("max_tokens") or call.body.get("max_completion_tokens") or len(pieces)
    return (pieces[:limit], "length") if limit < len(pieces) else (pieces, "stop")


def _text(call: Call) -> str:
    if told := wants.results(call):
        return (
            f"{wants.MARK} answer of {call.model}: the tool answered {'; '.join(f'“{_quote(each)}”' for each in told)}."
        )
    text = f"{wants.MARK} answer of {call.model}: you wrote “{_quote(without_directives(call.prompt))}”."
    pictures = [_describe(part) for part in _parts(call) if part.get("type") == "image_url"]
    if pictures:
        text += f" It got {'a picture' if len(pictures) == 1 else 'pictures'}: {'; '.join(pictures)}."
    return f"{text} No model was run for it."


def _quote(text: str) -> str:
    return text if len(text) <= QUOTED else f"{text[:QUOTED].rstrip()}…"


def _stops(call: Call) -> list[str]:
    stop = call.body.get("stop") or []
    return [stop] if isinstance(stop, str) else [each for each in stop if isinstance(each, str)]


def _parts(call: Call) -> list[dict[str, Any]]:
    contents = [message.get("content") for message in call.body["messages"] if isinstance(message, dict)]
    return [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]


def _describe(part: dict[str, Any]) -> str:
    image = part.get("image_url")
    url = str(image.get("url") if isinstance(image, dict) else image)
    if not url.startswith("data:"):
        return f"the address {url if len(url) <= _SHOWN_URL else url[:_SHOWN_URL] + '…'}"
    head, _, data = url.partition(",")
    size = len(data.rstrip("=")) * 3 // 4 if head.endswith(";base64") else len(data)
    return f"a data URL, {head[5:].split(';')[0] or 'of no type'}, of {size} bytes"


def _usage(call: Call, completion: int) -> dict[str, int]:
    # Four characters to a token is the usual rule of thumb, and a message costs a few more for its frame.
    texts = [text_of(message.get("content")) for message in call.body["messages"] if isinstance(message, dict)]
    prompt = sum(len(text) // 4 + 4 for text in texts)
    prompt += _PICTURE_TOKENS * sum(part.get("type") == "image_url" for part in _parts(call))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _head(call: Call, kind: str) -> dict[str, Any]:
    # No clock and no chance in it: the same question gives the same bytes.
    return {"id": "sandbox", "object": kind, "created": 0, "model": call.model, "system_fingerprint": "sandbox"}


def _fragments(called: dict[str, Any]) -> list[str]:
    """Cut a call's arguments as they are streamed."""
    arguments = called["function"]["arguments"]
    return [arguments[start : start + _FRAGMENT] for start in range(0, len(arguments), _FRAGMENT)]


def _deltas(pieces: list[str], called: dict[str, Any] | None, shape: Shape | None) -> Iterator[dict[str, Any]]:
    if shape == "no_choices":
        return
    contents = [None] if shape == "null_content" else pieces
    yield from ({"role": "assistant", "content": content} for content in contents)
    if called:
        function = {**called["function"], "arguments": ""}
        yield {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **called, "function": function}]}
        for fragment in _fragments(called):
            yield {"role": "assistant", "tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}


def _frames(
    call: Call, deltas: Iterator[dict[str, Any]], reason: str, usage: dict[str, int], shape: Shape | None
) -> Iterator[dict[str, Any]]:
    head = _head(call, "chat.completion.chunk")
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": reason}
    yield {**head, "choices": [] if shape == "no_choices" else [last]}
    if (call.body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": usage}


def _sent(frames: Iterator[dict[str, Any]], shape: Shape | None, pause: Callable[[], None]) -> Iterator[bytes]:
    broken_after = {"cut_at_start": 0, "cut": 3, "error_frame": 3}.get(shape or "")
    for place, frame in enumerate(frames):
        if place == broken_after:
            if shape != "error_frame":
                raise stream.cut()
            yield _event(json.dumps(_CRASH))
            return
        if place:
            pause()
        yield _event(json.dumps(frame))
    yield _event("[DONE]")


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
