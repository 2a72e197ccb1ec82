"""The MCP server as bytes on the wire, without a client of an SDK: the same with 1.x and 2.x of it."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from omni_router import Services, build_graph
from omni_router.server.call import MAX_BODY
from omni_router.server.hosts import transport_security
from omni_router.server.mcp_server import mcp_app
from tests.conftest import ScriptedRouter

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own

HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
TEXT = "sandbox/text-generation-1"


async def posted(services: Services, body: dict[str, Any], **headers: str) -> httpx.Response:
    app = mcp_app(build_graph(services).compile(), transport_security({}))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        return await client.post("http://127.0.0.1:2024/mcp", json=body, headers={**HEADERS, **headers}, timeout=60)


def asked(services: Services, method: str, **params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = asyncio.run(posted(services, body))
    assert answer.status_code == 200, answer.text
    messages = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return next(message["result"] for message in messages if "result" in message)


def test_the_three_tools_are_listed_with_a_schema_of_what_they_give(services: Services) -> None:
    tools = {tool["name"]: tool for tool in asked(services, "tools/list")["tools"]}
    assert tools.keys() == {"ask", "route", "list_routes"}
    assert tools["ask"]["inputSchema"]["required"] == ["prompt"]
    assert {"route", "model", "answer", "error"} <= tools["ask"]["outputSchema"]["properties"].keys()
    assert tools["ask"]["annotations"]["openWorldHint"] is True
    assert tools["list_routes"]["annotations"]["readOnlyHint"] is True


def test_an_answer_is_text_beside_the_summary(services: Services, router: ScriptedRouter) -> None:
    router.says = json.dumps({"route": "question_answering", "model": TEXT})
    result = asked(services, "tools/call", name="ask", arguments={"prompt": "Who discovered penicillin?"})
    assert result["isError"] is False
    assert result["structuredContent"]["model"] == TEXT
    assert result["content"] == [{"type": "text", "text": result["structuredContent"]["answer"]}]


def test_a_picture_is_an_image_beside_the_summary(services: Services, router: ScriptedRouter) -> None:
    router.says = json.dumps({"route": "image_generation", "model": "sandbox/text-to-image-1"})
    result = asked(services, "tools/call", name="ask", arguments={"prompt": "Paint a red fox"})
    assert [(part["type"], part.get("mimeType")) for part in result["content"]] == [
        ("text", None),
        ("image", "image/png"),
    ]


def test_bad_input_is_an_error_result_with_a_sentence(services: Services) -> None:
    result = asked(services, "tools/call", name="ask", arguments={"prompt": " "})
    assert result["isError"] is True
    assert "empty" in result["content"][0]["text"]


def test_a_page_of_another_name_and_a_body_that_is_too_large_are_refused(services: Services) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    assert asyncio.run(posted(services, listing, host="evil.example")).status_code == 421
    large = {**listing, "params": {"_meta": {"padding": "x" * MAX_BODY}}}
    assert asyncio.run(posted(services, large)).status_code == 413
