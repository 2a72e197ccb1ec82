"""What a request requires: the limits of the run and of its route together, and an estimate of its tokens."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from omni_router import Settings, user_message
from omni_router.config.parameters import RouteParameters
from omni_router.hub.requirements import (
    ANSWER_TOKENS,
    IMAGE_TOKENS,
    NO_REQUIREMENTS,
    Requirements,
    estimate_tokens,
    requirements,
)

MODEL = "acme/chat-1"


def required(settings: Settings, **parameters: Any) -> Requirements:
    return requirements(settings, [], RouteParameters(**parameters))


def test_limits_of_the_run_and_of_its_route_both_bind() -> None:
    settings = Settings(only=("org/*",), never=("*:slow",), max_price=2)
    both = required(settings, only=(("*:together",),), never=("bad/*",), max_price=3)
    assert both.only == (("*:together",), ("org/*",))
    assert both.never == ("bad/*", "*:slow")
    assert both.max_price == 2
    assert required(Settings(max_price=5), max_price=3).max_price == 3
    assert required(Settings(), max_price=3).max_price == 3


@pytest.mark.parametrize(
    ("model", "limit"), [(f"{MODEL}:together", None), (MODEL, 1.0), (f"{MODEL}:cheapest", 1.0), (None, 1.0)]
)
def test_only_a_provider_that_the_caller_names_is_exempt_from_the_price(model: str | None, limit: float | None) -> None:
    exempt = required(Settings(model=model, max_price=1, never=("acme/*",)))
    assert exempt.max_price == limit
    assert exempt.never == ("acme/*",), "what may be called binds the caller too"


def test_the_run_is_asked_for_its_preference_first_then_the_route() -> None:
    assert required(Settings()).prefer == "balanced"
    assert required(Settings(), prefer="cheapest").prefer == "cheapest"
    assert required(Settings(prefer=0.0), prefer="cheapest").prefer == 0


@pytest.mark.parametrize(
    ("prefer", "rule"), [(0, "best"), (0.015, "balanced"), (0.03, "cheapest"), (1, "cheapest"), ("fastest", "fastest")]
)
def test_a_number_stands_for_a_word(prefer: Any, rule: str) -> None:
    assert Requirements(prefer=prefer).provider_rule == rule


def test_the_answer_has_the_length_of_the_run_else_of_the_route_else_a_usual_one() -> None:
    assert required(Settings()).tokens_out == ANSWER_TOKENS
    assert required(Settings(), max_new_tokens=50).tokens_out == 50
    assert required(Settings(max_new_tokens=7), max_new_tokens=50).tokens_out == 7


def test_tools_and_forms_are_required_and_plain_text_is_not() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert required(Settings(tools=(tool,))).capabilities == ("tools",)
    assert required(Settings(response_format={"type": "json_object"})).capabilities == ("structured_output",)
    assert required(Settings(response_format={"type": "text"})).capabilities == ()


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The tide turns twice a day, and nobody can hold it back. " * 100, 1_200, 1_800),  # 13 tokens each
        ("潮の満ち引きは月の引力によって起こる。" * 100, 1_200, 2_000),  # 12 to 15 tokens each
        ("Приливы зависят от притяжения Луны. " * 100, 900, 2_500),  # 9 to 12 tokens each
    ],
)
def test_an_estimate_is_rather_too_high(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens([HumanMessage(text)]) <= most


def test_images_tools_calls_and_results_count() -> None:
    empty = estimate_tokens([HumanMessage("")])
    assert estimate_tokens([user_message("", "https://example.com/a.png")]) == empty + IMAGE_TOKENS
    call = AIMessage("", tool_calls=[{"id": "1", "name": "look_up", "args": {"of": "x" * 400}}])
    assert estimate_tokens([call]) > empty + 100
    assert estimate_tokens([ToolMessage("x" * 400, tool_call_id="1")]) > empty + 100
    assert estimate_tokens([], [{"function": {"description": "x" * 400}}]) > 100
    assert estimate_tokens([HumanMessage(["plain", {"type": "text", "text": "x" * 400}])]) > empty + 100
    assert estimate_tokens([HumanMessage("half a character: \ud83c")]) > empty


def test_the_instructions_of_the_route_count() -> None:
    assert required(Settings(), system="x" * 700).tokens_in == 200


def test_nobody_requires_anything() -> None:
    assert (NO_REQUIREMENTS.tokens, NO_REQUIREMENTS.provider_rule) == (0, "best")
