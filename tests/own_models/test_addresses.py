"""Models at an address that the policy declares: chosen, called, streamed and recorded as those of the Hub are."""

from collections.abc import Iterator
from typing import Any

import pytest

from omni_router import Settings, build_graph
from omni_router._sandbox import Sandbox, sandbox
from omni_router.services import Services
from tests.own_models.conftest import Declare
from tests.support.calls import ask
from tests.support.model_server import SMALL, ModelServer
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID, SEEING_ID = "local/llama3.2-3b", "local/hf.co-Qwen-Qwen3-VL-4b"
TOOLS = ({"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}},)
LOCAL = Settings(only=("local/*",))


@pytest.fixture(autouse=True)
def box(router: ScriptedRouter) -> Iterator[Sandbox]:
    router.choose("code_generation")
    with sandbox() as running:
        yield running


def run(services: Services, settings: Settings = LOCAL, text: str = "Hello") -> dict[str, Any]:
    return dict(build_graph(services).compile().invoke(ask(text), context=settings))


def test_a_listed_model_answers(declare: Declare, server: ModelServer) -> None:
    result = run(declare())
    assert result["decision"]["model"] == ID
    assert result["decision"]["provider"] == "local"
    (attempt,) = result["attempts"]
    assert (attempt["outcome"], attempt["provider"], attempt["cost"]) == ("answered", "local", 0.0)
    assert result["messages"][-1].response_metadata["provider"] == "local"
    (chat,) = server.chats()
    assert (chat.body["model"], chat.key) == (SMALL, None)
