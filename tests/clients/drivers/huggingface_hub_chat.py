"""Hugging Face's InferenceClient: `python huggingface_hub_chat.py BASE_URL FEATURE`."""

import json
import sys
from functools import cache
from typing import Any

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from shared import ASK_WEATHER, BAD_REQUEST, FOLLOW_UP, IMAGE_PARTS, QUESTION, RESPONSE_FORMAT, SCHEMA, TOOL, WEATHER


def ask(base_url: str, *contents: Any, **options: Any) -> Any:
    """Return the answer to messages; a content alone is the user's."""
    messages = [c if isinstance(c, dict) else {"role": "user", "content": c} for c in contents]
    return client_of(base_url).chat_completion(messages, model="omni", **options)


@cache
def client_of(base_url: str) -> InferenceClient:
    """Return the client; one that nothing refers to any more closes its streams."""
    return InferenceClient(base_url=base_url, api_key="none")


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    first = ask(base_url, QUESTION)
    text = first.choices[0].message.content
    assert "Simulated answer" in text, first
    second = ask(base_url, QUESTION, {"role": "assistant", "content": text}, FOLLOW_UP)
    assert FOLLOW_UP in second.choices[0].message.content, second


def stream(base_url: str) -> None:
    """Check that chunks make up an answer."""
    chunks = list(ask(base_url, QUESTION, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(chunks) > 3, chunks
    assert "Simulated answer" in text, chunks


def tools(base_url: str) -> None:
    """Check a loop with one tool."""
    first = ask(base_url, ASK_WEATHER, tools=[TOOL])
    [call] = first.choices[0].message.tool_calls
    assert call.function.name == "get_weather", first
    calls = [{"id": call.id, "type": "function", "function": dict(call.function)}]
    answer = {"role": "assistant", "content": "", "tool_calls": calls}
    result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
    last = ask(base_url, ASK_WEATHER, answer, result, tools=[TOOL])
    assert WEATHER in last.choices[0].message.content, last


def images(base_url: str) -> None:
    """Check that an image arrives."""
    answer = ask(base_url, IMAGE_PARTS)
    assert "image/png" in answer.choices[0].message.content, answer


def structured(base_url: str) -> None:
    """Check JSON by a schema."""
    answer = ask(base_url, ASK_WEATHER, response_format=RESPONSE_FORMAT)
    assert set(json.loads(answer.choices[0].message.content)) == set(SCHEMA["required"]), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    chunks = ask(base_url, QUESTION, stream=True)
    next(iter(chunks))
    chunks.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status, also for a stream."""
    _fail(base_url, as_stream=False)
    _fail(base_url, as_stream=True)


def _fail(base_url: str, *, as_stream: bool) -> None:
    try:
        list(ask(base_url, BAD_REQUEST, stream=as_stream))
    except HfHubHTTPError as caught:
        assert caught.response.status_code == 400, caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
