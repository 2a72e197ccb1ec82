"""A task is an entry, a node that `graph.py` names and a method of the client: a toy task speaks on every surface.

Nothing else is changed here, and yet its audio reaches whoever asked.
"""

import asyncio
import base64
import io
import json
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.helpers import get_data_parts
from a2a.types import Message, Part, Role, SendMessageRequest
from langchain_core.messages import AIMessage
from mcp.client.client import Client
from mcp_types import AudioContent, CallToolResult
from starlette.applications import Starlette

from omni_router import Services, Settings, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.graph import SPECIALISTS
from omni_router.hub.client import HubInference
from omni_router.messages import newest_user_text
from omni_router.nodes._attempt import Answer, attempt
from omni_router.server.a2a.server import a2a_routes
from omni_router.server.mcp import mcp_server
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.messages import read_messages
from omni_router.state import State
from omni_router.tasks import TASKS, Media, Task
from omni_router.telemetry.metrics import Metrics
from omni_router.telemetry.observer import CompositeObserver
from omni_router.telemetry.tracing import Tracing
from omni_router.ui.chat import Chat, Request
from omni_router.ui.local import LocalBackend
from omni_router.ui.turn import take_turn
from tests.support.observing import Spans
from tests.support.openai_server import openai_server
from tests.support.scripted_router import ScriptedRouter

VOICE = "acme/voice"
PROMPT = "Read this aloud: the tide is coming in"
WAV = Media("audio/wav", ".wav")
TEXT = "sandbox/text-generation-1"


# The three things.


