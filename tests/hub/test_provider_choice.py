"""Which provider is named: pure rules on offers, and what the real client sends to the sandbox."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Offer, Sandbox
from omni_router.hub.availability import choose, passes, why_not
from omni_router.hub.capabilities import CatalogModel, ProviderEntry
from omni_router.hub.gates import UNKNOWN_CONTEXT
from omni_router.hub.requirements import Requirements
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

TEXT, TEXT2 = "sandbox/text-generation-1", "sandbox/text-generation-2"


def offer(provider: str, price: float | None = 1.0, speed: float | None = 100.0, **more: Any) -> ProviderEntry:
    return ProviderEntry(provider, input_price=price, output_price=price, throughput=speed, **more)


CHEAP_AND_SLOW = offer("slow", 0.1, 40)
MIDDLE = offer("middle", 0.3, 110)
FAST = offer("fast", 0.9, 200)
FREE = offer("free", None, 60, is_free=True)
UNKNOWN = offer("unknown", None, None)
ALL = (UNKNOWN, FAST, MIDDLE, CHEAP_AND_SLOW)


def provider(prefer: Any, *offers: ProviderEntry, **more: Any) -> str | None:
    required = Requirements(tokens_in=100, tokens_out=100, prefer=prefer, **more)
    return choose(CatalogModel("acme/m", offers), required).provider


@pytest.mark.parametrize(
    ("prefer", "offers", "named"),
    [
        ("cheapest", ALL, "slow"),
        ("cheapest", (*ALL, FREE), "free"),
        ("cheapest", (UNKNOWN,), None),
        ("fastest", ALL, "fast"),
        ("fastest", (UNKNOWN, UNKNOWN), None),
        ("fastest", (FAST, offer("quick", 2, 200, first_token_latency_ms=90)), "quick"),
        ("balanced", ALL, "middle"),
        ("balanced", (FAST, offer("unmeasured", 0.2, None)), "unmeasured"),
        ("balanced", (UNKNOWN, UNKNOWN), None),
        ("best", ALL, None),
        (0.03, ALL, "slow"),
        (0.015, ALL, "middle"),
        (0, ALL, None),
    ],
)
def test_a_preference_names_a_provider_or_leaves_it_to_hugging_face(
    prefer: Any, offers: tuple[ProviderEntry, ...], named: str | None
) -> None:
    assert provider(prefer, *offers) == named


@pytest.mark.parametrize(
    ("prefer", "named"), [("best", "middle"), ("fastest", "middle"), ("cheapest", "slow"), ("balanced", "middle")]
)
def test_where_not_all_pass_one_that_passes_is_named(prefer: str, named: str) -> None:
    assert provider(prefer, *ALL, max_price=0.5) == named


def test_the_estimate_weighs_input_and_output_as_the_request_has_them() -> None:
    reads = ProviderEntry("reads", input_price=0.1, output_price=2.0)
    writes = ProviderEntry("writes", input_price=0.5, output_price=0.6)
    model = CatalogModel("acme/m", (reads, writes))
    assert choose(model, Requirements(tokens_in=9_000, tokens_out=100, prefer="cheapest")).provider == "reads"
    assert choose(model, Requirements(tokens_in=100, tokens_out=9_000, prefer="cheapest")).provider == "writes"


def test_an_unknown_window_holds_what_nearly_all_hold() -> None:
    model = CatalogModel("acme/m", (offer("unknown"),))
    assert passes(model, Requirements(tokens_in=UNKNOWN_CONTEXT))
    assert not passes(model, Requirements(tokens_in=UNKNOWN_CONTEXT + 1))


@pytest.mark.parametrize(
    ("only", "never", "is_in"),
    [
        ((("acme/*",),), (), True),
        ((("ACME/m",),), (), True),
        ((("other/*",),), (), False),
        ((("acme/*",), ("*:fast",)), (), True),
        ((("acme/*",), ("*:slow",)), (), False),
        ((), ("acme/m:fast",), False),
        ((), ("*:slow", "other/*"), True),
        ((), ("acme/[a-l]",), True),
    ],
)
def test_patterns_match_ids_and_providers(
    only: tuple[tuple[str, ...], ...], never: tuple[str, ...], *, is_in: bool
) -> None:
    model = CatalogModel("Acme/M", (FAST,))
    assert passes(model, Requirements(only=only, never=never)) is is_in


def test_the_reason_is_the_gate_at_which_the_last_provider_failed_with_its_figures() -> None:
    small = offer("small", tools=True, context_length=8_192)
    model = CatalogModel("acme/m", (small, offer("toolless", context_length=10**6)))
    refused = why_not(model, Requirements(("tools",), tokens_in=40_000, tokens_out=1_000))
    assert refused is not None
    assert (refused.gate, refused.kind) == ("context", "bad_request")
    assert "about 41,000 tokens are needed, 1,000 of them for the answer; the largest offer has 8,192" in refused.why


# ---- through the graph


@pytest.fixture
def graph(services: Services, write_policy: Callable[..., Path], router: ScriptedRouter) -> Compiled:
    write_policy(question_answering=[TEXT])
    router.choose("question_answering", TEXT)
    return build_graph(services).compile()


def called(box: Sandbox) -> list[tuple[str | None, str | None]]:
    return [(record.model, record.provider) for record in box.requests if record.method == "POST"]


CHEAP = Offer("novita", input_price=0.1, output_price=0.1, throughput=20, context_length=8_192)
QUICK = Offer("together", input_price=0.3, output_price=0.9, throughput=400, context_length=32_768)


@pytest.mark.parametrize(
    ("prefer", "expected"), [("cheapest", "novita"), ("fastest", "together"), ("balanced", "together")]
)
def test_the_provider_that_is_preferred_is_called(
    prefer: Any, expected: str, graph: Compiled, sandbox: Sandbox
) -> None:
    sandbox.offer(TEXT, CHEAP, QUICK)
    result = graph.invoke(ask("why?"), context=Settings(prefer=prefer))
    assert called(sandbox) == [(TEXT, expected)]
    assert result["decision"]["provider"] == expected
    assert result["decision"]["prefer"] == prefer
    assert result["decision"]["provider_reason"].startswith(f"{expected} is the ")
    assert 0 < result["decision"]["estimated_cost"] < 0.001


@pytest.mark.parametrize(("policy", "expected"), [("cheapest", "novita"), ("fastest", "together")])
def test_a_policy_of_hugging_face_is_passed_on_and_chosen_by_us_where_not_all_pass(
    policy: str, expected: str, graph: Compiled, sandbox: Sandbox
) -> None:
    toolless = Offer("fireworks-ai", input_price=0.01, output_price=0.01, throughput=900, tools=False)
    sandbox.offer(TEXT, CHEAP, QUICK)
    sandbox.offer(TEXT2, CHEAP, QUICK, toolless)
    result = graph.invoke(ask("why?"), context=Settings(model=f"{TEXT}:{policy}"))
    assert result["decision"]["provider"] == policy
    tools = ({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},)
    result = graph.invoke(ask("why?"), context=Settings(model=f"{TEXT2}:{policy}", tools=tools))
    assert result["decision"]["provider"] == expected
    assert called(sandbox) == [(TEXT, expected), (TEXT2, expected)]


def test_a_policy_of_hugging_face_draws_too(services: Services, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("image_generation", "sandbox/text-to-image-1:cheapest")
    result = build_graph(services).compile().invoke(ask("a fox"))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["answered"]


def test_a_conversation_that_outgrows_its_window_moves_and_says_so(
    services: Services, write_policy: Callable[..., Path], router: ScriptedRouter, sandbox: Sandbox
) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    write_policy(question_answering=[TEXT, TEXT2])
    router.choose("question_answering", TEXT)
    sandbox.offer(TEXT, CHEAP, QUICK)
    sandbox.offer(TEXT2, Offer("novita", context_length=200_000))
    graph = build_graph(services, Settings(prefer="cheapest")).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    decisions = []
    for text in ("why?", "tides " * 8_000, "tides " * 20_000):
        result = graph.invoke(ask(text), thread)
        assert result["error"] is None
        decisions.append(result["decision"])
    assert [(each["model"], each["provider"]) for each in decisions] == [
        (TEXT, "novita"),
        (TEXT, "together"),
        (TEXT2, "novita"),
    ]
    assert "1 of 2 did not pass: context" in decisions[1]["reason"]
    assert "tokens are needed" in decisions[2]["reason"]
    assert [each["gate"] for each in decisions[2]["passed_over"]] == ["context"]
    assert len(called(sandbox)) == 3, "no call was refused"


def test_a_tool_loop_keeps_its_model_and_moves_to_another_provider(graph: Compiled, sandbox: Sandbox) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    sandbox.offer(TEXT, CHEAP, QUICK)
    metadata = {"route": "question_answering", "model": TEXT, "provider": "novita", "source": "history"}
    call = AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": {}}], response_metadata={"decision": metadata})
    result = ToolMessage("tides " * 8_000, tool_call_id="1")
    tools = ({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},)
    settings = Settings(tools=tools, prefer="cheapest")
    graph.invoke({"messages": [HumanMessage("why?"), call, result]}, context=settings)
    assert called(sandbox) == [(TEXT, "together")]


def test_what_to_change_stands_in_the_explanation(graph: Compiled) -> None:
    result = graph.invoke(ask("why?"), context=Settings(model=TEXT, max_price=0.01))
    assert result["error"]["kind"] == "no_provider"
    assert "max_price is 0.01 US dollars a million tokens, the lowest offer charges 0.4" in result["error"]["message"]
    assert "raise `max_price`" in result["error"]["message"]


def test_limits_hold_also_while_the_hub_does_not_answer(graph: Compiled, sandbox: Sandbox) -> None:
    sandbox.fail("catalog_503", times=50)
    for settings in (Settings(max_price=1), Settings(only=("*:together",)), Settings(never=("*:novita",))):
        result = graph.invoke(ask("why?"), context=settings)
        assert result["error"]["kind"] == "no_provider", settings
    assert called(sandbox) == []
    assert graph.invoke(ask("why?"), context=Settings(never=("acme/*",)))["error"] is None
