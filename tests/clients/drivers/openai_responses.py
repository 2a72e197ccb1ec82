"""OpenAI's own package, by its Responses API: `python openai_responses.py BASE_URL FEATURE`."""

import sys
from typing import Any

import openai
from pydantic import BaseModel

DOT = (  # a PNG of one pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4"
    "2mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def client_of(base_url: str) -> openai.OpenAI:
    """Return a client that does not repeat what failed."""
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    client = client_of(base_url)
    first = client.responses.create(model="omni", instructions="Be brief.", input="How do tides work?")
    assert "Simulated answer" in first.output_text, first
    history: Any = [{"role": "user", "content": "How do tides work?"}, *first.output]
    second = client.responses.create(model="omni", input=[*history, {"role": "user", "content": "And on the moon?"}])
    assert "And on the moon?" in second.output_text, second


def stream(base_url: str) -> None:
    """Check that deltas make up the final text."""
    with client_of(base_url).responses.stream(model="omni", input="How do tides work?") as events:
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        final = events.get_final_response()
    assert len(deltas) > 3, deltas
    assert "".join(deltas) == final.output_text


def tools(base_url: str) -> None:
    """Check a loop with one tool."""
    client = client_of(base_url)
    history: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.responses.create(model="omni", input=history, tools=[TOOL])
    [call] = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather", first
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain, 12 degrees"}
    last = client.responses.create(model="omni", input=[*history, *first.output, result], tools=[TOOL])
    assert "rain, 12 degrees" in last.output_text, last


def images(base_url: str) -> None:
    """Check that an image arrives."""
    parts: Any = [{"type": "input_text", "text": "What is in this image?"}, {"type": "input_image", "image_url": DOT}]
    response = client_of(base_url).responses.create(model="omni", input=[{"role": "user", "content": parts}])
    assert "image/png" in response.output_text, response


def structured(base_url: str) -> None:
    """Check an object of a class."""
    response = client_of(base_url).responses.parse(model="omni", input="The weather in Paris?", text_format=Weather)
    assert isinstance(response.output_parsed, Weather), response


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    client = client_of(base_url)
    with client.responses.create(model="omni", input="How do tides work?", stream=True) as events:
        next(iter(events))
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status, also for a stream, and one within a stream an exception."""
    _fail(base_url, as_stream=False)
    _fail(base_url, as_stream=True)
    try:
        list(client_of(base_url).responses.create(model="omni", input="Tides? [[sandbox:stream_cut]]", stream=True))
    except openai.APIError as caught:
        assert caught.code == "overloaded", caught
    else:
        raise AssertionError("no error")


def _fail(base_url: str, *, as_stream: bool) -> None:
    try:
        client_of(base_url).responses.create(model="omni", input="Go [[sandbox:bad_request_400]]", stream=as_stream)
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
