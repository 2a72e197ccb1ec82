"""OpenAI's own package, by chat completions: `python openai_chat.py BASE_URL FEATURE`."""

import sys
from typing import Any

import openai
from pydantic import BaseModel
from shared import ASK_WEATHER, BAD_REQUEST, FOLLOW_UP, IMAGE_PARTS, QUESTION, TOOL, WEATHER


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def client_of(base_url: str) -> openai.OpenAI:
    """Return a client that does not repeat what failed."""
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)


def ask(base_url: str, *messages: Any, **options: Any) -> Any:
    """Return the answer to messages; a plain text is the user's."""
    return client_of(base_url).chat.completions.create(model="omni", messages=[*map(as_message, messages)], **options)


def as_message(message: Any) -> Any:
    """Return a message, by default the user's."""
    return {"role": "user", "content": message} if isinstance(message, str | list) else message


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    first = ask(base_url, {"role": "system", "content": "Be brief."}, QUESTION)
    assert "Simulated answer" in first.choices[0].message.content, first
    assert first.usage.completion_tokens > 0, first
    second = ask(base_url, QUESTION, first.choices[0].message, FOLLOW_UP)
    assert FOLLOW_UP in second.choices[0].message.content, second
    assert any(model.id == "omni" for model in client_of(base_url).models.list())


def stream(base_url: str) -> None:
    """Check that chunks make up the final text, and the usage comes last."""
    messages = [as_message(QUESTION)]
    with client_of(base_url).chat.completions.stream(
        model="omni", messages=messages, stream_options={"include_usage": True}
    ) as events:
        deltas = [event.delta for event in events if event.type == "content.delta"]
        final = events.get_final_completion()
    assert len(deltas) > 3, deltas
    assert "".join(deltas) == final.choices[0].message.content, final
    assert final.usage, final
    assert final.usage.completion_tokens > 0, final


def tools(base_url: str) -> None:
    """Check a loop with one tool, at once and streamed."""
    first = ask(base_url, ASK_WEATHER, tools=[TOOL])
    message = first.choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather", first
    result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
    last = ask(base_url, ASK_WEATHER, message, result, tools=[TOOL])
    assert WEATHER in last.choices[0].message.content, last
    chunks = list(ask(base_url, ASK_WEATHER, tools=[TOOL], stream=True))
    assert any(chunk.choices and chunk.choices[0].delta.tool_calls for chunk in chunks), chunks


def images(base_url: str) -> None:
    """Check that an image arrives."""
    answer = ask(base_url, IMAGE_PARTS)
    assert "image/png" in answer.choices[0].message.content, answer


def structured(base_url: str) -> None:
    """Check an object of a class."""
    answer = client_of(base_url).chat.completions.parse(
        model="omni", messages=[as_message(ASK_WEATHER)], response_format=Weather
    )
    assert isinstance(answer.choices[0].message.parsed, Weather), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    with ask(base_url, QUESTION, stream=True) as chunks:
        next(iter(chunks))
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status, also for a stream."""
    _fail(base_url, as_stream=False)
    _fail(base_url, as_stream=True)


def _fail(base_url: str, *, as_stream: bool) -> None:
    try:
        ask(base_url, BAD_REQUEST, stream=as_stream)
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
