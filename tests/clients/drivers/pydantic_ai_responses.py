"""pydantic-ai by the Responses API, its `openai:` models: `python pydantic_ai_responses.py BASE_URL FEATURE`."""

import asyncio
import base64
import sys
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

DOT = base64.b64decode(  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


def agent_of(base_url: str, **options: Any) -> Agent[None, Any]:
    """Return an agent."""
    model = OpenAIResponsesModel("omni", provider=OpenAIProvider(base_url=base_url, api_key="none"))
    return Agent(model, **options)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    agent = agent_of(base_url, instructions="Be brief.")
    first = agent.run_sync("How do tides work?")
    assert "Simulated answer" in first.output, first
    second = agent.run_sync("And on the moon?", message_history=first.all_messages())
    assert "And on the moon?" in second.output, second


def stream(base_url: str) -> None:
    """Check that deltas make up the final text."""

    async def main() -> None:
        async with agent_of(base_url).run_stream("How do tides work?") as result:
            deltas = [delta async for delta in result.stream_text(delta=True, debounce_by=None)]
        assert len(deltas) > 3, deltas
        assert "Simulated answer" in "".join(deltas)

    asyncio.run(main())


def tools(base_url: str) -> None:
    """Check that the tool is called and its result answered."""
    agent = agent_of(base_url)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return "rain, 12 degrees"

    result = agent.run_sync("What is the weather in Paris?")
    assert "rain, 12 degrees" in result.output, result


def images(base_url: str) -> None:
    """Check that an image arrives."""
    result = agent_of(base_url).run_sync(["What is in this image?", BinaryContent(DOT, media_type="image/png")])
    assert "image/png" in result.output, result


def structured(base_url: str) -> None:
    """Check an object of a class."""
    result = agent_of(base_url, output_type=Weather).run_sync("The weather in Paris?")
    assert isinstance(result.output, Weather), result


def cancel(base_url: str) -> None:
    """Check that a stream may be left, and the server answers the next request."""

    async def main() -> None:
        async with agent_of(base_url).run_stream("How do tides work?") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                break

    asyncio.run(main())
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        agent_of(base_url).run_sync("Go [[sandbox:bad_request_400]]")
    except ModelHTTPError as caught:
        assert caught.status_code == 400, caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
