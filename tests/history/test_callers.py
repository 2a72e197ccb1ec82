"""What reaches the history that everybody shares, and what stays with the caller of one run."""

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from omni_router import Services, Settings, build_graph, give_feedback, user_message
from omni_router._sandbox import Sandbox
from omni_router.decisions.log import DecisionLog
from omni_router.history import UsageRecord
from omni_router.history.store import StoreHistory
from omni_router.selection.ranking import by_rank
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND, THIRD = (f"sandbox/text-generation-{number}" for number in (1, 2, 3))
ROUTE = "question_answering"
AT = "2026-01-01T00:00:00Z"
SECRET = "my knee hurts since Tuesday"


@pytest.fixture
def graph(services: Services) -> Compiled:
    return build_graph(services).compile(InMemorySaver())


@pytest.fixture
def in_store(services: Services) -> Services:
    """The same services with their history in a store."""
    store = InMemoryStore()
    return dataclasses.replace(services, history=StoreHistory(lambda: store))


@pytest.fixture(params=["file", "store"])
def both(request: pytest.FixtureRequest, services: Services) -> Services:
    found: Services = services if request.param == "file" else request.getfixturevalue("in_store")
    return found


def thread(name: str = "1") -> Any:
    return {"configurable": {"thread_id": name}}


def run(services: Services, *messages: AnyMessage, **settings: Any) -> dict[str, Any]:
    asked = list(messages) or [user_message("How do tides work?")]
    graph: Compiled = build_graph(services).compile()
    return dict(graph.invoke({"messages": asked}, context=Settings(**settings)))


def loop(model: str, source: str) -> list[AnyMessage]:
    """Make a conversation that waits for the answer to a tool's result."""
    decision = {"route": ROUTE, "model": model, "provider": None, "source": source}
    call = {"id": "1", "name": "weather", "args": {}}
    asked = AIMessage("", tool_calls=[call], response_metadata={"decision": decision})
    return [HumanMessage("Is it raining?"), asked, ToolMessage("It is.", tool_call_id="1")]


# ---- a model that the caller names


@pytest.mark.parametrize("skip_specialists", [True, False])
def test_a_model_that_a_caller_names_is_added_for_nobody_else(
    both: Services, router: ScriptedRouter, *, skip_specialists: bool
) -> None:
    router.choose(ROUTE)
    result = run(both, model=THIRD, skip_specialists=skip_specialists)
    assert (result["decision"]["model"], result["decision"]["source"]) == (THIRD, "caller")
    assert list(both.history.models(ROUTE)) == []


