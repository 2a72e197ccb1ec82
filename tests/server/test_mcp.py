"""The tools at /mcp of a real dev server, called by the MCP SDK's own client."""

import asyncio
import base64
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # mcp needs it
import pytest
from mcp.client.client import Client
from mcp_types import CallToolResult, ImageContent, TextContent

from tests.support.pictures import DOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


def call(url: str, name: str, mode: str = "auto", notices: list[str] | None = None, **arguments: Any) -> CallToolResult:
    async def tell(progress: float, total: float | None, message: str | None) -> None:
        assert notices is not None
        notices.append(message or "")

    async def run() -> CallToolResult:
        async with Client(f"{url}/mcp", mode=mode) as client:
            callback = tell if notices is not None else None
            result = await client.call_tool(name, arguments, progress_callback=callback)
            assert isinstance(result, CallToolResult)
            return result

    return asyncio.run(run())


def text(result: CallToolResult) -> str:
    first = result.content[0]
    assert isinstance(first, TextContent)
    return first.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_ask_answers_with_a_summary_that_fits_the_tools_schema(url: str, mode: str) -> None:
    async def run() -> tuple[CallToolResult, dict[str, Any]]:
        async with Client(f"{url}/mcp", mode=mode) as client:
            [schema] = [tool.output_schema for tool in (await client.list_tools()).tools if tool.name == "ask"]
            assert schema
            return await client.call_tool("ask", {"prompt": "Who discovered penicillin?"}), schema

    result, schema = asyncio.run(run())
    assert not result.is_error
    summary = result.structured_content
    jsonschema.validate(summary, schema)
    assert summary["route"] == "question_answering"
    assert summary["model"].startswith("sandbox/text-generation-")
    assert summary["answer"] == text(result)


def test_a_picture_comes_as_image_content_beside_the_summary(url: str) -> None:
    result = call(url, "ask", prompt="Paint a picture of a red fox in the snow")
    [picture] = [part for part in result.content if isinstance(part, ImageContent)]
    assert picture.mime_type == "image/png"
    assert base64.b64decode(picture.data).startswith(b"\x89PNG")
    assert result.structured_content
    assert result.structured_content["task"] == "text-to-image"


def test_a_picture_goes_in_as_a_data_url(url: str) -> None:
    result = call(url, "ask", prompt="What is in this picture?", image=DOT)
    assert result.structured_content
    assert result.structured_content["task"] == "image-text-to-text"


def test_a_file_of_the_server_is_not_an_image(url: str) -> None:
    result = call(url, "ask", prompt="What is in this picture?", image="/etc/hostname")
    assert result.is_error
    assert "use an http(s) address or a data URL" in text(result)


def test_route_decides_and_calls_no_model(url: str) -> None:
    result = call(url, "route", prompt="Who discovered penicillin?")
    assert result.structured_content
    assert result.structured_content["attempts"] == []
    assert text(result).startswith("question_answering: sandbox/")


def test_list_routes_lists_the_policy(url: str) -> None:
    result = call(url, "list_routes")
    assert result.structured_content
    assert "question_answering" in [route["name"] for route in result.structured_content["routes"]]


def test_the_decision_is_reported_as_progress_before_the_answer(url: str) -> None:
    progress: list[str] = []
    call(url, "ask", notices=progress, prompt="Who discovered penicillin?")
    assert progress[0].startswith("question_answering: sandbox/text-generation-")


def test_a_failed_answer_is_an_error_result_with_a_sentence(url: str) -> None:
    result = call(url, "ask", prompt="Who discovered penicillin? [[sandbox:token_401]]")
    assert result.is_error
    assert "token" in text(result)
    assert result.structured_content
    assert result.structured_content["error"]["kind"] == "token"


def test_a_route_that_is_given_is_taken_and_an_unknown_one_is_named(url: str) -> None:
    result = call(url, "ask", prompt="Who discovered penicillin?", route="creative_writing")
    assert result.structured_content
    assert result.structured_content["route"] == "creative_writing"
    unknown = call(url, "ask", prompt="Who discovered penicillin?", route="astrology")
    assert unknown.is_error
    assert "astrology" in text(unknown)
    assert "creative_writing" in text(unknown)


def test_an_empty_prompt_is_an_error_result_with_a_sentence(url: str) -> None:
    result = call(url, "ask", prompt=" ")
    assert result.is_error
    assert "empty" in text(result)
