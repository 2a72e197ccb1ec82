"""The OpenAI Agents SDK with its default, the Responses API: `python openai_agents.py BASE_URL FEATURE`."""

import asyncio
import sys
from typing import Any

import openai
from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool
from pydantic import BaseModel

DOT = (  # a PNG of one pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4"
    "2mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Weather(BaseModel):
    """What `structured` asks for."""

    city: str
    degrees: int


@function_tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return "rain, 12 degrees"


def config_of(base_url: str) -> RunConfig:
    """Return the configuration of a run, without retries or traces."""
    client = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    return RunConfig(model_provider=OpenAIProvider(openai_client=client), tracing_disabled=True)


def run(base_url: str, prompt: Any, **options: Any) -> Any:
    """Run an agent, and return the result."""
    agent = Agent(name="a", instructions="Be brief.", model="omni", **options)
    return Runner.run_sync(agent, prompt, run_config=config_of(base_url))


def chat(base_url: str) -> None:
    """Check an answer, and one to a conversation that holds it."""
    first = run(base_url, "How do tides work?")
    assert "Simulated answer" in first.final_output, first
    second = run(base_url, [*first.to_input_list(), {"role": "user", "content": "And on the moon?"}])
    assert "And on the moon?" in second.final_output, second


def stream(base_url: str) -> None:
    """Check that deltas make up the final output."""

    async def main() -> None:
        result = Runner.run_streamed(
            Agent(name="a", model="omni"), "How do tides work?", run_config=config_of(base_url)
        )
        deltas = []
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                deltas.append(event.data.delta)
        assert len(deltas) > 3, deltas
        assert "".join(deltas) == result.final_output

    asyncio.run(main())


def tools(base_url: str) -> None:
    """Check that the tool is called and its result answered."""
    result = run(base_url, "What is the weather in Paris?", tools=[get_weather])
    assert "rain, 12 degrees" in result.final_output, result


def images(base_url: str) -> None:
    """Check that an image arrives."""
    parts = [{"type": "input_text", "text": "What is in this image?"}, {"type": "input_image", "image_url": DOT}]
    result = run(base_url, [{"role": "user", "content": parts}])
    assert "image/png" in result.final_output, result


def structured(base_url: str) -> None:
    """Check an object of a class."""
    result = run(base_url, "The weather in Paris?", output_type=Weather)
    assert isinstance(result.final_output, Weather), result


def cancel(base_url: str) -> None:
    """Check that a streamed run may be cancelled, and the server answers the next request."""

    async def main() -> None:
        result = Runner.run_streamed(
            Agent(name="a", model="omni"), "How do tides work?", run_config=config_of(base_url)
        )
        async for _ in result.stream_events():
            result.cancel()

    asyncio.run(main())
    chat(base_url)


def error(base_url: str) -> None:
    """Check that a failure is the exception of its status."""
    try:
        run(base_url, "Go [[sandbox:bad_request_400]]")
    except openai.BadRequestError as caught:
        assert caught.code == "bad_request", caught
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
