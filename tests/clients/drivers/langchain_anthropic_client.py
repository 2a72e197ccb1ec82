"""ChatAnthropic as a client: `python tests/clients/drivers/langchain_anthropic_client.py BASE_URL FEATURE`.

It exits with 1 and a reason when the answer is not what this client expects.
"""

import sys
from typing import Any

import anthropic
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel

QUESTION = "How do tides work?"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII="


class Tide(BaseModel):
    """When the water is highest."""

    place: str
    hour: int


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


def chat(model: ChatAnthropic) -> None:
    answer = model.invoke(QUESTION)
    check(answer.text, f"no text: {answer}")
    check(answer.usage_metadata and answer.usage_metadata["output_tokens"], f"no usage: {answer.usage_metadata}")


def stream(model: ChatAnthropic) -> None:
    chunks = list(model.stream(QUESTION))
    whole: Any = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    check(len(chunks) > 3 and whole.text, f"the text came in {len(chunks)} chunks: {whole}")
    check(whole.usage_metadata["input_tokens"] > 0, f"no usage: {whole.usage_metadata}")


def tools(model: ChatAnthropic) -> None:
    agent: Any = create_agent(model, [weather])
    messages = agent.invoke({"messages": [HumanMessage("What is the weather in Paris?")]})["messages"]
    check([message.type for message in messages] == ["human", "ai", "tool", "ai"], f"the messages are {messages}")


def images(model: ChatAnthropic) -> None:
    image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    content: Any = [{"type": "text", "text": "What is in this image?"}, image]
    answer = model.invoke([HumanMessage(content)])
    name = answer.response_metadata["model_name"]
    check("image-text-to-text" in name, f"the image was given to {name}")


def structured(model: ChatAnthropic) -> None:
    for method in ("json_schema", "function_calling"):
        tide = model.with_structured_output(Tide, method=method).invoke(QUESTION)
        check(isinstance(tide, Tide), f"no Tide with {method}: {tide}")


def cancel(model: ChatAnthropic) -> None:
    events = model.stream(QUESTION)
    first = next(events)
    check(isinstance(first, AIMessage), f"the first chunk is {first}")
    getattr(events, "close")()  # noqa: B009 (typed as an iterator)
    chat(model)


def error(model: ChatAnthropic) -> None:
    try:
        model.model_copy(update={"model": "nowhere"}).invoke(QUESTION)
    except anthropic.NotFoundError as failure:
        check("allowed are omni" in str(failure), f"the error is {failure}")
    else:
        sys.exit("an unknown model is not refused")


FEATURES = {f.__name__: f for f in (chat, stream, tools, images, structured, cancel, error)}


def check(holds: object, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    base_url, feature = sys.argv[1:]
    settings: Any = {"model": "omni", "api_key": "none", "base_url": base_url.removesuffix("/v1"), "max_retries": 0}
    FEATURES[feature](ChatAnthropic(**settings))
