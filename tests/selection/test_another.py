"""Another model: it answers the same request in place of the one that has answered."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import ChatOmni, Services, Settings, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.decisions.log import DecisionLog
from omni_router.errors import InvalidRequest
from omni_router.events import Token, stream
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.calls import FORMS, Call, Compiled, ask
from tests.support.scripted_router import ScriptedRouter
from tests.support.wire import recorded

FIRST, SECOND, THIRD = (f"sandbox/text-generation-{number}" for number in (1, 2, 3))
ROUTE = "question_answering"
QUESTION = "How do tides work?"
THREAD: Any = {"configurable": {"thread_id": "1"}}
ANOTHER = Settings(another=True)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "decisions.jsonl")


@pytest.fixture
def graph(services: Services, router: ScriptedRouter, log: DecisionLog) -> Compiled:
    router.choose(ROUTE)
    return build_graph(dataclasses.replace(services, decision_log=log)).compile(InMemorySaver())


@pytest.fixture
def again(graph: Compiled) -> Callable[..., dict[str, Any]]:
    """Ask for another model in the thread."""
    return lambda **settings: dict(graph.invoke({"messages": []}, THREAD, context=Settings(another=True, **settings)))


def models(services: Services) -> dict[str, tuple[int, int]]:
    """Return uses and doubts by model."""
    records = services.history.models(ROUTE)
    return {record["id"]: (record["uses"], record.get("doubts", 0)) for record in records}


def test_the_next_best_answers_the_same_request_and_its_answer_replaces_the_old_one(
    graph: Compiled, again: Callable[..., Any], services: Services, router: ScriptedRouter
) -> None:
    first = graph.invoke(ask(QUESTION), THREAD)
    router.says = AssertionError("the router is not asked again")
    second = again()
    assert (first["decision"]["model"], second["decision"]["model"]) == (FIRST, SECOND)
    assert second["decision"]["route"] == ROUTE
    assert f"another model than {FIRST} was asked for" in second["decision"]["reason"]
    assert [type(message).__name__ for message in second["messages"]] == ["HumanMessage", "AIMessage"]
    assert second["messages"][-1].response_metadata["decision"]["model"] == SECOND
    assert models(services) == {FIRST: (1, 1), SECOND: (1, 0)}


def test_the_model_is_shown_the_request_without_the_answer_that_it_replaces(
    graph: Compiled, again: Callable[..., Any], sandbox: Sandbox
) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    with recorded(sandbox) as wire:
        again()
    [chat] = wire.chats()
    assert chat.model == SECOND
    assert [message["role"] for message in json.loads(chat.request.content)["messages"]] == ["user"]


def test_each_model_has_one_turn_at_a_request(graph: Compiled, again: Callable[..., Any], services: Services) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    answered = [again()["decision"] for _ in range(2)]
    assert [decision["model"] for decision in answered] == [SECOND, THIRD]
    assert answered[-1]["instead_of"] == [FIRST, SECOND]
    assert models(services) == {FIRST: (1, 1), SECOND: (1, 1), THIRD: (1, 0)}


def test_the_thread_goes_on_with_the_other_model_and_forgets_whom_it_replaced(
    graph: Compiled, again: Callable[..., Any]
) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    again()
    after = graph.invoke(ask("And on lakes?"), THREAD)
    assert after["decision"]["model"] == SECOND
    assert "instead_of" not in after["decision"]


def test_where_none_is_left_the_turn_says_so_and_the_answer_stays(
    graph: Compiled, again: Callable[..., Any], services: Services
) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    result = again(only=(FIRST,))
    assert result["error"]["kind"] != "refused"
    assert result["attempts"] == []
    assert [message.type for message in result["messages"]] == ["human", "ai", "ai"]
    assert f"{FIRST}: it has answered this request, and another model was asked for" in result["error"]["message"]
    assert models(services) == {FIRST: (1, 1)}


def test_a_failure_of_the_other_model_leads_to_a_third(
    graph: Compiled, again: Callable[..., Any], sandbox: Sandbox
) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    sandbox.fail("overloaded_503", model=SECOND)
    result = again()
    assert [attempt["model"] for attempt in result["attempts"]] == [SECOND, THIRD]
    assert [message.type for message in result["messages"]] == ["human", "ai"]


@pytest.mark.parametrize("form", FORMS)
def test_a_caller_who_keeps_the_conversation_sends_the_answer_or_the_request_again(
    services: Services, router: ScriptedRouter, form: Call
) -> None:
    router.choose(ROUTE)
    graph: Compiled = build_graph(services).compile()
    first = form(graph, ask(QUESTION), None)
    with_answer = form(graph, {"messages": first["messages"]}, ANOTHER)
    repeated = form(graph, {"messages": [*first["messages"], HumanMessage(QUESTION)]}, ANOTHER)
    assert (with_answer["decision"]["model"], repeated["decision"]["model"]) == (SECOND, SECOND)
    assert models(services)[FIRST] == (1, 1)  # both doubt the same decision


def test_tokens_of_the_other_model_stream_and_nothing_of_the_removal(graph: Compiled) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    events = list(stream(graph, {"messages": []}, THREAD, context=ANOTHER))
    parts = [event for event in events if isinstance(event, Token)]
    assert parts
    assert {type(part.message).__name__ for part in parts} == {"AIMessageChunk"}


def test_an_image_is_generated_by_another_model(
    graph: Compiled, again: Callable[..., Any], router: ScriptedRouter
) -> None:
    router.choose("image_generation")
    first = graph.invoke(ask("Paint a lighthouse"), THREAD)
    second = again()
    assert first["decision"]["model"] != second["decision"]["model"]
    assert second["decision"]["task"] == "text-to-image"
    assert len(second["artifacts"]) == 1


def test_a_model_that_the_caller_named_is_replaced_and_not_doubted(
    graph: Compiled, again: Callable[..., Any], services: Services
) -> None:
    graph.invoke(ask(QUESTION), THREAD)
    graph.invoke(ask("And on lakes?"), THREAD, context=Settings(model=FIRST))
    assert again()["decision"]["model"] == SECOND
    assert models(services)[FIRST] == (1, 0)


def test_the_tools_that_led_to_an_answer_go_with_it(services: Services, router: ScriptedRouter) -> None:
    router.choose(ROUTE)
    graph: Compiled = build_graph(services).compile(InMemorySaver())
    decision = {"id": "a1", "route": ROUTE, "model": FIRST, "provider": None, "source": "catalog"}
    call = AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": {}}], response_metadata={"decision": decision})
    answer = AIMessage("So.", response_metadata={"decision": decision})
    asked: list[AnyMessage] = [user_message(QUESTION), call, ToolMessage("x", tool_call_id="1"), answer]
    result = graph.invoke({"messages": asked}, THREAD, context=ANOTHER)
    assert result["decision"]["model"] == SECOND
    assert [message.type for message in result["messages"]] == ["human", "ai"]


def test_a_tool_loop_goes_on_with_its_model(services: Services, router: ScriptedRouter) -> None:
    router.choose(ROUTE)
    decision = {"id": "a1", "route": ROUTE, "model": FIRST, "provider": None, "source": "catalog"}
    call = AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": {}}], response_metadata={"decision": decision})
    asked: list[AnyMessage] = [user_message(QUESTION), call, ToolMessage("x", tool_call_id="1")]
    graph: Compiled = build_graph(services).compile()
    assert graph.invoke({"messages": asked}, context=ANOTHER)["decision"]["model"] == FIRST


@pytest.mark.parametrize(
    ("messages", "settings", "complaint"),
    [
        ([HumanMessage(QUESTION)], {}, "no answer that another model could replace"),
        ([HumanMessage(QUESTION), AIMessage("So."), HumanMessage("Other")], {}, "no answer that another model"),
        ([HumanMessage(QUESTION)], {"model": FIRST}, "`another` and `model` exclude each other"),
    ],
)
def test_without_an_answer_or_a_choice_it_is_refused(
    graph: Compiled, messages: list[AnyMessage], settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        graph.invoke({"messages": messages}, THREAD, context=Settings(another=True, **settings))


def test_the_log_says_what_was_replaced_and_why(graph: Compiled, again: Callable[..., Any], log: DecisionLog) -> None:
    first = graph.invoke(ask(QUESTION), THREAD)["decision"]
    again()
    entry = log.find("")
    assert entry["doubt"] == {
        "decision": first["id"], "route": ROUTE, "model": FIRST, "signals": ["another_model"]
    }  # fmt: skip
    assert (entry["instead_of"], entry["settled"]) == ([FIRST], True)
    assert f"another model than {FIRST} was asked for" in entry["reason"]
    [replaced] = [rejection for rejection in entry["passed_over"] if rejection["model"] == FIRST]
    assert replaced["rule"] == "replaced"


# ---- surfaces


def test_chat_omni_takes_it_for_one_call(services: Services, router: ScriptedRouter) -> None:
    router.choose(ROUTE)
    chat = ChatOmni(services=services)
    first = chat.invoke([HumanMessage(QUESTION)])
    second = chat.invoke([HumanMessage(QUESTION), first], another=True)
    answered = [message.response_metadata["decision"]["model"] for message in (first, second)]
    assert answered == [FIRST, SECOND]


@pytest.fixture
def prompt(route_config: Path, semantic: SemanticRouter, log: DecisionLog) -> Callable[..., int]:
    """Ask on the command line, with the real router."""
    options = ["--sandbox", "--route-config", route_config, "--decision-log", log.path, "--router", "semantic"]
    return lambda text, *flags: main([*map(str, ["--prompt", text, *flags, *options])])


@pytest.mark.parametrize("flags", [(), ("--log-text",)])
def test_the_command_line_finds_the_answer_in_the_decision_log(
    prompt: Callable[..., int], log: DecisionLog, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = "Who discovered penicillin?"
    assert prompt(asked, *flags) == 0
    assert prompt("Write a limerick about snow", *flags) == 0
    assert prompt(asked, "--another", *flags) == 0
    assert prompt(asked, "--another", *flags) == 0
    entries = [entry for entry in log.entries() if entry["route"] == ROUTE]
    assert [entry["model"] for entry in entries] == [FIRST, SECOND, THIRD]
    assert entries[-1]["instead_of"] == [FIRST, SECOND]
    assert entries[-1]["doubt"]["decision"] == entries[1]["id"]
    capsys.readouterr()
    assert main(["--why", "--decision-log", str(log.path)]) == 0
    why = " ".join(capsys.readouterr().out.split())
    assert f"before {SECOND} answered in decision {entries[1]['id']}; another model was asked for" in why
    assert "not asked" in why


def test_the_command_line_refuses_what_it_cannot_replace(
    prompt: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prompt("Who discovered penicillin?") == 0
    assert prompt("Who discovered oxygen?", "--another") == 2
    assert "has no answer to this prompt that another model could replace" in capsys.readouterr().err
    assert prompt("Who discovered penicillin?", "--another", "--model", SECOND) == 2
    assert "--another needs --prompt, and excludes --model" in capsys.readouterr().err
    assert main(["--demo", "--another", "--sandbox"]) == 2


def test_the_command_line_needs_a_decision_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prompt", "Who discovered penicillin?", "--another", "--sandbox"]) == 2
    assert "there is no decision log" in capsys.readouterr().err
