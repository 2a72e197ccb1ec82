"""The graph as a tool, alone and in agents of LangChain, on the sandbox."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import BaseTool

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.agents.chat_model import ChatOmni
from omni_router.agents.tool import omni_tool
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

TEXT = "sandbox/text-generation-1"
PICTURE = "https://example.org/fox.png"


class Scripted(GenericFakeChatModel):
    """A model that answers as a test scripts it, and takes tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def calling(**arguments: Any) -> Scripted:
    call = {"name": "omni_router", "args": arguments, "id": "call_1", "type": "tool_call"}
    return Scripted(
        disable_streaming=True, messages=iter([AIMessage("", tool_calls=[call]), AIMessage("That is all.")])
    )


@pytest.fixture
def tool(services: Services, router: ScriptedRouter) -> BaseTool:
    router.choose("question_answering")
    return omni_tool(build_graph(services).compile())


def tool_message(agent: Any) -> ToolMessage:
    messages = agent.invoke(ask("Go on"))["messages"]
    return next(message for message in messages if isinstance(message, ToolMessage))


def test_a_scripted_agent_gets_the_summary_as_json_and_as_the_artifact(tool: BaseTool) -> None:
    message = tool_message(create_agent(calling(prompt="How do tides work?"), [tool]))
    summary = json.loads(message.text)
    assert (summary["route"], summary["model"], summary["error"]) == ("question_answering", TEXT, None)
    assert "How do tides work?" in summary["answer"]
    assert message.artifact == summary
    assert message.status == "success"


def test_the_tool_works_async(tool: BaseTool) -> None:
    agent = create_agent(calling(prompt="How do tides work?"), [tool])
    messages = asyncio.run(agent.ainvoke(ask("Go on")))["messages"]
    assert json.loads(messages[2].text)["model"] == TEXT
    assert messages[-1].text == "That is all."


def test_a_picture_that_is_made_is_named(tool: BaseTool, router: ScriptedRouter) -> None:
    router.choose("image_generation")
    summary = json.loads(tool.invoke({"prompt": "Paint a fox"}))
    assert Path(summary["artifacts"][0]["path"]).is_file()
    assert summary["task"] == "text-to-image"


def test_a_picture_that_is_shown_reaches_the_specialist(tool: BaseTool, router: ScriptedRouter) -> None:
    router.choose("image_understanding")
    assert PICTURE in json.loads(tool.invoke({"prompt": "What is it?", "image": PICTURE}))["answer"]


def test_a_failed_turn_is_reported_in_the_json(tool: BaseTool, sandbox: Sandbox) -> None:
    sandbox.fail("payment_402", times=10)
    message = tool_message(create_agent(calling(prompt="How do tides work?"), [tool]))
    summary = json.loads(message.text)
    assert summary["error"]["kind"] == "payment"
    assert "credit" in summary["error"]["hint"]
    assert summary["answer"] is None


@pytest.mark.parametrize(
    "arguments", [{"prompt": "  "}, {"prompt": "What is it?", "image": "ftp://example.org/fox.png"}]
)
def test_what_nobody_can_answer_is_a_tool_message_with_status_error(tool: BaseTool, arguments: Any) -> None:
    assert tool_message(create_agent(calling(**arguments), [tool])).status == "error"


def test_a_model_cannot_have_a_local_file_opened(tool: BaseTool, tmp_path: Path, sandbox: Sandbox) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\n")
    for image in (str(secret), secret.as_uri(), "secret.png"):
        message = tool_message(create_agent(calling(prompt="What is it?", image=image), [tool]))
        assert message.status == "error"
        assert "http(s) address or a data URL" in message.text
    assert not any(record.method == "POST" for record in sandbox.requests)


def test_settings_hold_for_each_request(services: Services, router: ScriptedRouter) -> None:
    tool = omni_tool(build_graph(services).compile(), Settings(route="summarization"), name="specialist")
    assert tool.name == "specialist"
    assert json.loads(tool.invoke({"prompt": "Tides"}))["route"] == "summarization"
    assert router.asked == []


def test_an_agent_whose_model_is_routed_uses_the_router_as_its_tool(tool: BaseTool, services: Services) -> None:
    agent = create_agent(ChatOmni(services=services), [tool])
    messages = agent.invoke(ask("Use omni_router to tell how tides work"))["messages"]
    call, result, answer = messages[1:]
    assert call.tool_calls[0]["args"]["prompt"] == "Use omni_router to tell how tides work"
    assert json.loads(result.text)["model"] == TEXT
    assert '"route": "question_answering"' in answer.text


def test_tokens_of_the_specialist_show_with_subgraphs_alone(tool: BaseTool) -> None:
    def streamed(**how: Any) -> list[Any]:
        agent = create_agent(calling(prompt="How do tides work?"), [tool])
        return list(agent.stream(ask("Go on"), stream_mode="messages", **how))

    assert not [part for part, _ in streamed() if isinstance(part, AIMessageChunk)]
    inside = [part for space, (part, _) in streamed(subgraphs=True) if space and isinstance(part, AIMessageChunk)]
    assert "".join(piece.text for piece in inside).count("[sandbox]") == 1


def test_an_agent_whose_model_is_routed_paints_with_the_tool(services: Services, semantic: SemanticRouter) -> None:
    """With tools no route of text is for a picture, and none is needed: the tool is."""
    graph = build_graph(replace(services, router=semantic)).compile()
    agent = create_agent(ChatOmni(graph=graph), [omni_tool(graph)])
    messages = agent.invoke(ask("Paint a red fox in the snow"))["messages"]
    summary = next(message.artifact for message in messages if isinstance(message, ToolMessage))
    assert (summary["route"], summary["error"]) == ("image_generation", None)
    assert Path(summary["artifacts"][0]["path"]).is_file()
    assert isinstance(messages[-1], AIMessage)
    assert not messages[-1].tool_calls
