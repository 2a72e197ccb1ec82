"""AG2's agents by the Responses API: `python ag2_responses.py BASE_URL FEATURE`."""

import asyncio
import base64
import sys
from typing import Any

import openai
from ag2 import Agent, observer, tool
from ag2.config import OpenAIResponsesConfig
from ag2.events import ImageInput, ModelMessageChunk
from pydantic import BaseModel

DOT = base64.b64decode(  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return "rain, 12 degrees"


def agent_of(base_url: str, *, streaming: bool = False, **options: Any) -> Agent:
    """Return an agent."""
    config = OpenAIResponsesConfig(model="omni", base_url=base_url, api_key="none", max_retries=0, streaming=streaming)
    return Agent("a", config=config, **options)


async def text_of(reply: Any) -> str:
    """Return the text of a reply."""
    return str(reply.body)


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""

    async def main() -> None:
        first = await agent_of(base_url, prompt="Be brief.").ask("How do tides work?")
        assert "Simulated answer" in await text_of(first), first
        second = await first.ask("And on the moon?")
        assert "And on the moon?" in await text_of(second), second

    asyncio.run(main())


def stream(base_url: str) -> None:
    """Check that chunks make up the final text."""
    chunks: list[str] = []

    @observer(ModelMessageChunk)
    async def note(chunk: ModelMessageChunk) -> None:
        chunks.append(chunk.content)

    async def main() -> None:
        reply = await agent_of(base_url, streaming=True).ask("How do tides work?", observers=[note])
        assert len(chunks) > 3, chunks
        assert "".join(chunks) == await text_of(reply), reply

    asyncio.run(main())


def tools(base_url: str) -> None:
    """Check that the tool is called and its result answered, at once and streamed."""

    async def main() -> None:
        for streaming in (False, True):
            reply = await agent_of(base_url, streaming=streaming, tools=[get_weather]).ask("The weather in Paris?")
            assert "rain, 12 degrees" in await text_of(reply), reply

    asyncio.run(main())


def images(base_url: str) -> None:
    """Check that an image arrives."""

    async def main() -> None:
        reply = await agent_of(base_url).ask("What is in this image?", ImageInput(data=DOT, media_type="image/png"))
        assert "image/png" in await text_of(reply), reply

    asyncio.run(main())


def structured(base_url: str) -> None:
    """Check an object of a class."""

    async def main() -> None:
        reply = await agent_of(base_url, response_schema=Weather).ask("The weather in Paris?")
        assert isinstance(await reply.content(), Weather), reply

    asyncio.run(main())


def cancel(base_url: str) -> None:
    """Check that a streamed request may be cancelled, and the server answers the next one."""

    async def main() -> None:
        begun = asyncio.Event()

        @observer(ModelMessageChunk)
        async def note(_: ModelMessageChunk) -> None:
            begun.set()

        agent = agent_of(base_url, streaming=True)
        task = asyncio.create_task(agent.ask("How do tides work?", observers=[note]))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(main())
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status, and one within a stream an exception."""

    async def main() -> None:
        try:
            await agent_of(base_url).ask("Go [[sandbox:bad_request_400]]")
        except openai.BadRequestError as caught:
            assert caught.code == "bad_request", caught
        else:
            raise AssertionError("no error")
        try:
            await agent_of(base_url, streaming=True).ask("Tides? [[sandbox:stream_cut]]")
        except openai.APIError as caught:
            assert caught.code == "overloaded", caught
        else:
            raise AssertionError("no error within a stream")

    asyncio.run(main())


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
