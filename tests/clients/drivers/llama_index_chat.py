"""LlamaIndex's OpenAILike: `python llama_index_chat.py BASE_URL FEATURE`."""

import base64
import sys
from typing import Any

import openai
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from shared import ASK_IMAGE, ASK_WEATHER, BAD_REQUEST, DOT, FOLLOW_UP, QUESTION, WEATHER


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return WEATHER


def model_of(base_url: str) -> OpenAILike:
    """Return a model that does not repeat what failed."""
    return OpenAILike(
        model="omni",
        api_base=base_url,
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )


def user(content: Any) -> ChatMessage:
    """Return a message of the user."""
    return ChatMessage(role=MessageRole.USER, content=content)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    model = model_of(base_url)
    first = model.chat([ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), user(QUESTION)])
    assert "Simulated answer" in str(first.message.content), first
    second = model.chat([user(QUESTION), first.message, user(FOLLOW_UP)])
    assert FOLLOW_UP in str(second.message.content), second


def stream(base_url: str) -> None:
    """Check that deltas make up an answer."""
    deltas = [chunk.delta or "" for chunk in model_of(base_url).stream_chat([user(QUESTION)])]
    assert len(deltas) > 3, deltas
    assert "Simulated answer" in "".join(deltas), deltas


def tools(base_url: str) -> None:
    """Check that a tool is called and its result answered."""
    model, tool = model_of(base_url), FunctionTool.from_defaults(get_weather)
    first = model.chat_with_tools([tool], user_msg=ASK_WEATHER)
    [call] = model.get_tool_calls_from_response(first)
    assert call.tool_name == "get_weather", first
    result = ChatMessage(
        role=MessageRole.TOOL, content=WEATHER, additional_kwargs={"tool_call_id": call.tool_id, "name": "get_weather"}
    )
    last = model.chat_with_tools([tool], chat_history=[user(ASK_WEATHER), first.message, result])
    assert WEATHER in str(last.message.content), last


def images(base_url: str) -> None:
    """Check that an image arrives."""
    blocks = [TextBlock(text=ASK_IMAGE), ImageBlock(image=base64.b64decode(DOT), image_mimetype="image/png")]
    answer = model_of(base_url).chat([ChatMessage(role=MessageRole.USER, blocks=blocks)])
    assert "image/png" in str(answer.message.content), answer


def structured(base_url: str) -> None:
    """Check an object of a class."""
    answer = model_of(base_url).as_structured_llm(Weather).chat([user(ASK_WEATHER)])
    assert isinstance(answer.raw, Weather), answer


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""
    chunks: Any = model_of(base_url).stream_chat([user(QUESTION)])
    next(chunks)
    chunks.close()
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        model_of(base_url).chat([user(BAD_REQUEST)])
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
