"""Hugging Face's smolagents, with OpenAIModel: `python smolagents_chat.py BASE_URL FEATURE`."""

import base64
import io
import json
import sys
from typing import Any

import openai
from PIL import Image
from shared import ASK_IMAGE, ASK_WEATHER, BAD_REQUEST, DOT, FOLLOW_UP, QUESTION, RESPONSE_FORMAT, SCHEMA, WEATHER
from smolagents import ChatMessage, OpenAIModel, ToolCallingAgent, tool


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: the name of the city.
    """
    return WEATHER


def model_of(base_url: str) -> OpenAIModel:
    """Return a model that does not repeat what failed."""
    return OpenAIModel("omni", api_base=base_url, api_key="none", client_kwargs={"max_retries": 0}, retry=False)


def user(*parts: Any) -> ChatMessage:
    """Return a message of the user."""
    return ChatMessage(
        role="user", content=[part if isinstance(part, dict) else {"type": "text", "text": part} for part in parts]
    )


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    model = model_of(base_url)
    first = model.generate([user(QUESTION)])
    assert "Simulated answer" in first.content, first
    assert first.token_usage.output_tokens > 0, first
    answer = ChatMessage(role="assistant", content=[{"type": "text", "text": first.content}])
    second = model.generate([user(QUESTION), answer, user(FOLLOW_UP)])
    assert FOLLOW_UP in second.content, second


def stream(base_url: str) -> None:
    """Check that deltas make up an answer."""
    deltas = [delta.content or "" for delta in model_of(base_url).generate_stream([user(QUESTION)])]
    assert len(deltas) > 3, deltas
    assert "Simulated answer" in "".join(deltas), deltas


def tools(base_url: str) -> None:
    """Check that an agent's tool is called, and its result reaches the model."""
    agent = ToolCallingAgent([get_weather], model_of(base_url), max_steps=2, verbosity_level=0)
    agent.run(ASK_WEATHER)
    observations = [getattr(step, "observations", None) for step in agent.memory.steps]
    assert WEATHER in str(observations), observations


def images(base_url: str) -> None:
    """Check that an image arrives."""
    image = Image.open(io.BytesIO(base64.b64decode(DOT)))
    answer = model_of(base_url).generate([user(ASK_IMAGE, {"type": "image", "image": image})])
    assert "image/png" in answer.content, answer


def structured(base_url: str) -> None:
    """Check JSON by a schema."""
    answer = model_of(base_url).generate([user(ASK_WEATHER)], response_format=RESPONSE_FORMAT)
    assert set(json.loads(answer.content)) == set(SCHEMA["required"]), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    deltas: Any = model_of(base_url).generate_stream([user(QUESTION)])
    next(deltas)
    deltas.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        model_of(base_url).generate([user(BAD_REQUEST)])
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
