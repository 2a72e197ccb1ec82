"""LangChain's standard tests of chat models, on the sandbox.

Left out, each by its property, is what no specialist behind Inference Providers is routed to: PDF and audio, and
Anthropic's own form of a request. A recorded session (VCR) has nothing to record here, and the model is not loadable
from LangChain's serialized form.
"""

import io
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from PIL import Image

from omni_router import Services
from omni_router.agents.chat_model import ChatOmni
from omni_router.routers import Reply, RouteOption, Turn
from tests.support.scripted_router import ScriptedRouter

pytestmark = pytest.mark.anyio  # what is async in them; the rest is not touched by it


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestUnits(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatOmni]:
        return ChatOmni


class TestOnTheSandbox(ChatModelIntegrationTests):
    """With a router of the test's own: every prompt is for a chat model, one with eyes where there is a picture."""

    @pytest.fixture(autouse=True)
    def routed(self, services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> None:
        router.choose("casual_conversation")
        by_script = router.reply

        def reply(conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
            if any("[Image attached]" in turn["content"] for turn in conversation):
                router.choose("image_understanding")
            return by_script(conversation, routes)

        monkeypatch.setattr(router, "reply", reply)
        self.services = services

    @pytest.fixture(autouse=True)
    def web(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The tests of pictures fetch theirs from a web page."""
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=picture.getvalue()))

    @property
    def chat_model_class(self) -> type[ChatOmni]:
        return ChatOmni

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"services": self.services}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "sandbox/text-generation-2"


class TestJsonSchema(TestOnTheSandbox):
    """The same with answers in the form of a JSON schema."""

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}
