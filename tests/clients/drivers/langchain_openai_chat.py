"""LangChain's ChatOpenAI: `python langchain_openai_chat.py BASE_URL FEATURE`."""

import sys
from typing import Any

import openai
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from shared import ASK_WEATHER, BAD_REQUEST, FOLLOW_UP, IMAGE_PARTS, QUESTION, WEATHER


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return WEATHER


def model_of(base_url: str) -> ChatOpenAI:
    """Return a model that does not repeat what failed."""
    settings: Any = {"model": "omni", "base_url": base_url, "api_key": "none", "max_retries": 0}
    return ChatOpenAI(**settings, stream_usage=True)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    model = model_of(base_url)
    first = model.invoke([SystemMessage("Be brief."), HumanMessage(QUESTION)])
    assert "Simulated answer" in first.text, first
    assert first.usage_metadata, first
    second = model.invoke([HumanMessage(QUESTION), first, HumanMessage(FOLLOW_UP)])
    assert FOLLOW_UP in second.text, second


def stream(base_url: str) -> None:
    """Check that chunks make up the whole text, with the usage."""
    chunks = list(model_of(base_url).stream(QUESTION))
    whole: Any = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert len(chunks) > 3, chunks
    assert "Simulated answer" in whole.text, whole
    assert whole.usage_metadata["output_tokens"] > 0, whole


def tools(base_url: str) -> None:
    """Check an agent's loop, at once and streamed."""
    agent: Any = create_agent(model_of(base_url), [get_weather])
    question = {"messages": [HumanMessage(ASK_WEATHER)]}
    messages = agent.invoke(question)["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"], messages
    assert WEATHER in messages[-1].text, messages
    pieces = [message.text for message, _ in agent.stream(question, stream_mode="messages")]
    assert WEATHER in "".join(pieces), pieces


def images(base_url: str) -> None:
    """Check that an image arrives."""
    content: Any = IMAGE_PARTS
    answer = model_of(base_url).invoke([HumanMessage(content)])
    assert "image/png" in answer.text, answer


def structured(base_url: str) -> None:
    """Check an object of a class, in both ways."""
    for method in ("json_schema", "function_calling"):
        answer = model_of(base_url).with_structured_output(Weather, method=method).invoke(ASK_WEATHER)
        assert isinstance(answer, Weather), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    chunks: Any = model_of(base_url).stream(QUESTION)
    next(chunks)
    chunks.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        model_of(base_url).invoke(BAD_REQUEST)
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
