"""ChatOmni, in the process of the program: `python chat_omni.py - FEATURE`; it calls no server."""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from pydantic import BaseModel
from shared import ASK_WEATHER, BAD_REQUEST, FOLLOW_UP, IMAGE_PARTS, QUESTION, WEATHER

from omni_router import ChatOmni
from omni_router.errors import AnswerFailed


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return WEATHER


def chat(_: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    first = ChatOmni().invoke(QUESTION)
    assert "Simulated answer" in first.text, first
    second = ChatOmni().invoke([HumanMessage(QUESTION), first, HumanMessage(FOLLOW_UP)])
    assert FOLLOW_UP in second.text, second


def stream(_: str) -> None:
    """Check that chunks make up an answer."""
    texts = [chunk.text for chunk in ChatOmni().stream(QUESTION)]
    assert len(texts) > 3, texts
    assert "Simulated answer" in "".join(texts), texts


def tools(_: str) -> None:
    """Check an agent's loop."""
    agent: Any = create_agent(ChatOmni(), [get_weather])
    messages = agent.invoke({"messages": [HumanMessage(ASK_WEATHER)]})["messages"]
    assert WEATHER in messages[-1].text, messages


def images(_: str) -> None:
    """Check that an image arrives."""
    content: Any = IMAGE_PARTS
    answer = ChatOmni().invoke([HumanMessage(content)])
    assert "image/png" in answer.text, answer


def structured(_: str) -> None:
    """Check an object of a class, in both ways."""
    for method in ("json_schema", "function_calling"):
        answer = ChatOmni().with_structured_output(Weather, method=method).invoke(ASK_WEATHER)
        assert isinstance(answer, Weather), answer


def cancel(address: str) -> None:
    """Check that a stream may be left, and the next call is answered."""
    chunks: Any = ChatOmni().stream(QUESTION)
    next(chunks)
    chunks.close()
    chat(address)


def error(_: str) -> None:
    """Check that a failure is an exception that says its kind."""
    try:
        ChatOmni().invoke(BAD_REQUEST)
    except AnswerFailed as caught:
        assert caught.kind == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
