"""How many tokens a chat has, as its provider counts and bills them, and whether they fit."""

import json
from typing import Any

from omni_router._sandbox.calls import Call, dicts, text_of

IMAGE_TOKENS = 256  # roughly what vision models count for an image
_BYTES_PER_TOKEN = 4  # of UTF-8: the usual rule of thumb for English, and about right for other scripts
_FRAME_TOKENS = 4  # what a message costs beside its text


def prompt_tokens(call: Call) -> int:
    """Estimate the tokens of a request: its messages, images and tools."""
    tokens = _tokens_of(_as_text(call.body.get("tools")))
    for message in dicts(call.body["messages"]):
        content = message.get("content")
        images = sum(part.get("type") == "image_url" for part in dicts(content))
        tokens += _FRAME_TOKENS + _tokens_of(text_of(content)) + IMAGE_TOKENS * images
        tokens += _tokens_of(_as_text(message.get("tool_calls")))
    return tokens


def requested_tokens(call: Call) -> int | None:
    """Return how many tokens the answer may have; None if the request does not say."""
    for name in ("max_tokens", "max_completion_tokens"):
        if isinstance(limit := call.body.get(name), int):
            return limit
    return None


def why_too_long(call: Call, context_length: int | None) -> dict[str, Any] | None:
    """Return the error of a provider whose context the prompt and the answer exceed, in the words of vLLM."""
    prompt, completion = prompt_tokens(call), requested_tokens(call) or 1
    if context_length is None or prompt + completion <= context_length:
        return None
    text = (
        f"This model's maximum context length is {context_length} tokens. However, you requested "
        f"{prompt + completion} tokens ({prompt} in the messages, {completion} in the completion). (simulated)"
    )
    return {"message": text, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}


def _as_text(value: Any) -> str:
    """Return the JSON of the objects in a list; nothing if there are none."""
    objects = dicts(value)
    return json.dumps(objects, ensure_ascii=False) if objects else ""


def _tokens_of(text: str) -> int:
    return len(text.encode(errors="replace")) // _BYTES_PER_TOKEN
