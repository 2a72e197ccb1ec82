"""Signs against an answer reach the history of the model that gave it, and the decision log; never any text."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.cli import main
from omni_router.decisions.log import DecisionLog
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND = (f"sandbox/text-generation-{number}" for number in (1, 2))
ROUTE = "question_answering"
QUESTION = "How do I undo the last git commit?"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "decisions.jsonl")


@pytest.fixture
def turn(services: Services, log: DecisionLog, router: ScriptedRouter) -> Callable[..., dict[str, Any]]:
    """Run a turn of one thread."""
    router.choose(ROUTE)
    graph: Compiled = build_graph(dataclasses.replace(services, decision_log=log)).compile(InMemorySaver())

    def run(text: str, **settings: Any) -> dict[str, Any]:
        config = {"configurable": {"thread_id": "1"}}
        return dict(graph.invoke(ask(text), config, context=Settings(**settings)))

    return run


def doubts(services: Services) -> dict[str, int]:
    return {record["id"]: record.get("doubts", 0) for record in services.history.models(ROUTE)}


@pytest.mark.parametrize(
    ("reply", "signals"),
    [("That's wrong.", ["objection"]), (QUESTION.upper(), ["asked_again"]), ("Thanks! And the one before?", None)],
)
def test_what_a_user_says_next_counts_for_the_model_that_answered(
    turn: Callable[..., Any], services: Services, log: DecisionLog, reply: str, signals: list[str] | None
) -> None:
    answered = turn(QUESTION)["decision"]
    turn(reply)
    assert doubts(services) == {answered["model"]: 1 if signals else 0}
    doubt = log.find("")["doubt"]
    if signals is None:
        assert doubt is None
    else:
        expected = {"decision": answered["id"], "route": ROUTE, "model": answered["model"], "signals": signals}
        assert doubt == expected


def test_an_answer_is_doubted_once_however_often_the_user_objects(
    turn: Callable[..., Any], services: Services, sandbox: Sandbox
) -> None:
    turn(QUESTION)
    sandbox.fail("overloaded_503", times=20)
    for _ in range(3):  # these turns have no answer, so all three are about the first one
        turn("That's wrong.")
    assert doubts(services)[FIRST] == 1


@pytest.mark.parametrize(
    ("chosen", "settings"),
    [(None, {"fallback_route": "none"}), (ROUTE, {"max_price": 0.0}), (ROUTE, {"skip_specialists": True})],
    ids=["no route", "no model", "only routed"],
)
def test_a_turn_that_calls_no_model_doubts_the_answer_before_it(
    turn: Callable[..., Any],
    services: Services,
    router: ScriptedRouter,
    chosen: str | None,
    settings: dict[str, Any],
) -> None:
    turn(QUESTION)
    router.choose(chosen)
    assert turn("That's wrong.", **settings)["attempts"] == []
    assert doubts(services) == {FIRST: 1}


def test_two_signs_in_a_turn_are_one_doubt(turn: Callable[..., Any], services: Services, log: DecisionLog) -> None:
    question = "that's wrong, isn't it?"
    turn(question)
    turn(question)
    assert log.find("")["doubt"]["signals"] == ["asked_again", "objection"]
    assert doubts(services) == {FIRST: 1}


def test_a_model_that_the_caller_named_is_not_doubted(
    turn: Callable[..., Any], services: Services, log: DecisionLog
) -> None:
    turn(QUESTION)
    turn("And the one before that?", model=FIRST)
    turn("That's wrong.")
    assert log.find("")["doubt"] is None
    assert doubts(services) == {FIRST: 0}


@pytest.mark.parametrize(
    ("fault", "signal"), [("null_content", "empty"), ("content_filter", "refused"), ("overloaded_503", None)]
)
def test_how_a_call_ends_counts_apart_from_whether_it_was_answered(
    turn: Callable[..., Any], services: Services, sandbox: Sandbox, fault: str, signal: str | None
) -> None:
    turn(QUESTION)
    sandbox.fail(fault, model=FIRST, times=1)
    result = turn("And the one before that?")
    assert result["attempts"][0].get("signals") == ([signal] if signal else None)
    assert doubts(services)[FIRST] == (1 if signal else 0)


@pytest.mark.parametrize(("limit_of_run", "doubted"), [(10, 0), (None, 1)])
def test_an_answer_cut_before_its_text_counts_unless_the_caller_set_the_limit(
    turn: Callable[..., Any], services: Services, sandbox: Sandbox, limit_of_run: int | None, doubted: int
) -> None:
    turn(QUESTION)
    sandbox.set_reasoning(FIRST, Reasoning(default_limit=10))
    result = turn("And the one before that?", max_new_tokens=limit_of_run)
    assert result["attempts"][0]["signals"] == ["cut"]
    assert doubts(services)[FIRST] == doubted


def test_broken_json_counts_where_a_form_was_asked_for(
    turn: Callable[..., Any], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router._sandbox.tool_calls.json_text", lambda _: "{broken")
    result = turn(QUESTION, response_format={"type": "json_object"})
    assert result["messages"][-1].text == "{broken"
    assert result["attempts"][0]["signals"] == ["broken_json"]
    [record] = services.history.models(ROUTE)
    assert (record["successes"], record["doubts"], record["failures"]) == (1, 1, {})


def test_a_model_that_draws_is_not_asked_for_json(turn: Callable[..., Any], router: ScriptedRouter) -> None:
    router.choose("image_generation")
    result = turn("Draw a cat.", response_format={"type": "json_object"})
    assert result["artifacts"]
    assert "signals" not in result["attempts"][0]


def test_the_same_tool_call_again_counts(services: Services, router: ScriptedRouter) -> None:
    router.choose(ROUTE)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    settings = Settings(tools=(tool,), tool_choice="required")
    graph: Compiled = build_graph(services).compile()
    first = graph.invoke(ask("Is it raining?"), context=settings)
    [made] = first["messages"][-1].tool_calls
    loop = [*first["messages"], ToolMessage("It is.", tool_call_id=made["id"])]
    again = graph.invoke({"messages": loop}, context=settings)
    assert [call["name"] for call in again["messages"][-1].tool_calls] == ["weather"]
    assert "signals" not in first["attempts"][0]
    assert again["attempts"][0]["signals"] == ["same_tool_call"]
    assert doubts(services) == {FIRST: 1}


@pytest.mark.parametrize("id_", [None, "x" * 100, "a b", 7])
def test_a_made_up_decision_is_not_doubted(services: Services, router: ScriptedRouter, id_: Any) -> None:
    router.choose(ROUTE)
    graph: Compiled = build_graph(services).compile()
    graph.invoke(ask(QUESTION))
    decision = {"id": id_, "route": ROUTE, "model": FIRST, "provider": None, "source": "catalog"}
    answer = AIMessage("So.", response_metadata={"decision": decision})
    graph.invoke({"messages": [HumanMessage(QUESTION), answer, HumanMessage("That's wrong.")]})
    assert doubts(services) == {FIRST: 0}


def test_a_router_that_cannot_compare_ends_no_run(services: Services, log: DecisionLog) -> None:
    class Failing(ScriptedRouter):
        def likeness(self, _first: str, _second: str) -> float:
            raise RuntimeError("no vectors today")

    router = Failing()
    router.choose(ROUTE)
    graph: Compiled = build_graph(dataclasses.replace(services, router=router, decision_log=log)).compile(
        InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1"}}
    graph.invoke(ask(QUESTION), config)
    result = graph.invoke(ask("How can I undo the last commit of git?"), config)
    assert result["error"] is None


def test_why_tells_what_speaks_against_an_answer_in_both_turns(
    turn: Callable[..., Any], log: DecisionLog, capsys: Capture
) -> None:
    first, second = turn(QUESTION)["decision"], turn("That's wrong.")["decision"]
    assert main(["--why", first["id"], "--decision-log", str(log.path)]) == 0
    of_first = " ".join(capsys.readouterr().out.split())
    assert f"doubt the user said that it was wrong (said by decision {second['id']})" in of_first
    assert main(["--why", second["id"], "--decision-log", str(log.path)]) == 0
    of_second = " ".join(capsys.readouterr().out.split())
    assert f"before {FIRST} answered in decision {first['id']}; the user said that it was wrong" in of_second


def test_no_word_of_the_conversation_is_kept(turn: Callable[..., Any], log: DecisionLog, route_config: Path) -> None:
    turn("my knee hurts since Tuesday, why?")
    turn("That's wrong, my knee hurts since Monday")
    kept = log.path.read_text() + route_config.read_text()
    assert "objection" in kept
    assert not re.search("knee|Tuesday|Monday", kept)
