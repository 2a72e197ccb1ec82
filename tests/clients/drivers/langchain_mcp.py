"""LangChain's adapters for MCP, against the LangGraph server: `python langchain_mcp.py URL FEATURE`.

The tools of the server become tools of LangChain, as an agent would call them.
"""

import asyncio
import sys
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from shared import ASK_IMAGE, BAD_REQUEST, DOT_URL, QUESTION


def ask(url: str, prompt: str, **arguments: str) -> Any:
    """Return the message with the result of the tool `ask`."""

    async def main() -> Any:
        tools = await client_of(url).get_tools()
        [tool] = [tool for tool in tools if tool.name == "ask"]
        return await tool.ainvoke(
            {"type": "tool_call", "id": "1", "name": "ask", "args": {"prompt": prompt, **arguments}}
        )

    return asyncio.run(main())


def client_of(url: str, callbacks: Callbacks | None = None) -> MultiServerMCPClient:
    """Return a client of one server."""
    connection: Any = {"transport": "streamable_http", "url": f"{url}/mcp"}
    return MultiServerMCPClient({"omni": connection}, callbacks=callbacks)


def chat(url: str) -> None:
    """Check an answer."""
    message = ask(url, QUESTION)
    assert isinstance(message, ToolMessage), message
    assert "Simulated answer" in message.text, message


def images(url: str) -> None:
    """Check that an image goes in, and one comes out."""
    assert "image/png" in ask(url, ASK_IMAGE, image=DOT_URL).text
    message = ask(url, "Paint a picture of a red fox in the snow")
    assert "image" in [block["type"] for block in message.content_blocks], message


def structured(url: str) -> None:
    """Check that the data of the run is the artifact of the message."""
    message = ask(url, QUESTION)
    assert message.artifact["structured_content"]["answer"] == message.text, message


def cancel(url: str) -> None:
    """Check that a call may be cancelled, and the server answers the next one."""

    async def main() -> None:
        started = asyncio.Event()

        async def note(*_: Any) -> None:
            started.set()

        tools = await client_of(url, Callbacks(on_progress=note)).get_tools()
        [tool] = [tool for tool in tools if tool.name == "ask"]
        call = asyncio.create_task(tool.ainvoke({"prompt": QUESTION}))
        await started.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()

    asyncio.run(main())
    chat(url)


def error(url: str) -> None:
    """Check that a failure is an exception, or a message of an error, with the sentence of the server."""
    try:
        message = ask(url, BAD_REQUEST)
    except Exception as caught:  # noqa: BLE001 (the adapters' own class has moved between versions)
        assert "does not accept" in str(caught), caught
    else:
        assert message.status == "error", message
        assert "does not accept" in message.text, message


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
