"""pydantic-ai's AnthropicModel as a client: `python tests/clients/drivers/pydantic_ai_anthropic.py BASE_URL FEATURE`.

It exits with 1 and a reason when the answer is not what this client expects.
"""

import asyncio
import base64
import sys
from typing import Any

from anthropic import AsyncAnthropic
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

QUESTION = "How do tides work?"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII="


class Tide(BaseModel):
    """When the water is highest."""

    place: str
    hour: int


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


async def chat(model: AnthropicModel) -> None:
    result = await Agent(model).run(QUESTION)
    check(result.output, "no text")
    check(result.usage.output_tokens > 0, f"no usage: {result.usage}")


async def stream(model: AnthropicModel) -> None:
    async with Agent(model).run_stream(QUESTION) as run:
        texts = [text async for text in run.stream_text(delta=True, debounce_by=None)]
    check(len(texts) > 1, f"the text came as {texts}")
    check(run.usage.output_tokens > 0, f"no usage: {run.usage}")


async def tools(model: AnthropicModel) -> None:
    result = await Agent(model, tools=[weather]).run("What is the weather in Paris?")
    check("It rains in" in result.output, f"the answer is {result.output}")


async def images(model: AnthropicModel) -> None:
    image = BinaryContent(base64.b64decode(PNG), media_type="image/png")
    result = await Agent(model).run(["What is in this image?", image])
    name = result.response.model_name or ""
    check("image-text-to-text" in name, f"the image was given to {name}")


async def structured(model: AnthropicModel) -> None:
    result: Any = await Agent(model, output_type=Tide).run(QUESTION)
    check(isinstance(result.output, Tide), f"no Tide: {result.output}")


async def cancel(model: AnthropicModel) -> None:
    async with Agent(model).run_stream(QUESTION) as run:
        async for _ in run.stream_text(delta=True, debounce_by=None):
            break
    await chat(model)


async def error(model: AnthropicModel) -> None:
    try:
        await Agent(AnthropicModel("nowhere", provider=model._provider)).run(QUESTION)
    except ModelHTTPError as failure:
        check(failure.status_code == 404 and "allowed are omni" in str(failure), f"the error is {failure}")
    else:
        sys.exit("an unknown model is not refused")


FEATURES = {f.__name__: f for f in (chat, stream, tools, images, structured, cancel, error)}


def check(holds: object, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    base_url, feature = sys.argv[1:]
    client = AsyncAnthropic(base_url=base_url.removesuffix("/v1"), api_key="none", max_retries=0)
    anthropic_model = AnthropicModel("omni", provider=AnthropicProvider(anthropic_client=client))
    asyncio.run(FEATURES[feature](anthropic_model))