def test_a_made_up_model_enters_no_history_while_the_hub_is_away(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.fail("hub_503", times=50)
    router.choose(ROUTE)
    result = run(services, model="made-up/model", skip_specialists=True)
    assert (result["decision"]["model"], result["decision"]["verified"]) == ("made-up/model", False)
    assert list(services.history.models(ROUTE)) == []


def test_twelve_chats_that_name_a_model_do_not_rank_it(both: Services, router: ScriptedRouter) -> None:
    for model in (FIRST, *[SECOND] * 5):
        both.history.record(UsageRecord(ROUTE, model, "why", AT, seconds=1.0))
    [before] = [record for record in both.history.models(ROUTE) if record["id"] == FIRST]
    router.choose(ROUTE)
    for _ in range(12):
        run(both, model=FIRST)
    records = list(both.history.models(ROUTE))
    after = next(record for record in records if record["id"] == FIRST)
    assert {**after, "by_callers": 0, "decisions": []} == {**before, "by_callers": 0, "decisions": []}
    assert after["by_callers"] == 12
    assert [record["id"] for record in by_rank(records, datetime.now(timezone.utc))] == [SECOND, FIRST]


def test_a_use_that_a_caller_settled_is_said_to_be_recorded_where_it_is(
    services: Services, router: ScriptedRouter, route_config: Path, graph: Compiled
) -> None:
    router.choose(ROUTE)
    services.history.record(UsageRecord(ROUTE, FIRST, "why", AT))
    events = {
        model: list(graph.stream(ask("why?"), thread(model), context=Settings(model=model), stream_mode="custom"))
        for model in (FIRST, THIRD)
    }
    assert [event["event"] for event in events[THIRD]] == ["decision"]
    recorded = {"event": "recorded", "route": ROUTE, "model": FIRST, "file": str(route_config)}
    assert events[FIRST][-1] == recorded


@pytest.mark.parametrize("fault", ["overloaded_503", "not_found_404", "read_timeout"])
def test_a_model_that_fails_for_the_caller_who_named_it_is_left_alone_by_nobody(
    both: Services, router: ScriptedRouter, sandbox: Sandbox, fault: str
) -> None:
    both.history.record(UsageRecord(ROUTE, THIRD, "why", AT, seconds=1.0))
    [before] = both.history.models(ROUTE)
    sandbox.fail(fault, model=THIRD, times=5)
    router.choose(ROUTE)
    assert run(both, model=THIRD)["error"] is not None
    assert both.history.cooling() == {}
    [after] = both.history.models(ROUTE)
    assert (after["uses"], after["failures"], after["recent"]) == (1, {}, before["recent"])


def test_an_answer_to_a_caller_who_named_the_model_ends_nobodys_wait(both: Services, router: ScriptedRouter) -> None:
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    both.history.record(UsageRecord(ROUTE, THIRD, "why", now, outcome="rate_limited", retry_after=600.0))
    router.choose(ROUTE)
    assert run(both, model=THIRD)["error"] is None
    assert [wait["kind"] for wait in both.history.cooling()[THIRD]] == ["rate_limited"]


def test_a_thread_that_goes_on_with_a_model_that_was_named_counts_it_for_nobody(
    graph: Compiled, services: Services, router: ScriptedRouter
) -> None:
    router.choose(ROUTE)
    graph.invoke(ask("How do tides work?"), thread(), context=Settings(model=THIRD))
    router.choose(ROUTE, FIRST)
    for question in ("And neap tides?", "And why?"):
        decision = graph.invoke(ask(question), thread())["decision"]
        assert (decision["model"], decision["source"]) == (THIRD, "caller")
    assert list(services.history.models(ROUTE)) == []


def test_a_thread_that_goes_on_in_messages_counts_a_named_model_for_nobody(
    services: Services, router: ScriptedRouter
) -> None:
    router.choose(ROUTE)
    named = run(services, model=THIRD)
    router.choose(ROUTE, FIRST)
    decision = run(services, *named["messages"], user_message("And why?"))["decision"]
    assert (decision["model"], decision["source"]) == (THIRD, "caller")
    assert list(services.history.models(ROUTE)) == []


# ---- a timeout that the caller shortens


def test_a_timeout_that_the_caller_shortened_cools_no_model(
    both: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    both.history.record(UsageRecord(ROUTE, FIRST, "why", AT, seconds=1.0))
    [before] = both.history.models(ROUTE)
    sandbox.fail("read_timeout", model=FIRST)
    router.choose(ROUTE, FIRST)
    result = run(both, timeout=0.5, max_models=1)
    assert result["error"]["kind"] == "timeout"
    assert both.history.cooling() == {}
    [after] = both.history.models(ROUTE)
    assert (after["uses"], after["last_used"], after["recent"]) == (1, AT, before["recent"])


@pytest.mark.parametrize("settings", [Settings(max_models=1), Settings(max_models=1, timeout=30.0)])
def test_a_timeout_of_the_default_or_of_the_graphs_builder_cools_the_model(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, settings: Settings
) -> None:
    sandbox.fail("read_timeout", model=FIRST)
    router.choose(ROUTE, FIRST)
    build_graph(services, settings).compile().invoke(ask("How do tides work?"))
    assert [wait["kind"] for wait in services.history.cooling()[FIRST]] == ["timeout"]


# ---- tool loops


def test_a_tool_loop_that_a_caller_began_stays_the_callers(services: Services) -> None:
    result = run(services, *loop(THIRD, "caller"))
    assert (result["decision"]["model"], result["decision"]["source"]) == (THIRD, "caller")
    assert list(services.history.models(ROUTE)) == []


def test_a_model_that_a_message_makes_up_does_not_enter_by_a_tool_loop(services: Services, sandbox: Sandbox) -> None:
    sandbox.fail("hub_503", times=50)
    result = run(services, *loop("made-up/model", "router"), skip_specialists=True)
    assert (result["decision"]["model"], result["decision"]["source"]) == ("made-up/model", "caller")
    assert list(services.history.models(ROUTE)) == []


def test_a_tool_loop_with_a_model_on_offer_counts(services: Services) -> None:
    services.history.record(UsageRecord(ROUTE, THIRD, "why", AT))
    assert run(services, *loop(THIRD, "router"))["decision"]["source"] == "router"
    assert services.history.models(ROUTE)[0]["successes"] == 2


# ---- verdicts


def test_a_verdict_on_a_model_that_the_caller_named_teaches_the_route_and_ranks_no_model(
    both: Services, router: ScriptedRouter
) -> None:
    both.history.record(UsageRecord(ROUTE, THIRD, "why", AT))
    router.choose(ROUTE)
    result = run(both, model=THIRD)
    assert give_feedback(result, "good", services=both) is not None
    assert give_feedback(result, "bad", services=both) is None
    [record] = both.history.models(ROUTE)
    assert "good" not in record
    assert "bad" not in record
    assert list(both.history.examples(ROUTE)) == ["How do tides work?"]


# ---- the router's own words


@pytest.mark.parametrize("fallback", [False, True])
def test_what_a_router_writes_reaches_neither_history_nor_a_log_without_text(
    services: Services, router: ScriptedRouter, route_config: Path, tmp_path: Path, *, fallback: bool
) -> None:
    log = DecisionLog(tmp_path / "log.jsonl")
    route = f"the user says {SECRET}" if fallback else ROUTE
    router.choose(route, None if fallback else FIRST, f"the user says: {SECRET}")
    decision = run(dataclasses.replace(services, decision_log=log), user_message(SECRET))["decision"]
    assert SECRET in decision["reason"], "the caller sees its own words"
    assert SECRET not in route_config.read_text()
    assert SECRET not in log.path.read_text()
    [entry] = log.entries()
    model = decision["model"]
    [record] = [r for r in services.history.models(ROUTE) if r["id"] == model]
    expected = (
        "a different route from the one the router proposed; number 1 in the catalog; "
        "without evidence: it is switched off"
    )
    assert record["last_reason"] == entry["reason"] == (expected if fallback else "the router's choice, 90% sure")
    assert json.loads(entry["reply"]) == {"route": "?" if fallback else ROUTE, "model": None if fallback else FIRST}


def test_a_model_that_is_recalled_leaves_out_the_words_of_the_router(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, route_config: Path
) -> None:
    router.choose(ROUTE, "nobody/knows-it", SECRET)
    sandbox.fail("overloaded_503", model=FIRST)
    result = run(services, user_message(SECRET))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["overloaded", "answered"]
    assert SECRET not in route_config.read_text()
    [record] = services.history.models(ROUTE)
    assert record["last_reason"] == (
        f"number 2 in the catalog; without evidence: it is switched off; after {FIRST} failed (overloaded)"
    )


def test_a_log_with_text_keeps_the_words_of_the_router(
    services: Services, router: ScriptedRouter, tmp_path: Path
) -> None:
    log = DecisionLog(tmp_path / "log.jsonl", with_text=True)
    router.choose(ROUTE, FIRST, "a question about tides")
    run(dataclasses.replace(services, decision_log=log))
    [entry] = log.entries()
    assert entry["reason"] == "a question about tides"
    assert "a question about tides" in entry["reply"]


# ---- a run that is killed and resumed


class Killed(BaseException):
    """Stands in for the end of the process, which no code survives."""


def dying(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let a call do its work, and the process end right after it, the first time."""
    calls = list[None]()

    def die(*args: Any) -> Any:
        done = call(*args)
        calls.append(None)
        if len(calls) == 1:
            raise Killed
        return done

    return die


@pytest.mark.parametrize("killed_after", ["the history", "the log"])
@pytest.mark.parametrize("outcome", ["answered", "overloaded"])
def test_a_run_that_is_killed_after_its_record_and_resumed_counts_once(  # noqa: PLR0913, PLR0917 (fixtures)
    both: Services,
    router: ScriptedRouter,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_after: str,
    outcome: str,
) -> None:
    log = DecisionLog(tmp_path / "log.jsonl")
    services = dataclasses.replace(both, decision_log=log)
    services.history.record(UsageRecord(ROUTE, FIRST, "why", AT, seconds=1.0))
    if outcome != "answered":
        sandbox.fail("overloaded_503", model=FIRST, times=1)
    router.choose(ROUTE, FIRST)
    if killed_after == "the history":
        monkeypatch.setattr(services.history, "record", dying(services.history.record))
    else:
        monkeypatch.setattr(log, "write", dying(log.write))
    graph: Compiled = build_graph(services).compile(InMemorySaver())
    with pytest.raises(Killed):
        graph.invoke(ask("How do tides work?"), thread())
    result = graph.invoke(None, thread())
    assert result["error"] is None
    first = next(record for record in services.history.models(ROUTE) if record["id"] == FIRST)
    assert (first["uses"], len(first["recent"])) == (2, 2)
    assert len(log.path.read_text().splitlines()) == 1
    assert all(wait["times"] == 1 for waits in services.history.cooling().values() for wait in waits)
