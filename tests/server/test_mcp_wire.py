"""The MCP server as bytes on the wire, without a client of an SDK: the same with 1.x and 2.x of it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from omni_router import Services, build_graph
from omni_router.server.graph_access import MAX_BODY
from omni_router.server.mcp import mcp_app
from tests.support.scripted_router import ScriptedRouter

pytestmark = pytest.mark.enable_socket  # an event loop has a pair of sockets of its own

HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
TEXT = "sandbox/text-generation-1"

Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """Run all requests on one event loop: sse-starlette before 3.0 keeps the first one that it sees."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def post(loop: asyncio.Runner, services: Services) -> Post:
    def post(body: dict[str, Any], **headers: str) -> httpx.Response:
        return loop.run(posted(services, body, **headers))

    return post


async def posted(services: Services, body: dict[str, Any], **headers: str) -> httpx.Response:
    app = mcp_app(build_graph(services).compile())
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
        return await client.post("http://127.0.0.1:2024/mcp", json=body, headers={**HEADERS, **headers}, timeout=60)


def result_of(post: Post, method: str, **params: Any) -> Any:
    answer = post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert answer.status_code == 200, answer.text
    messages = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return next(message["result"] for message in messages if "result" in message)


def test_the_three_tools_are_listed_with_a_schema_of_what_they_give(post: Post) -> None:
    tools = {tool["name"]: tool for tool in result_of(post, "tools/list")["tools"]}
    assert tools.keys() == {"ask", "route", "list_routes"}
    assert tools["ask"]["inputSchema"]["required"] == ["prompt"]
    assert {"route", "model", "answer", "error"} <= tools["ask"]["outputSchema"]["properties"].keys()
    assert tools["ask"]["annotations"]["openWorldHint"] is True
    assert tools["list_routes"]["annotations"]["readOnlyHint"] is True


def test_an_answer_is_text_beside_the_summary(post: Post, router: ScriptedRouter) -> None:
    router.says = json.dumps({"route": "question_answering", "model": TEXT})
    result = result_of(post, "tools/call", name="ask", arguments={"prompt": "Who discovered penicillin?"})
    assert result["isError"] is False
    assert result["structuredContent"]["model"] == TEXT
    assert result["content"] == [{"type": "text", "text": result["structuredContent"]["answer"]}]


def test_a_picture_is_an_image_beside_the_summary(post: Post, router: ScriptedRouter) -> None:
    router.says = json.dumps({"route": "image_generation", "model": "sandbox/text-to-image-1"})
    result = result_of(post, "tools/call", name="ask", arguments={"prompt": "Paint a red fox"})
    assert [(part["type"], part.get("mimeType")) for part in result["content"]] == [
        ("text", None),
        ("image", "image/png"),
    ]


def test_bad_input_is_an_error_result_with_a_sentence(post: Post) -> None:
    result = result_of(post, "tools/call", name="ask", arguments={"prompt": " "})
    assert result["isError"] is True
    assert "empty" in result["content"][0]["text"]


def test_a_body_that_is_too_large_is_refused(post: Post) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    large = {**listing, "params": {"_meta": {"padding": "x" * MAX_BODY}}}
    assert post(large).status_code == 413


def test_more_values_than_anybody_sends_are_refused_before_they_are_parsed(post: Post) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {"padding": [[]] * 200_000}}}
    refused = post(listing)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, -32600)
    assert "more than 100000 values" in refused.json()["error"]["message"]


# ---- another model


def ask_twice(loop: asyncio.Runner, services: Services, *calls: dict[str, Any]) -> list[Any]:
    """Call `ask` on one server, several times."""

    async def run() -> list[Any]:
        app = mcp_app(build_graph(services).compile())
        results = []
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
            for arguments in calls:
                params = {"name": "ask", "arguments": arguments}
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
                answer = await client.post("http://127.0.0.1:2024/mcp", json=body, headers=HEADERS, timeout=60)
                results.append(result_of(lambda _body, answer=answer: answer, "tools/call"))
        return results

    return loop.run(run())


def test_another_model_answers_a_prompt_that_was_answered(
    loop: asyncio.Runner, services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering")
    prompt = {"prompt": "Who discovered penicillin?"}
    again = {**prompt, "another": True}
    results = ask_twice(loop, services, prompt, again, again)
    models = [result["structuredContent"]["model"] for result in results]
    assert models == [f"sandbox/text-generation-{number}" for number in (1, 2, 3)]
    assert "another model than" in results[1]["structuredContent"]["reason"]
    doubts = {record["id"]: record.get("doubts", 0) for record in services.history.models("question_answering")}
    assert doubts == dict(zip(models, (1, 1, 0), strict=True))


def test_another_model_needs_an_answer_of_this_server_to_the_same_prompt(
    loop: asyncio.Runner, services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering")
    asked, other = {"prompt": "Who discovered penicillin?"}, {"prompt": "Who discovered oxygen?", "another": True}
    _, refused = ask_twice(loop, services, asked, other)
    assert refused["isError"] is True
    assert "knows no answer to the prompt" in refused["content"][0]["text"]
