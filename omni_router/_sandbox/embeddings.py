"""Vectors of texts: made of their words, so that texts that share words are close, and in the form of each provider."""

import hashlib
import math
from typing import Any

from omni_router._sandbox import stream
from omni_router._sandbox.calls import Call, embedded_texts
from omni_router._sandbox.faults import FAULTS, Shape, without_directives
from omni_router.hub.http import httpx

TASKS = ("feature-extraction", "sentence-similarity")  # one call for both
DIMENSIONS = 64
_CHANGEABLE_AT = ("together", "scaleway")  # providers that obey `dimensions`


def answer(call: Call, shape: Shape | None) -> httpx.Response:
    """Answer a call of a model that embeds texts."""
    if shape in ("cut", "cut_at_start"):
        return httpx.Response(200, stream=stream.broken(b"[[" if shape == "cut" else b""))
    if shape == "content_filter":
        return httpx.Response(400, json={"error": "The text was refused by the content filter. (simulated)"})
    if shape is not None:
        return httpx.Response(200, json=FAULTS["error_body"].body)
    count = DIMENSIONS
    if call.provider in _CHANGEABLE_AT:
        count = call.body.get("dimensions") or DIMENSIONS
    vectors = [vector(without_directives(text), count) for text in embedded_texts(call.body)]
    if call.provider == "hf-inference":
        return httpx.Response(200, json=vectors)
    return httpx.Response(200, json=_openai_form(call, vectors))


def vector(text: str, count: int) -> list[float]:
    """Return a vector of length 1: each word adds to a few of its numbers."""
    numbers = [0.0] * count
    for word in text.casefold().split() or [""]:
        digest = hashlib.sha256(word.encode(errors="replace")).digest()
        for place in range(0, 16, 4):
            sign = 1.0 if digest[place] % 2 else -1.0
            numbers[int.from_bytes(digest[place + 1 : place + 4], "big") % count] += sign
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [round(number / length, 6) for number in numbers]


def _openai_form(call: Call, vectors: list[list[float]]) -> dict[str, Any]:
    data = []
    for index, numbers in enumerate(vectors):
        data.append({"object": "embedding", "index": index, "embedding": numbers})
    return {"object": "list", "data": data, "model": call.model}
