"""The parameters of a route reach the models that answer for it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, AnyMessage, HumanMessage, SystemMessage

from omni_router import Services, Settings, build_graph, user_message
from omni_router._sandbox import Sandbox
from tests.support.calls import FORMS, Call
from tests.support.openai_server import EYES, TEXT, scripted
from tests.support.pictures import DOT
from tests.support.scripted_router import ScriptedRouter

PARAMETERS: dict[str, Any] = {
    "system": "Answer in verse.",
    "temperature": 0.1,
    "max_new_tokens": 9,
    "reasoning_effort": "low",
    "prefer": "cheapest",
}
POLICY: list[dict[str, Any]] = [
    {"name": "poems", "description": "verse", **PARAMETERS},
    {"name": "chat", "description": "small talk"},
    {"name": "seeing", "task": "image-text-to-text", "description": "photos", "system": "Name the flower first."},
]
QUESTION = HumanMessage("Why is the sea salty?")


@pytest.fixture
def serving(services: Services, route_config: Path) -> Services:
    route_config.write_text(json.dumps(POLICY))
    return services


Sent = tuple[str, list[AnyMessage], Settings]


def call_of(serving: Services, router: ScriptedRouter, route: str, settings: Settings, *messages: AnyMessage) -> Sent:
    """Run a turn, and return the one call of a model: its id, the messages, and the settings."""
    router.choose(route, EYES if route == "seeing" else TEXT)
    services, inference = scripted(serving, [AIMessageChunk(content="Salt.")])
    result = build_graph(services).compile().invoke({"messages": list(messages or [QUESTION])}, context=settings)
    assert len(result["messages"]) == len(messages or [QUESTION]) + 1  # instructions of the route are not kept
    [sent] = inference.asked
    return sent


def test_what_a_run_leaves_open_is_the_routes(serving: Services, router: ScriptedRouter) -> None:
    _, _, sent = call_of(serving, router, "poems", Settings())
    assert sent == Settings(temperature=0.1, max_new_tokens=9, reasoning_effort="low", prefer="cheapest")
    _, messages, sent = call_of(serving, router, "chat", Settings())
    assert (sent, [message.type for message in messages]) == (Settings(), ["human"])


def test_a_run_and_the_environment_win_over_the_route(serving: Services, router: ScriptedRouter) -> None:
    own = Settings(temperature=1.5, reasoning_effort="high", prefer=0)
    _, _, sent = call_of(replace(serving, defaults=Settings(max_new_tokens=50)), router, "poems", own)
    assert (sent.temperature, sent.reasoning_effort, sent.prefer, sent.max_new_tokens) == (1.5, "high", 0, 50)


@pytest.mark.parametrize("call", FORMS)
def test_they_are_sent_to_the_provider_under_every_form_of_call(
    serving: Services, router: ScriptedRouter, sandbox: Sandbox, call: Call
) -> None:
    router.choose("poems", TEXT)
    call(build_graph(serving).compile(), {"messages": [QUESTION]}, Settings())
    sent = sandbox.requests[-1].parameters
    assert (sent["temperature"], sent["max_tokens"]) == (0.1, 9)


@pytest.mark.parametrize(
    ("own", "expected"),
    [([], ["Answer in verse."]), ([SystemMessage("Be brief.")], ["Be brief."])],
)
def test_instructions_of_the_conversation_win_over_those_of_the_route(
    serving: Services, router: ScriptedRouter, own: list[AnyMessage], expected: list[str]
) -> None:
    _, messages, _ = call_of(serving, router, "poems", Settings(), *own, QUESTION)
    assert [message.text for message in messages if message.type == "system"] == expected


def test_a_question_about_an_image_has_instructions_too(serving: Services, router: ScriptedRouter) -> None:
    _, messages, _ = call_of(serving, router, "seeing", Settings(), user_message("Which flower?", DOT))
    assert [message.type for message in messages] == ["system", "human"]
    assert messages[0].text == "Name the flower first."


def test_instructions_for_all_routes(serving: Services, router: ScriptedRouter, route_config: Path) -> None:
    route_config.write_text(json.dumps([{"name": "*", "system": "Answer in Welsh.", "temperature": 0}, *POLICY]))
    _, messages, sent = call_of(serving, router, "chat", Settings())
    assert (messages[0].text, sent.temperature) == ("Answer in Welsh.", 0)
    _, messages, sent = call_of(serving, router, "poems", Settings())
    assert (messages[0].text, sent.temperature) == ("Answer in verse.", 0.1)
