"""The MCP SDK against the LangGraph server: `python mcp_client.py URL FEATURE`."""

import asyncio
import sys
from typing import Any

import jsonschema
from mcp.client.client import Client
from shared import ASK_IMAGE, BAD_REQUEST, DOT_URL, QUESTION


def ask(url: str, prompt: str, **arguments: Any) -> Any:
    """Return the result of the tool `ask`."""

    async def main() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"prompt": prompt, **arguments})

    return asyncio.run(main())


def chat(url: str) -> None:
    """Check an answer."""
    result = ask(url, QUESTION)
    assert "Simulated answer" in result.content[0].text, result


def images(url: str) -> None:
    """Check that an image goes in, and one comes out."""
    assert "image/png" in ask(url, ASK_IMAGE, image=DOT_URL).content[0].text
    result = ask(url, "Paint a picture of a red fox in the snow")
    assert "image" in [part.type for part in result.content], result


def structured(url: str) -> None:
    """Check that the result fits the schema of the tool."""

    async def main() -> None:
        async with Client(f"{url}/mcp") as client:
            [schema] = [tool.output_schema for tool in (await client.list_tools()).tools if tool.name == "ask"]
            result = await client.call_tool("ask", {"prompt": QUESTION})
            jsonschema.validate(result.structured_content, schema)

    asyncio.run(main())


def cancel(url: str) -> None:
    """Check that a call may be cancelled, and the server answers the next one."""

    async def main() -> None:
        started = asyncio.Event()

        async def note(*_: Any) -> None:
            started.set()

        async with Client(f"{url}/mcp") as client:
            call = asyncio.create_task(client.call_tool("ask", {"prompt": QUESTION}, progress_callback=note))
            await started.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert call.cancelled()

    asyncio.run(main())
    chat(url)


def error(url: str) -> None:
    """Check that a failure is an error result that says its kind."""
    result = ask(url, BAD_REQUEST)
    assert result.is_error, result
    assert result.structured_content["error"]["kind"] == "bad_request", result


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
