"""The Anthropic SDK as a client: `python tests/clients/drivers/anthropic_sdk.py BASE_URL FEATURE`.

It exits with 1 and a reason when the answer is not what this client expects.
"""

import sys
from typing import Any

from anthropic import Anthropic, NotFoundError, RateLimitError, beta_tool
from pydantic import BaseModel

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII="


class Tide(BaseModel):
    """When the water is highest."""

    place: str
    hour: int


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


def chat(client: Anthropic) -> None:
    answer = client.messages.create(model="omni", max_tokens=500, messages=QUESTION)
    check(answer.content[0].type == "text" and answer.content[0].text, f"no text: {answer.content}")
    check(answer.stop_reason == "end_turn", f"stop_reason is {answer.stop_reason}")
    check(answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, f"no usage: {answer.usage}")
    count = client.messages.count_tokens(model="omni", messages=QUESTION)
    check(count.input_tokens > 0, f"count_tokens is {count.input_tokens}")
    check(any(model.id == "omni" for model in client.models.list()), "omni is not on the list of models")


def stream(client: Anthropic) -> None:
    with client.messages.stream(model="omni", max_tokens=500, messages=QUESTION) as events:
        kinds = [event.type for event in events if event.type != "text"]
        answer = events.get_final_message()
    begin, end = ["message_start", "content_block_start"], ["content_block_stop", "message_delta", "message_stop"]
    check(kinds[:2] == begin and kinds[-3:] == end, f"the events are {kinds}")
    check(kinds.count("content_block_delta") > 1, "the text came at once")
    check(answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0, f"the message is {answer}")


def tools(client: Anthropic) -> None:
    ask: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    runner = client.beta.messages.tool_runner(model="omni", max_tokens=500, tools=[beta_tool(weather)], messages=ask)
    answers = list(runner)
    check([answer.stop_reason for answer in answers] == ["tool_use", "end_turn"], f"the answers are {answers}")


def images(client: Anthropic) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is in this image?"}]
    answer = client.messages.create(model="omni", max_tokens=500, messages=[{"role": "user", "content": content}])
    omni: Any = answer.model_extra or {}
    check(omni["omni"]["task"] == "image-text-to-text", f"the task was {omni['omni']['task']}")


def structured(client: Anthropic) -> None:
    answer = client.messages.parse(model="omni", max_tokens=500, messages=QUESTION, output_format=Tide)
    check(isinstance(answer.parsed_output, Tide), f"no Tide in {answer.content}")


def cancel(client: Anthropic) -> None:
    with client.messages.stream(model="omni", max_tokens=500, messages=QUESTION) as events:
        first = next(iter(events))
    check(first.type == "message_start", f"the first event is {first.type}")
    chat(client)


def error(client: Anthropic) -> None:
    try:
        client.messages.create(model="nowhere", max_tokens=500, messages=QUESTION)
    except NotFoundError as failure:
        check(failure.type == "not_found_error" and failure.request_id, f"the error is {failure.body}")
    else:
        sys.exit("an unknown model is not refused")
    ask: Any = [{"role": "user", "content": "[[sandbox:rate_limited_429]] How do tides work?"}]
    try:
        client.messages.create(model="sandbox/text-generation-1", max_tokens=500, messages=ask)
    except RateLimitError as failure:
        check(failure.type == "rate_limit_error", f"the error is {failure.body}")
    else:
        sys.exit("a rate limit is not reported")


FEATURES = {f.__name__: f for f in (chat, stream, tools, images, structured, cancel, error)}


def check(holds: object, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    base_url, feature = sys.argv[1:]
    # Anthropic's clients add /v1 themselves.
    with Anthropic(base_url=base_url.removesuffix("/v1"), api_key="none", max_retries=0) as anthropic:
        FEATURES[feature](anthropic)
