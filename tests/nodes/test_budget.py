"""A budget of a thread and of a day: near its end the cheapest is preferred, at its end no model is called."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from omni_router import Services, Settings, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router._sandbox.offers import Offer
from omni_router.config.environment import Environment
from omni_router.config.spending_budget import Budget
from omni_router.errors import ConfigurationError, RunCancelled
from omni_router.history.spending import FileLedger
from omni_router.nodes._attempt import attempt
from omni_router.nodes._budget import within_budget
from omni_router.services.history import open_ledger
from omni_router.state import State, new_decision
from tests.support.calls import FORMS, Call, Compiled, ask
from tests.support.clock import Clock
from tests.support.scripted_router import ScriptedRouter

TEXT = "sandbox/text-generation-1"
ROUTE = "question_answering"
NOW = datetime(2026, 6, 15, 23, 30, tzinfo=timezone.utc)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> FileLedger:
    return FileLedger(tmp_path / "spending", clock)


@pytest.fixture
def limited(services: Services, router: ScriptedRouter, ledger: FileLedger) -> Callable[..., Services]:
    """Services with a budget."""
    router.choose(ROUTE, TEXT)

    def limit(**budget: float) -> Services:
        return replace(services, budget=Budget(**budget), ledger=ledger)

    return limit


def calls(sandbox: Sandbox) -> int:
    return len([record for record in sandbox.requests if record.method == "POST"])


def turn(graph: Compiled, thread: str = "1") -> dict[str, Any]:
    config: Any = {"configurable": {"thread_id": thread}}
    return dict(graph.invoke(ask("How do tides work?"), config))


@pytest.mark.parametrize("call", FORMS)
def test_at_the_end_of_the_day_s_budget_no_model_is_called(
    limited: Callable[..., Services], ledger: FileLedger, sandbox: Sandbox, call: Call
) -> None:
    services = limited(day=0.01)
    ledger.add(0.0123, "earlier")
    result = call(build_graph(services).compile(), ask("How do tides work?"), None)
    assert calls(sandbox) == 0
    error = result["error"]
    assert error["kind"] == "payment"
    assert error["message"] == (
        "The budget is used up. ($0.0123 of $0.01 are spent today; the next day begins at midnight UTC)"
    )
    assert error["hint"] == "Raise OMNI_BUDGET, or unset it."
    assert error["message"] in result["messages"][-1].text
    assert services.history.models(ROUTE) == ()  # nothing was called


def test_midnight_begins_a_new_budget(
    limited: Callable[..., Services], ledger: FileLedger, clock: Clock, sandbox: Sandbox
) -> None:
    graph = build_graph(limited(day=0.01)).compile()
    ledger.add(0.02, "earlier")
    assert FORMS[0](graph, ask("Hello"), None)["error"]["kind"] == "payment"
    clock.at += timedelta(hours=1)
    result = FORMS[0](graph, ask("Hello"), None)
    assert result["error"] is None
    assert ledger.spent() == result["attempts"][0]["cost"] > 0


def test_a_thread_spends_its_own_budget_over_its_turns(limited: Callable[..., Services], sandbox: Sandbox) -> None:
    graph = build_graph(limited(thread=0.00002)).compile(InMemorySaver())
    results: list[dict[str, Any]] = []
    while not results or results[-1]["error"] is None:
        results.append(turn(graph))
        assert len(results) < 10
    *answered, stopped = results
    costs = [result["attempts"][0]["cost"] for result in answered]
    assert sum(costs[:-1]) < 0.00002 <= sum(costs)
    assert stopped["error"]["message"].startswith("The budget is used up. (this thread has spent $0.0000")
    assert calls(sandbox) == len(answered)
    assert turn(graph, "another thread")["error"] is None


def test_a_caller_who_keeps_no_thread_spends_what_its_answers_say(limited: Callable[..., Services]) -> None:
    graph = build_graph(limited(thread=0.5)).compile()
    decision = {"route": ROUTE, "model": TEXT, "provider": None, "source": "router"}

    def conversation(*costs: object) -> dict[str, Any]:
        answers = [AIMessage("It is.", response_metadata={"decision": decision, "cost": cost}) for cost in costs]
        return {"messages": [HumanMessage("Hello"), *answers, user_message("And now?")]}

    assert FORMS[0](graph, conversation(0.3, 0.1, None, "a lot", -5, [0.2]), None)["error"] is None
    assert FORMS[0](graph, conversation(0.3, 0.2), None)["error"]["kind"] == "payment"


@pytest.mark.parametrize(("spent", "prefer"), [(0.0, "best"), (0.79, "best"), (0.8, "cheapest"), (5.0, "cheapest")])
def test_near_its_end_the_cheapest_is_preferred(
    limited: Callable[..., Services], ledger: FileLedger, spent: float, prefer: str
) -> None:
    settings, empty = Settings(prefer="best"), State(messages=[])
    ledger.add(spent, "earlier")
    assert within_budget(settings, empty, limited(day=1)).prefer == prefer
    assert within_budget(settings, State(messages=[], spent=spent), limited(thread=1)).prefer == prefer
    assert within_budget(settings, empty, limited()).prefer == "best"


def test_a_spent_budget_still_routes(limited: Callable[..., Services], ledger: FileLedger) -> None:
    ledger.add(2, "earlier")
    result = FORMS[0](build_graph(limited(day=1)).compile(), ask("Hello"), Settings(skip_specialists=True))
    assert (result["error"], result["decision"]["model"]) == (None, TEXT)


def test_failed_calls_that_were_counted_are_spent_too(
    limited: Callable[..., Services], ledger: FileLedger, sandbox: Sandbox
) -> None:
    sandbox.fail("null_content", TEXT)
    result = FORMS[0](build_graph(limited(day=1)).compile(), ask("Hello"), None)
    costs = [attempt["cost"] for attempt in result["attempts"]]
    assert len(costs) == 2
    assert ledger.spent() == pytest.approx(sum(costs), abs=1e-13)


def test_a_call_that_its_caller_cancels_is_spent_as_estimated(
    limited: Callable[..., Services], ledger: FileLedger
) -> None:
    decision = {**new_decision("1", "why", None), "model": TEXT, "estimated_cost": 0.25}
    state: Any = {"messages": [], "turn": "1", "attempts": [], "decision": decision}

    def cancelled(*_: object) -> Any:
        raise RunCancelled("the caller no longer waits for this answer")

    with pytest.raises(RunCancelled):
        attempt(state, Settings(), limited(day=1), cancelled)
    assert ledger.spent() == 0.25


def test_a_day_s_budget_is_kept_in_the_store_of_the_graph_that_embeds_this_one(
    services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_BUDGET", "0.000001/day")
    monkeypatch.setenv("OMNI_HISTORY", "store")
    router.choose(ROUTE, TEXT)
    environment = Environment.read()
    limited = replace(services, budget=environment.budget, ledger=open_ledger(environment))
    store = InMemoryStore()
    results = [FORMS[number](build_graph(limited).compile(store=store), ask("Hello"), None) for number in (0, 1)]
    assert [result["error"] and result["error"]["kind"] for result in results] == [None, "payment"]
    [item] = store.search(("omni_router",), filter={"spent": results[0]["attempts"][0]["cost"]})
    assert item.namespace[:-1] == ("omni_router", "sandbox", "spending")


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("0.50/thread", Budget(thread=0.5)),
        ("5/day", Budget(day=5)),
        (" 5/day , .5/thread ", Budget(thread=0.5, day=5)),
    ],
)
def test_a_budget_is_read(text: str, budget: Budget) -> None:
    assert Environment.read(variables={"OMNI_BUDGET": text}).budget == budget


@pytest.mark.parametrize(
    "text", ["5", "5/week", "/day", "-1/day", "0/day", "inf/day", "nan/day", "1/day,2/day", "1/day,"]
)
def test_another_budget_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OMNI_BUDGET must be US dollars a thread, a day, or both, such as"):
        Environment.read(variables={"OMNI_BUDGET": text})


def test_the_ledger_of_a_file_history_lies_beside_it_and_survives_a_restart(
    sandbox: Sandbox, route_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_BUDGET", "5/day")
    first, second = (Services.from_environment(Environment.read(route_config=route_config)) for _ in range(2))
    assert first.ledger is not None
    assert second.ledger is not None
    first.ledger.add(1.25, "one")
    second.ledger.add(0.5, "two")
    assert (first.ledger.spent(), second.ledger.spent()) == (1.75, 1.75)
    assert route_config.with_name(f".{route_config.name}.spending").exists()


# ---- with providers of several prices


CHEAP, FAST, FREE = (
    Offer("together", input_price=0.1, output_price=0.4, throughput=50.0),
    Offer("fireworks-ai", input_price=1.0, output_price=4.0, throughput=500.0),
    Offer("novita", input_price=None, output_price=None, is_free=True),
)


@pytest.mark.parametrize(("spent", "provider"), [(0.5, "fireworks-ai"), (0.85, "together")])
def test_near_the_end_of_a_budget_the_cheapest_provider_is_called(
    limited: Callable[..., Services], ledger: FileLedger, sandbox: Sandbox, spent: float, provider: str
) -> None:
    sandbox.offer(TEXT, CHEAP, FAST)
    ledger.add(spent, "earlier")
    result = FORMS[0](build_graph(limited(day=1)).compile(), ask("Hello"), Settings(prefer="fastest"))
    assert result["attempts"][0]["provider"] == provider


def test_what_is_free_costs_nothing_and_that_is_known(
    limited: Callable[..., Services], ledger: FileLedger, sandbox: Sandbox
) -> None:
    sandbox.offer(TEXT, FREE)
    [attempt] = FORMS[0](build_graph(limited(day=1)).compile(), ask("Hello"), None)["attempts"]
    assert (attempt["cost"], ledger.spent()) == (0.0, 0.0)


def test_an_answer_without_a_count_is_spent_as_estimated(
    limited: Callable[..., Services], ledger: FileLedger, sandbox: Sandbox
) -> None:
    sandbox.offer(TEXT, CHEAP)
    sandbox.bend("/v1/chat/completions", lambda answer: {**answer, "usage": None})
    result = FORMS[0](build_graph(limited(day=1)).compile(), ask("Hello"), None)
    [attempt] = result["attempts"]
    assert (attempt["usage"], attempt["cost"]) == (None, None)
    assert attempt["estimated_cost"] == result["decision"]["estimated_cost"] > 0
    assert ledger.spent() == pytest.approx(attempt["estimated_cost"], abs=1e-12)
