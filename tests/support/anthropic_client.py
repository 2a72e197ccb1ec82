"""Requests to /v1/messages, and the events of a stream, checked against the types of Anthropic's own client."""

import json
from typing import Any

import httpx
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def post(url: str, **body: Any) -> httpx.Response:
    body = {"model": "omni", "max_tokens": 500, "messages": QUESTION, **body}
    return httpx.post(f"{url}/messages", json=body, timeout=60)


def events_of(url: str, **body: Any) -> list[dict[str, Any]]:
    """Return the events of a stream, each of which has the client's form and is named as its data says."""
    events = []
    response = post(url, stream=True, **body)
    assert response.headers["request-id"].startswith("req_")
    for frame in response.text.strip().split("\n\n"):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] not in ("ping", "error"):
            EVENTS.validate_python(event)
        events.append(event)
    return events
