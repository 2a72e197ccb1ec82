"""LiteLLM's completion, by chat completions: `python litellm_chat.py BASE_URL FEATURE`."""

import sys
from typing import Any

import litellm
from pydantic import BaseModel
from shared import ASK_WEATHER, BAD_REQUEST, FOLLOW_UP, IMAGE_PARTS, QUESTION, TOOL, WEATHER

litellm.num_retries = 0


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def ask(base_url: str, *contents: Any, **options: Any) -> Any:
    """Return the answer to messages; a content alone is the user's."""
    messages = [{"role": "user", "content": c} if isinstance(c, str | list) else c for c in contents]
    return litellm.completion("openai/omni", messages, api_base=base_url, api_key="none", **options)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    first = ask(base_url, {"role": "system", "content": "Be brief."}, QUESTION)
    assert "Simulated answer" in first.choices[0].message.content, first
    assert first.usage.completion_tokens > 0, first
    second = ask(base_url, QUESTION, first.choices[0].message, FOLLOW_UP)
    assert FOLLOW_UP in second.choices[0].message.content, second


def stream(base_url: str) -> None:
    """Check that chunks make up an answer, with the usage."""
    chunks = list(ask(base_url, QUESTION, stream=True, stream_options={"include_usage": True}))
    whole: Any = litellm.stream_chunk_builder(chunks)
    assert len(chunks) > 3, chunks
    assert "Simulated answer" in whole.choices[0].message.content, whole
    assert whole.usage.completion_tokens > 0, whole


def tools(base_url: str) -> None:
    """Check a loop with one tool."""
    message = ask(base_url, ASK_WEATHER, tools=[TOOL]).choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather", message
    result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
    last = ask(base_url, ASK_WEATHER, message, result, tools=[TOOL])
    assert WEATHER in last.choices[0].message.content, last


def images(base_url: str) -> None:
    """Check that an image arrives."""
    answer = ask(base_url, IMAGE_PARTS)
    assert "image/png" in answer.choices[0].message.content, answer


def structured(base_url: str) -> None:
    """Check JSON of a class."""
    answer = ask(base_url, ASK_WEATHER, response_format=Weather)
    Weather.model_validate_json(answer.choices[0].message.content)


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    chunks = ask(base_url, QUESTION, stream=True)
    next(iter(chunks))
    del chunks
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        ask(base_url, BAD_REQUEST)
    except litellm.BadRequestError as caught:
        assert caught.status_code == 400, caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
