"""Instructor, which is for structured output: `python instructor_chat.py BASE_URL FEATURE`."""

import sys
from typing import Any

import instructor
import openai
from pydantic import BaseModel
from shared import ASK_WEATHER, BAD_REQUEST, DOT_URL, QUESTION

MODES = (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA)


class Weather(BaseModel):
    """What is asked for."""

    city: str
    degrees: int


def ask(base_url: str, content: Any, mode: instructor.Mode = MODES[0], response_model: Any = Weather) -> Any:
    """Return an object of a class."""
    return client_of(base_url, mode).create(
        model="omni", messages=[{"role": "user", "content": content}], response_model=response_model, max_retries=0
    )


def client_of(base_url: str, mode: instructor.Mode) -> instructor.Instructor:
    """Return a client that does not repeat what failed."""
    return instructor.from_openai(openai.OpenAI(base_url=base_url, api_key="none", max_retries=0), mode=mode)


def structured(base_url: str) -> None:
    """Check an object in each mode."""
    for mode in MODES:
        assert isinstance(ask(base_url, ASK_WEATHER, mode), Weather), mode


def chat(base_url: str) -> None:
    """Check a plain answer."""
    answer = ask(base_url, QUESTION, response_model=None)
    assert "Simulated answer" in answer.choices[0].message.content, answer


def stream(base_url: str) -> None:
    """Check objects that grow."""
    for mode in MODES:
        parts = list(
            client_of(base_url, mode).create_partial(
                model="omni", messages=[{"role": "user", "content": ASK_WEATHER}], response_model=Weather, max_retries=0
            )
        )
        assert parts[-1].city, parts


def images(base_url: str) -> None:
    """Check that an image reaches a model that sees."""
    messages: Any = [{"role": "user", "content": ["What is in this image?", instructor.Image.from_base64(DOT_URL)]}]
    answer, completion = client_of(base_url, instructor.Mode.JSON_SCHEMA).create_with_completion(
        model="omni", messages=messages, response_model=Weather, max_retries=0
    )
    assert isinstance(answer, Weather), answer
    assert "image-text-to-text" in completion.model, completion


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    parts = client_of(base_url, MODES[0]).create_partial(
        model="omni", messages=[{"role": "user", "content": ASK_WEATHER}], response_model=Weather, max_retries=0
    )
    next(iter(parts))
    del parts
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure names the server's error."""
    try:
        ask(base_url, BAD_REQUEST)
    except (openai.BadRequestError, instructor.core.InstructorRetryException) as caught:
        assert "bad_request" in str(caught), caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
