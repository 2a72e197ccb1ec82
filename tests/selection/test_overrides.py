"""What a caller or a tool loop settles: the router is not asked about it, and everything else goes its usual way."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from omni_router import Services, Settings, build_graph, errors, user_message
from omni_router._sandbox import Sandbox
from omni_router.history import UsageRecord
from tests.support.scripted_router import ScriptedRouter

FIRST, SECOND, THIRD = (f"sandbox/text-generation-{number}" for number in (1, 2, 3))
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
PICTURE = "https://example.com/fox.png"
ASKED = [user_message("How do tides work?")]


def run(services: Services, messages: Sequence[AnyMessage] = ASKED, **settings: Any) -> dict[str, Any]:
    graph = build_graph(services).compile()
    result: dict[str, Any] = graph.invoke({"messages": list(messages)}, context=Settings(**settings))
    return result


def loop(model: str = SECOND, route: str = "question_answering", provider: str | None = None) -> list[AnyMessage]:
    """Make a conversation that waits for the answer to a tool's result."""
    metadata = {"route": route, "model": model, "provider": provider, "source": "catalog"}
    call = {"id": "1", "name": "weather", "args": {}}
    call_message = AIMessage("", tool_calls=[call], response_metadata={"decision": metadata})
    return [HumanMessage("Is it raining?"), call_message, ToolMessage("It is.", tool_call_id="1")]


# ---- the caller's route


def test_a_route_of_the_caller_is_taken_without_asking_the_router(services: Services, router: ScriptedRouter) -> None:
    router.choose("summarization")
    result = run(services, route="code_generation")
    assert result["decision"]["route"] == "code_generation"
    assert result["decision"]["confidence"] is None
    assert result["attempts"][-1]["outcome"] == "answered"
    assert router.asked == []


def test_a_route_of_the_caller_may_be_one_that_the_request_would_not_be_offered(services: Services) -> None:
    shown = [user_message("Draw something like this", PICTURE)]
    assert run(services, shown, route="image_generation")["artifacts"] != []


def test_an_unknown_route_is_named_with_those_there_are(services: Services) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"unknown route 'poetry'; the policy has .*code_generation"):
        run(services, route="poetry")


# ---- the caller's model


