"""Haystack's chat generator by the Responses API: `python haystack_responses.py BASE_URL FEATURE`."""

import sys
from typing import Any

import openai
from haystack.components.generators.chat import OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage, ImageContent
from haystack.tools import tool
from haystack.utils import Secret
from pydantic import BaseModel

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return "rain, 12 degrees"


def run(base_url: str, messages: list[ChatMessage], **options: Any) -> ChatMessage:
    """Return the reply to messages."""
    generator = OpenAIResponsesChatGenerator(
        api_key=Secret.from_token("none"), model="omni", api_base_url=base_url, max_retries=0, **options
    )
    return generator.run(messages)["replies"][0]


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    messages = [ChatMessage.from_system("Be brief."), ChatMessage.from_user("How do tides work?")]
    first = run(base_url, messages)
    assert "Simulated answer" in first.text, first
    second = run(base_url, [*messages, first, ChatMessage.from_user("And on the moon?")])
    assert "And on the moon?" in second.text, second


def stream(base_url: str) -> None:
    """Check that deltas make up the final text."""
    deltas = []
    reply = run(
        base_url,
        [ChatMessage.from_user("How do tides work?")],
        streaming_callback=lambda chunk: deltas.append(chunk.content),
    )
    assert sum(map(bool, deltas)) > 3, deltas
    assert "".join(deltas) == reply.text, reply


def tools(base_url: str) -> None:
    """Check a loop with one tool, at once and streamed."""
    for callback in (None, lambda _chunk: None):
        messages = [ChatMessage.from_user("What is the weather in Paris?")]
        first = run(base_url, messages, tools=[get_weather], streaming_callback=callback)
        [call] = first.tool_calls
        assert call.tool_name == "get_weather", first
        result = ChatMessage.from_tool(get_weather.invoke(**call.arguments), origin=call)
        last = run(base_url, [*messages, first, result], tools=[get_weather], streaming_callback=callback)
        assert "rain, 12 degrees" in last.text, last


def images(base_url: str) -> None:
    """Check that an image arrives."""
    image = ImageContent(base64_image=DOT, mime_type="image/png")
    reply = run(base_url, [ChatMessage.from_user(content_parts=["What is in this image?", image])])
    assert "image/png" in reply.text, reply


def structured(base_url: str) -> None:
    """Check JSON of a class."""
    messages = [ChatMessage.from_user("The weather in Paris?")]
    reply = run(base_url, messages, generation_kwargs={"text_format": Weather})
    assert Weather.model_validate_json(reply.text), reply


def cancel(base_url: str) -> None:
    """Check that a stream may be left by an exception, and the server answers the next request."""

    def leave(_chunk: Any) -> None:
        raise KeyboardInterrupt

    try:
        run(base_url, [ChatMessage.from_user("How do tides work?")], streaming_callback=leave)
    except KeyboardInterrupt:
        chat(base_url)
    else:
        raise AssertionError("the stream was not left")


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status, and one within a stream an exception."""
    try:
        run(base_url, [ChatMessage.from_user("Go [[sandbox:bad_request_400]]")])
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")
    try:
        message = ChatMessage.from_user("Tides? [[sandbox:stream_cut]]")
        run(base_url, [message], streaming_callback=lambda _chunk: None)
    except openai.APIError as caught:
        assert caught.code == "overloaded", caught
    else:
        raise AssertionError("no error within a stream")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
