"""LiteLLM's Responses API, and its bridge from chats to it: `python litellm_responses.py BASE_URL FEATURE`."""

import sys
from typing import Any

import litellm
from pydantic import BaseModel

DOT = (  # a PNG of one pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4"
    "2mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
litellm.num_retries = 0


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def bridge(base_url: str, content: Any, *, before: Any = (), **options: Any) -> Any:
    """Return the answer to a chat, which LiteLLM sends as a response."""
    messages = [*before, {"role": "user", "content": content}] if content else [*before]
    return litellm.completion(
        model="openai/responses/omni", messages=messages, api_base=base_url, api_key="none", **options
    )


def chat(base_url: str) -> None:
    """Check an answer by the Responses API, and a conversation over the bridge."""
    first = litellm.responses(model="openai/omni", input="How do tides work?", api_base=base_url, api_key="none")
    assert "Simulated answer" in first.output_text, first
    before = [{"role": "user", "content": "How do tides work?"}, {"role": "assistant", "content": first.output_text}]
    second = bridge(base_url, "And on the moon?", before=before)
    assert "And on the moon?" in second.choices[0].message.content, second


def stream(base_url: str) -> None:
    """Check the deltas of both."""
    events = litellm.responses(
        model="openai/omni", input="How do tides work?", api_base=base_url, api_key="none", stream=True
    )
    types = [str(event.type) for event in events]
    assert sum(kind.lower().endswith("output_text_delta") for kind in types) > 3, types
    chunks = [chunk.choices[0].delta.content or "" for chunk in bridge(base_url, "How do tides work?", stream=True)]
    assert "Simulated answer" in "".join(chunks), chunks
    assert sum(map(bool, chunks)) > 3, chunks


def tools(base_url: str) -> None:
    """Check a loop with one tool over the bridge."""
    before: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    message = bridge(base_url, None, before=before, tools=[TOOL]).choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather", message
    before += [message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "rain, 12 degrees"}]
    last = bridge(base_url, None, before=before, tools=[TOOL])
    assert "rain, 12 degrees" in last.choices[0].message.content, last


def images(base_url: str) -> None:
    """Check that an image arrives over the bridge."""
    parts = [{"type": "text", "text": "What is in this image?"}, {"type": "image_url", "image_url": {"url": DOT}}]
    answer = bridge(base_url, parts)
    assert "image/png" in answer.choices[0].message.content, answer


def structured(base_url: str) -> None:
    """Check JSON of a class over the bridge."""
    answer = bridge(base_url, "The weather in Paris?", response_format=Weather)
    assert Weather.model_validate_json(answer.choices[0].message.content), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    chunks = bridge(base_url, "How do tides work?", stream=True)
    next(iter(chunks))
    del chunks
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        bridge(base_url, "Go [[sandbox:bad_request_400]]")
    except litellm.BadRequestError as caught:
        assert caught.status_code == 400, caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