def test_a_model_of_the_caller_is_called_whatever_the_router_names(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", FIRST)
    decision = run(services, model=THIRD)["decision"]
    assert (decision["route"], decision["model"], decision["source"]) == ("question_answering", THIRD, "caller")


def test_a_model_of_the_caller_may_name_its_provider(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering")
    assert run(services, model=f"{FIRST}:fireworks-ai")["attempts"][0]["provider"] == "fireworks-ai"


def test_only_routes_are_offered_that_the_callers_model_can_serve(services: Services, router: ScriptedRouter) -> None:
    router.choose("image_generation")
    result = run(services, model="sandbox/text-to-image-2")
    [(_, offered)] = router.asked
    assert [route.name for route in offered] == ["image_generation"]
    assert result["artifacts"] != []


def test_a_model_of_the_caller_answers_also_where_no_route_fits(services: Services, router: ScriptedRouter) -> None:
    router.choose("other")
    result = run(services, model=THIRD)
    assert result["attempts"][-1] == {**result["attempts"][-1], "model": THIRD, "outcome": "answered"}
    assert result["decision"]["task"] == "text-generation"


def test_when_the_callers_model_fails_no_other_is_called(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering")
    sandbox.fail("overloaded_503", model=THIRD)
    result = run(services, model=THIRD)
    assert [attempt["model"] for attempt in result["attempts"]] == [THIRD]
    assert result["error"]["kind"] == "overloaded"


@pytest.mark.parametrize(
    ("model", "kind"), [("sandbox/text-generation-9", "no_provider"), ("nobody/knows-it", "not_found")]
)
def test_a_model_of_the_caller_that_is_not_served_is_reported_so(
    services: Services, router: ScriptedRouter, model: str, kind: str
) -> None:
    router.choose("question_answering")
    result = run(services, model=model)
    assert result["attempts"] == []
    assert result["error"]["kind"] == kind
    assert model in result["error"]["message"]


def test_for_a_named_model_the_lists_of_all_tasks_are_asked_for_at_once(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering")
    run(services, model="nobody/knows-it")
    paths = [record.path for record in sandbox.requests if record.path.startswith("/api/models")]
    assert paths == ["/api/models", "/api/models", "/api/models/nobody/knows-it"]


def test_a_model_that_is_none_is_named_with_what_is_allowed(services: Services) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"'gpt' is not a model id; allowed are org/name"):
        run(services, model="gpt")


def test_an_answer_that_the_callers_own_limit_leaves_empty_is_not_a_failure_of_the_model(
    services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering", FIRST)
    result = run(services, stop=("[",))  # where the sandbox's answers begin
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["answered"]
    assert result["messages"][-1].text == ""
    assert services.history.cooling() == {}


# ---- tools


def test_with_tools_only_routes_that_chat_are_offered(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", FIRST)
    run(services, tools=(TOOL,))
    [(_, offered)] = router.asked
    assert "question_answering" in [route.name for route in offered]
    assert "image_generation" not in [route.name for route in offered]


def test_with_tools_only_models_are_chosen_that_take_them(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.set_tools(FIRST, [])
    sandbox.set_tools(SECOND, [])
    services.history.record(UsageRecord("question_answering", SECOND, "", "2026-01-01T00:00:00Z", outcome=None))
    router.choose("question_answering", FIRST)
    decision = run(services, tools=(TOOL,))["decision"]
    assert decision["model"] == THIRD
    assert {over["model"] for over in decision["passed_over"]} == {FIRST, SECOND}
    assert all("with tools" in over["why"] for over in decision["passed_over"])
    [(_, offered)] = router.asked
    shown = next(route.candidates for route in offered if route.name == "question_answering")
    assert FIRST not in shown
    assert run(services)["decision"]["model"] == FIRST


def test_a_provider_that_takes_tools_is_asked_for_where_another_does_not(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.set_tools(FIRST, ["fireworks-ai"])
    router.choose("question_answering", FIRST)
    assert run(services, tools=(TOOL,))["attempts"][0]["provider"] == "fireworks-ai"
    sandbox.set_tools(FIRST, ["fireworks-ai", "together"])


def test_where_tool_support_is_unknown_the_choice_is_unverified(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.fail("catalog_503", times=50)
    router.choose("question_answering", FIRST)
    decision = run(services, tools=(TOOL,))["decision"]
    assert decision["model"] == FIRST
    assert decision["verified"] is False


def test_a_form_of_the_answer_needs_a_model_that_keeps_to_it(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.set_tools(FIRST, [])
    router.choose("question_answering", FIRST)
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert run(services, response_format=schema)["decision"]["model"] == SECOND
    assert run(services, response_format={"type": "text"})["decision"]["model"] == FIRST


# ---- tool loops


def test_a_tool_loop_stays_with_its_model_and_the_router_is_not_asked(
    services: Services, router: ScriptedRouter
) -> None:
    router.choose("summarization", FIRST)
    decision = run(services, loop(), tools=(TOOL,))["decision"]
    assert (decision["route"], decision["model"], decision["source"]) == ("question_answering", SECOND, "catalog")
    assert router.asked == []


def test_a_tool_loop_stays_also_with_a_model_that_cools_down(services: Services) -> None:
    failed = UsageRecord(
        "question_answering", SECOND, "", "2026-01-01T00:00:00Z", outcome="rate_limited", retry_after=600.0
    )
    services.history.record(failed)
    assert run(services, loop(), tools=(TOOL,))["decision"]["model"] == SECOND


def test_a_tool_loop_goes_on_with_another_model_when_its_own_fails(services: Services, sandbox: Sandbox) -> None:
    sandbox.fail("overloaded_503", model=SECOND)
    result = run(services, loop(), tools=(TOOL,))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["overloaded", "answered"]


def test_the_next_question_ends_a_tool_loop(services: Services, router: ScriptedRouter) -> None:
    router.choose("summarization", FIRST)
    again = [*loop(), AIMessage("It rains."), HumanMessage("Sum it up")]
    assert run(services, again, tools=(TOOL,))["decision"]["route"] == "summarization"


@pytest.mark.parametrize(
    "decision",
    [
        None,
        "nonsense",
        {},
        {"route": "gone", "model": SECOND, "source": "catalog"},
        {"route": "question_answering", "model": ["no id"], "source": "catalog"},
        {"route": "question_answering", "model": SECOND, "source": "whoever sent this"},
    ],
)
def test_a_tool_loop_whose_decision_is_not_known_is_routed_like_any_turn(
    services: Services, router: ScriptedRouter, decision: Any
) -> None:
    router.choose("question_answering", FIRST)
    messages = loop()
    messages[1].response_metadata["decision"] = decision
    assert run(services, messages, tools=(TOOL,))["decision"]["model"] == FIRST
    assert len(router.asked) == 1


# ---- what an answer carries


def test_an_answer_carries_its_decision(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", FIRST)
    result = run(services)
    decision = result["messages"][-1].response_metadata["decision"]
    assert decision == {key: result["decision"][key] for key in decision}
    assert set(decision) == {"id", "route", "task", "model", "provider", "reason", "source", "confidence"}


def test_a_caller_who_keeps_only_messages_stays_with_the_threads_model(
    services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering", THIRD)
    first = run(services)
    router.choose("question_answering", FIRST)
    again = run(services, [*first["messages"], HumanMessage("And neap tides?")])
    assert again["decision"]["model"] == THIRD


def test_settled_turns_are_no_matter_for_a_replay(
    services: Services, router: ScriptedRouter, tmp_path: Path, write_policy: Callable[..., Path]
) -> None:
    from dataclasses import replace

    from omni_router.cli import main
    from omni_router.decisions.log import DecisionLog

    log = DecisionLog(tmp_path / "log.jsonl", with_text=False)
    logging = replace(services, decision_log=log)
    run(logging, route="code_generation")
    router.choose("question_answering", FIRST)
    run(logging)
    write_policy(question_answering=[])
    assert [entry["settled"] for entry in log.entries()] == [True, False]
    assert main(
        ["--replay", str(log.path), "--sandbox", "--router", "semantic", "--route-config", "route_config.json"]
    ) in (0, 1)
