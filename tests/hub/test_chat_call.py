"""The model object of a call: built once for a model, and shared by no two calls."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_huggingface import ChatHuggingFace

from omni_router import Settings
from omni_router._sandbox import SANDBOX_TOKEN, Record, Sandbox
from omni_router.hub import chat_call
from omni_router.hub.chat_call import Arrived, chat_model
from omni_router.hub.client import HubInference

CHAT = "sandbox/text-generation-1"
HELLO = [HumanMessage("Hello")]


@pytest.fixture(autouse=True)
def no_templates() -> Iterator[None]:
    chat_call._template.cache_clear()
    yield
    chat_call._template.cache_clear()


def calls(sandbox: Sandbox) -> list[Record]:
    return [record for record in sandbox.requests if record.model == CHAT]


def test_the_object_of_a_model_is_validated_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    build = ChatHuggingFace.__init__

    def count(self: ChatHuggingFace, **values: Any) -> None:
        built.append(self)
        build(self, **values)

    monkeypatch.setattr(ChatHuggingFace, "__init__", count)
    for _ in range(3):
        HubInference(SANDBOX_TOKEN).chat(CHAT, None, HELLO, Settings())
    assert len(built) == 1
    assert len(calls(sandbox)) == 3


def test_every_call_has_its_own_parameters(sandbox: Sandbox) -> None:
    for settings in (Settings(temperature=0.1, max_new_tokens=7), Settings(temperature=0.9), Settings(temperature=0.1)):
        HubInference(SANDBOX_TOKEN).chat(CHAT, None, HELLO, settings)
    sent = [(record.parameters["temperature"], record.parameters.get("max_tokens")) for record in calls(sandbox)]
    assert sent == [(0.1, 7), (0.9, None), (0.1, None)]


def test_two_calls_share_neither_client_nor_callbacks_and_the_template_has_none() -> None:
    first, second = Arrived(), Arrived()
    one = chat_model(CHAT, Settings(), "client of one", first)
    other = chat_model(CHAT, Settings(), "client of another", second)
    assert (one.llm.client, one.callbacks) == ("client of one", [first])
    assert (other.llm.client, other.callbacks) == ("client of another", [second])
    template = chat_call._template(CHAT, 0.7, None)
    assert (template.llm.client, template.llm.async_client, template.callbacks) == (None, None, None)


def test_the_description_for_tracers_is_computed_once_and_names_the_temperature() -> None:
    cold, warm = (chat_model(CHAT, Settings(temperature=temperature), None, Arrived()) for temperature in (0.25, 0.75))
    again = chat_model(CHAT, Settings(temperature=0.25), None, Arrived())
    assert vars(cold)["_serialized"] is vars(again)["_serialized"]
    assert "temperature=0.25" in vars(cold)["_serialized"]["repr"]
    assert "temperature=0.75" in vars(warm)["_serialized"]["repr"]