def spoken(text: str) -> bytes:
    """A tenth of a second of silence for each letter, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(800 * len(text)))
    return file.getvalue()


def text_to_speech(self: HubInference, model: str, provider: str | None, text: str, settings: Settings) -> bytes:
    return spoken(text)


def generate_speech(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    def call(model: str, provider: str | None) -> Answer:
        services.artifacts.prepare()
        client: Any = services.inference
        sound = client.text_to_speech(model, provider, newest_user_text(state["messages"]), settings)
        artifact = services.artifacts.save(sound, "speech", WAV)
        return AIMessage(f"The speech is saved as {artifact['path']}."), [artifact]

    return attempt(state, services, call)


@pytest.fixture(autouse=True)
def task(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, router: ScriptedRouter, route_config: Path) -> None:
    monkeypatch.setitem(TASKS, "text-to-speech", Task("generate_speech", ("text-to-speech",), output=WAV))
    monkeypatch.setitem(SPECIALISTS, "generate_speech", generate_speech)  # where graph.py names the node's function
    monkeypatch.setattr(HubInference, "text_to_speech", text_to_speech, raising=False)
    sandbox.set_mapping(VOICE, ["fal-ai"], "text-to-speech")
    speech = {"name": "speech", "description": "read a text aloud", "task": "text-to-speech", "models": [VOICE]}
    chat = {"name": "chat", "description": "talk about anything", "models": [TEXT]}
    route_config.write_text(json.dumps([speech, chat]))
    router.choose("speech", VOICE)


# The surfaces.


def test_the_graph_leaves_an_artifact(services: Services) -> None:
    result = build_graph(services).compile().invoke({"messages": [user_message(PROMPT)]})
    assert (result["decision"]["task"], result["decision"]["model"], result["error"]) == ("text-to-speech", VOICE, None)
    [artifact] = result["artifacts"]
    path = Path(artifact["path"])
    assert path.name.endswith("_speech.wav")
    assert artifact == {"path": str(path), "mime_type": "audio/wav", "width": None, "height": None}
    assert path.read_bytes() == spoken(PROMPT)


def test_a_span_of_the_call_names_the_model_and_the_kind_of_output(services: Services) -> None:
    spans, metrics = Spans(), Metrics()
    watched = replace(services, observer=CompositeObserver(Tracing(spans.provider), metrics))
    build_graph(watched).compile().invoke({"messages": [user_message(PROMPT)]})
    attributes = spans.attributes(f"generate_content {VOICE}")
    assert (attributes["gen_ai.output.type"], attributes["omni.task"]) == ("speech", "text-to-speech")


@pytest.fixture
def command_line(
    router: ScriptedRouter, route_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    return ["--prompt", PROMPT, "--route-config", str(route_config), "--output-dir", str(tmp_path / "outputs")]


def test_the_command_line_prints_the_path_and_json_the_artifact(
    command_line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command_line) == 0
    shown = capsys.readouterr().out
    assert "_speech.wav (audio/wav)" in shown
    assert main([*command_line, "--json"]) == 0
    payload = json.loads(capsys.readouterr().out)
    [artifact] = payload["artifacts"]
    assert (artifact["mime_type"], artifact["width"], artifact["height"]) == ("audio/wav", None, None)
    assert Path(artifact["path"]).read_bytes() == spoken(PROMPT)


@pytest.mark.enable_socket  # an event loop has a pair of sockets of its own
def test_mcp_answers_with_audio_content(services: Services) -> None:
    async def ask() -> CallToolResult:
        async with Client(mcp_server(build_graph(services).compile())) as client:
            result = await client.call_tool("ask", {"prompt": PROMPT})
            assert isinstance(result, CallToolResult)
            return result

    result = asyncio.run(ask())
    [audio] = [part for part in result.content if isinstance(part, AudioContent)]
    assert (audio.mime_type, base64.b64decode(audio.data)) == ("audio/wav", spoken(PROMPT))
    assert result.structured_content
    assert result.structured_content["artifacts"][0]["mime_type"] == "audio/wav"


@pytest.mark.enable_socket
def test_a2a_answers_with_a_file_part_and_names_the_type_in_its_card(services: Services) -> None:
    app = Starlette(routes=a2a_routes(build_graph(services).compile()))

    async def ask() -> tuple[dict[str, Any], Sequence[Part]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
            card = (await http.get("/.well-known/agent-card.json")).json()
            client = await create_client("http://127.0.0.1", ClientConfig(streaming=False, httpx_client=http))
            question = Message(role=Role.ROLE_USER, message_id="m1", parts=[Part(text=PROMPT)])
            [answer] = [each async for each in client.send_message(SendMessageRequest(message=question))]
            return card, answer.task.artifacts[0].parts

    card, parts = asyncio.run(ask())
    assert "audio/wav" in card["defaultOutputModes"]
    [audio] = [part for part in parts if part.HasField("raw")]
    assert (audio.media_type, audio.raw) == ("audio/wav", spoken(PROMPT))
    assert audio.filename.endswith("_speech.wav")
    [summary] = get_data_parts(parts)
    assert summary["task"] == "text-to-speech"


@pytest.mark.enable_socket
@pytest.mark.loopback
@pytest.mark.parametrize("stream", [False, True])
def test_chat_completions_answer_with_a_link_that_holds_the_audio(services: Services, *, stream: bool) -> None:
    question = {"role": "user", "content": PROMPT}
    body = {"messages": [question], "stream": stream}
    with openai_server(services) as url:
        answer = httpx.post(f"{url}/chat/completions", json=body, timeout=30)
    assert answer.status_code == 200
    if stream:
        frames = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")]
        text = "".join(choice["delta"].get("content", "") for frame in frames for choice in frame["choices"])
    else:
        text = answer.json()["choices"][0]["message"]["content"]
    assert text == f"[Generated audio](data:audio/wav;base64,{base64.b64encode(spoken(PROMPT)).decode()})"
    read = read_messages([question, {"role": "assistant", "content": text}], DecisionMemory())
    assert read[-1].content == "[Audio attached]", "the model of the next turn does not get megabytes"


@pytest.mark.enable_socket
def test_the_page_shows_a_file_that_gradio_plays(services: Services) -> None:
    async def ask() -> Chat:
        chat, folder = Chat(), services.artifacts.folder
        async for _ in take_turn(chat, Request(PROMPT), LocalBackend(services), folder, Settings()):
            pass
        return chat

    shown = asyncio.run(ask()).messages[-1]["content"]
    [audio] = [Path(part["path"]) for part in shown if isinstance(part, dict) and "path" in part]
    assert audio.suffix == ".wav"
    assert audio.read_bytes() == spoken(PROMPT)
