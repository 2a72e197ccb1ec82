"""The order of choice, cooldowns, validation against the catalog, and what becomes of a stream that dies."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.errors import KINDS, ErrorKind
from omni_router.history import Cooling, ModelRecord, UsageRecord
from omni_router.history.cooldowns import (
    FIRST,
    LONG,
    MOST,
    MOST_ASKED,
    active_cooldown,
    next_cooldowns,
    read_time,
    write_time,
)
from omni_router.history.file import FileHistory
from omni_router.hub.catalog import CatalogModel
from omni_router.hub.client import HubInference
from omni_router.selection.order import (
    TABLE,
    Choice,
    Place,
    Situation,
    choices_in_order,
    rank_candidates,
    untried,
)
from omni_router.selection.ranking import score
from omni_router.state import Candidate, Source
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
TEXT, TEXT2, TEXT3 = (f"sandbox/text-generation-{n}" for n in (1, 2, 3))
IMAGE, VISION = "sandbox/text-to-image-1", "sandbox/image-text-to-text-1"
PICTURE = "https://example.com/flower.png"


def record(model: str, answers: int = 0, failures: int = 0, days: float = 1, **more: Any) -> ModelRecord:
    counts: Any = {"successes": answers, "failures": {"not_found": failures} if failures else {}}
    last_used = write_time(NOW - timedelta(days=days))
    entry: Any = {"id": model, "uses": answers + failures, "last_used": last_used, **counts, **more}
    return cast("ModelRecord", entry)


def line(*records: ModelRecord, listed: tuple[str, ...] = (), **more: Any) -> list[str]:
    models = [CatalogModel(model, ()) for model in listed]
    order = rank_candidates(records, models, **{"cooldowns": {}, "now": NOW, **more})
    return [candidate["model"] for candidate in order]


def wait(kind: ErrorKind = "overloaded", minutes: float = 5, times: int = 1) -> Cooling:
    return Cooling(kind=kind, until=write_time(NOW + timedelta(minutes=minutes)), times=times)


# ---- the order


def test_what_answers_more_often_comes_first_and_an_unknown_one_between() -> None:
    good, bad, new = (
        record("a/good", answers=9, failures=1),
        record("a/bad", answers=1, failures=4),
        ModelRecord(id="a/new"),
    )
    assert line(bad, new, good) == ["a/good", "a/new", "a/bad"]


def test_one_failure_weighs_more_for_a_new_model_than_for_a_proved_one() -> None:
    assert line(record("a/new", failures=1), record("a/proved", answers=20, failures=1)) == ["a/proved", "a/new"]


def test_of_equals_the_one_in_use_comes_first_and_the_faster_one() -> None:
    assert line(record("a/old", 5, days=40), record("a/fresh", 5, days=1)) == ["a/fresh", "a/old"]
    assert line(record("a/slow", 5, median_seconds=40), record("a/fast", 5, median_seconds=2)) == ["a/fast", "a/slow"]


def test_a_verdict_weighs_more_than_an_answer() -> None:
    assert line(record("a/plain", 6), record("a/liked", 5, good=1)) == ["a/liked", "a/plain"]
    assert line(record("a/disliked", 6, bad=1), record("a/plain", 3)) == ["a/plain", "a/disliked"]


def test_history_comes_before_the_catalog_and_each_model_once() -> None:
    assert line(record("a/used", failures=9), listed=("b/first", "a/used", "b/second")) == [
        "a/used", "b/first", "b/second",
    ]  # fmt: skip


def test_the_threads_model_comes_first_whatever_its_rank_but_not_while_it_cools_down() -> None:
    records = (record("a/best", 9), record("a/mine", 1, failures=3))
    assert line(*records, previous="a/mine") == ["a/mine", "a/best"]
    assert line(*records, listed=("b/mine",), previous="b/mine") == ["b/mine", "a/best", "a/mine"]
    assert line(*records, previous="a/mine", cooldowns={"a/mine": [wait()]}) == ["a/best", "a/mine"]
    assert line(*records, previous="a/gone") == ["a/best", "a/mine"]


def test_what_cools_down_comes_last_the_shortest_wait_first_and_comes_back_when_it_is_over() -> None:
    records = (record("a/one", 9), record("a/two", 8))
    waits = {"a/one": [wait(minutes=9)], "b/listed": [wait(minutes=3)], "a/two": [wait(minutes=-1)]}
    assert line(*records, listed=("b/listed", "b/free"), cooldowns=waits) == ["a/two", "b/free", "b/listed", "a/one"]


ids = st.integers(0, 4).map("a/m{}".format)
records_of = st.builds(
    record, ids, st.integers(0, 30), st.integers(0, 9), st.floats(0, 400), median_seconds=st.floats(0, 300)
)
waits_of = st.dictionaries(ids, st.lists(st.builds(wait, minutes=st.floats(-60, 60)), max_size=2))


@settings(deadline=None, max_examples=150)
@given(st.lists(records_of, max_size=8), st.lists(ids, max_size=5), st.none() | ids, waits_of)
def test_any_line_holds_each_model_once_and_keeps_its_rules(
    records: list[ModelRecord], listed: list[str], previous: str | None, waits: dict[str, list[Cooling]]
) -> None:
    order = line(*records, listed=tuple(listed), previous=previous, cooldowns=waits)
    known = {one["id"] for one in records} | set(listed)
    assert sorted(order) == sorted(known)
    cooling = [active_cooldown(waits.get(model, ()), NOW) is not None for model in order]
    assert cooling == sorted(cooling)
    if previous in known and not active_cooldown(waits.get(str(previous), ()), NOW):
        assert order[0] == previous
    assert all(-0.1 <= score(one, NOW) <= 1.1 for one in records)


def test_untried_leaves_out_what_was_called_or_refused_but_not_what_only_came_after_another() -> None:
    order = rank_candidates([], [CatalogModel(f"a/m{n}", ()) for n in range(4)], cooldowns={}, now=NOW)
    over: Any = [{"model": "a/m1", "kind": "not_found"}, {"model": "a/m2", "kind": None}]
    assert [c["model"] for c in untried(order, [{"model": "a/m0"}], over)] == ["a/m2", "a/m3"]


# ---- the published table, row by row


def candidate(model: str, source: Source = "history") -> Candidate:
    return Candidate(model=model, provider=None, source=source, why="")


LISTED = [candidate("a/history"), candidate("a/other"), candidate("b/catalog", "catalog")]

# For each place: the situation in which the candidate has it, the candidate, and what comes right before it.
PLACES: dict[str, tuple[Place, Situation, str, list[str]]] = {
    "the caller's model": (
        Place.CALLER,
        Situation(NOW, {"a/caller": [wait()]}, "a/history", caller=candidate("a/caller", "caller")),
        "a/caller",
        [],
    ),
    "the model of a tool loop, though it cools down": (
        Place.TOOL_LOOP,
        Situation(NOW, {"a/loop": [wait()]}, "a/history", tool_loop=candidate("a/loop", "catalog")),
        "a/loop",
        [],
    ),
    "an id of the router's own, before the thread's model": (
        Place.NEW_ID,
        Situation(NOW, previous="a/other", proposed=candidate("c/new", "router")),
        "c/new",
        [],
    ),
    "the thread's model after it": (
        Place.THREAD,
        Situation(NOW, previous="a/other", proposed=candidate("c/new", "router")),
        "a/other",
        ["c/new"],
    ),
    "the thread's model before a pick from the list": (
        Place.THREAD,
        Situation(NOW, previous="a/other", proposed=candidate("b/catalog", "router")),
        "a/other",
        [],
    ),
    "the thread's model, though the router picks it": (
        Place.THREAD,
        Situation(NOW, previous="a/other", proposed=candidate("a/other", "router")),
        "a/other",
        [],
    ),
    "the router's pick where the thread has no model": (
        Place.PICK,
        Situation(NOW, proposed=candidate("b/catalog", "router")),
        "b/catalog",
        [],
    ),
    "the router's pick where the thread's model cools down": (
        Place.PICK,
        Situation(NOW, {"a/other": [wait()]}, "a/other", proposed=candidate("b/catalog", "router")),
        "b/catalog",
        [],
    ),
    "what boards know, by score": (Place.SCORE, Situation(NOW), "c/scored", []),
    "history": (Place.HISTORY, Situation(NOW, previous="a/other"), "a/history", ["a/other"]),
    "a pick that gave way is one of the history again": (
        Place.HISTORY,
        Situation(NOW, previous="a/other", proposed=candidate("a/history", "router")),
        "a/history",
        ["a/other"],
    ),
    "the catalog": (Place.CATALOG, Situation(NOW), "b/catalog", ["a/history", "a/other"]),
    "whatever cools down, the shortest time first": (
        Place.COOLING_DOWN,
        Situation(NOW, {"a/history": [wait(minutes=9)], "a/other": [wait(minutes=3)]}),
        "a/history",
        ["b/catalog", "a/other"],
    ),
    "an id of the router's own that cools down": (
        Place.COOLING_DOWN,
        Situation(NOW, {"c/new": [wait()]}, proposed=candidate("c/new", "router")),
        "c/new",
        ["a/history", "a/other", "b/catalog"],
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_every_row_of_the_table_has_its_place(case: str) -> None:
    place, situation, model, before = PLACES[case]
    listed = LISTED
    if place is Place.SCORE:
        listed = [*LISTED, {**candidate(model), "score": 0.7}]
    order = choices_in_order(listed, situation)
    assert [choice.candidate["model"] for choice in order][: len(before) + 1] == [*before, model]
    assert order[len(before)].place is place
    assert [choice.place for choice in order] == sorted(choice.place for choice in order)


def test_the_rows_above_are_all_rows_and_after_the_callers_model_there_is_none() -> None:
    assert {place for place, *_ in PLACES.values()} == set(Place) == set(TABLE)
    caller = candidate("a/other", "caller")
    assert choices_in_order(LISTED, Situation(NOW, caller=caller)) == [Choice(caller, Place.CALLER)]


def test_the_documentation_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "order-of-choice.md").read_text(encoding="utf-8")
    names = {place: str(int(place)) for place in Place} | {Place.COOLING_DOWN: "last"}
    rows = [f"| {' | '.join((names[place], *TABLE[place]))} |".replace("|  |", "| |") for place in Place]
    assert "\n".join(rows) in page


# ---- cooldown


def failed(
    kind: ErrorKind | None, *, seconds: float = 0, retry_after: float | None = None, called: bool = True
) -> UsageRecord:
    at = write_time(NOW + timedelta(seconds=seconds))
    return UsageRecord("r", "a/m", "why", at, kind, called=called, retry_after=retry_after)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_cools_down_as_the_table_says(kind: ErrorKind) -> None:
    waits = next_cooldowns([], failed(kind))
    expected = {"long": LONG, "growing": FIRST, None: None}[KINDS[kind].cooldown]
    assert [read_time(each["until"]) - NOW for each in waits] == ([expected] if expected else [])
    assert KINDS[kind].cooldown is None or not KINDS[kind].terminal, "what the caller must act on cools nothing down"


def test_waits_grow_while_failures_follow_each_other_and_end_with_an_answer() -> None:
    waits: list[Cooling] = []
    lengths = []
    at = 0.0
    for _ in range(10):
        waits = next_cooldowns(waits, failed("overloaded", seconds=at))
        lengths.append((read_time(waits[0]["until"]) - NOW).total_seconds() - at)
        at += lengths[-1]
    assert lengths[:4] == [15, 30, 60, 120]
    assert lengths[-1] == MOST.total_seconds()
    assert next_cooldowns(waits, failed(None, called=False)) == waits, "routing only says nothing"
    assert next_cooldowns(waits, failed(None)) == []
    later = next_cooldowns(waits, failed("overloaded", seconds=at + 10_000))
    assert later[0]["times"] == 1, "hours later it is no longer in a row"


def test_the_servers_own_delay_is_kept_within_reason() -> None:
    cooldowns = next_cooldowns([], failed("rate_limited", retry_after=42))
    assert read_time(cooldowns[0]["until"]) - NOW == timedelta(seconds=42)
    absurd = next_cooldowns([], failed("rate_limited", retry_after=10**9))
    assert read_time(absurd[0]["until"]) - NOW == MOST_ASKED


def test_kinds_cool_down_apart_and_the_longest_wait_counts() -> None:
    waits = next_cooldowns(next_cooldowns([], failed("overloaded")), failed("not_found"))
    assert {each["kind"] for each in waits} == {"overloaded", "not_found"}
    last = active_cooldown(waits, NOW)
    assert last is not None
    assert last["kind"] == "not_found"


def test_waits_are_shared_by_processes_through_the_file_and_a_broken_one_is_no_trouble(
    services: Services, sandbox: Sandbox, route_config: Path
) -> None:
    first, second = services.history, FileHistory(services.policy)  # type: ignore[arg-type]
    now = write_time(datetime.now(timezone.utc))
    first.record(UsageRecord("question_answering", TEXT, "why", now, "overloaded"))
    assert [wait["kind"] for wait in second.cooling()[TEXT]] == ["overloaded"]
    assert not route_config.exists(), "a failure adds no model"
    second.record(UsageRecord("question_answering", TEXT, "why", now))
    assert TEXT not in first.cooling()
    cooling = route_config.with_name(".route_config.json.cooling")
    cooling.write_text("nonsense")
    first.record(UsageRecord("question_answering", TEXT2, "why", now, "overloaded"))
    assert list(json.loads(cooling.read_text())) == [TEXT2]


# ---- the choice, in the graph


@pytest.fixture
def graph(services: Services) -> Compiled:
    return build_graph(services).compile(checkpointer=InMemorySaver())


def turn(graph: Compiled, text: str = "why?", thread: str = "1", **context: Any) -> dict[str, Any]:
    config: Any = {"configurable": {"thread_id": thread}}
    return dict(graph.invoke(ask(text), config, context=Settings(**context)))


def test_a_follow_up_stays_with_its_model_though_the_router_picks_another_from_the_list(
    graph: Compiled, router: ScriptedRouter
) -> None:
    router.choose("question_answering", TEXT2)
    assert turn(graph)["decision"]["model"] == TEXT2
    router.choose("question_answering", TEXT3)
    decision = turn(graph, "and then?")["decision"]
    assert (decision["model"], decision["source"]) == (TEXT2, "history")
    assert [(over["model"], over["kind"]) for over in decision["passed_over"]] == [(TEXT3, None)]
    offered = {route.name: route.candidates for route in router.asked[-1][1]}
    assert offered["question_answering"][0] == TEXT2, "and it is offered first"
    assert turn(graph, thread="another")["decision"]["model"] == TEXT3


def test_an_id_of_the_routers_own_wins_over_the_threads_model_when_it_is_served(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT2)
    turn(graph)
    sandbox.set_mapping("acme/own", ["novita"], "text-generation")
    router.choose("question_answering", "acme/own")
    own = turn(graph, "and then?")["decision"]
    assert (own["model"], own["source"], own["verified"]) == ("acme/own", "router", True)
    router.choose("question_answering", "acme/nowhere")
    refused = turn(graph, "and then?")["decision"]
    assert refused["model"] == "acme/own", "which is now the thread's"
    assert refused["passed_over"][0]["kind"] == "not_found"


def test_another_route_starts_anew(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT2)
    turn(graph)
    router.choose("summarization", TEXT3)
    assert turn(graph)["decision"]["model"] == TEXT3


def test_a_threads_model_that_just_failed_is_left_and_taken_up_again_by_the_ranking(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT2)
    turn(graph)
    sandbox.fail("overloaded_503", model=TEXT2)
    failed_over = turn(graph, "and then?")
    assert [a["outcome"] for a in failed_over["attempts"]] == ["overloaded", "answered"]
    other = failed_over["decision"]["model"]
    assert other != TEXT2
    third = turn(graph, "and then?")
    assert [a["model"] for a in third["attempts"]] == [other], "what just failed is not called again"


def test_a_model_in_cooldown_is_passed_over_with_its_reason_but_called_when_nothing_else_is_left(
    services: Services, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> None:
    write_policy(question_answering=[TEXT, TEXT2])
    router.choose("question_answering", TEXT)
    sandbox.fail("rate_limited_429", model=TEXT)
    turn(graph, max_models=1)
    second = turn(graph, thread="2")["decision"]
    assert second["model"] == TEXT2
    [over] = [over for over in second["passed_over"] if over["model"] == TEXT]
    assert "cooling down after rate_limited until 20" in over["why"]
    for model in (TEXT2, TEXT3):
        sandbox.set_mapping(model, ())
    alone = dataclasses.replace(services, catalog=type(services.catalog)())
    assert turn(build_graph(alone).compile())["decision"]["model"] == TEXT


# ---- validation


REFUSALS: dict[str, tuple[str, str, str | None, str, str]] = {
    "unknown": ("question_answering", "acme/nowhere", None, "not_found", "not on the Hub"),
    "without a mapping": (
        "question_answering",
        "sandbox/text-generation-8",
        None,
        "no_provider",
        "or for any other",
    ),
    "nobody serves it": ("image_generation", "sandbox/text-to-image-9", None, "no_provider", "or for any other"),
    "another task": ("image_generation", TEXT, None, "no_provider", "its task is text-generation"),
    "no eyes": ("image_understanding", TEXT, PICTURE, "no_provider", "images: it takes none"),
    "gated": ("question_answering", "sandbox/text-generation-3", None, "not_found", "accept its terms"),
    "another provider": ("question_answering", f"{TEXT}:novita", None, "no_provider", "novita does not serve it"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_called_is_refused_with_its_reason_before_any_call(
    case: str, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    route, model, picture, kind, why = REFUSALS[case]
    if case == "gated":
        sandbox.gate(model)
    router.choose(route, model)
    result = graph.invoke(ask("please", picture), {"configurable": {"thread_id": "1"}})
    refused = result["decision"]["passed_over"][0]
    assert (refused["model"], refused["source"], refused["kind"]) == (model.partition(":")[0], "router", kind)
    assert why in refused["why"]
    assert why in result["decision"]["reason"]
    assert [a["outcome"] for a in result["attempts"]] == ["answered"]
    assert result["decision"]["source"] == "catalog"
    assert result["decision"]["verified"] is True


def test_a_renamed_model_is_called_and_recorded_by_its_new_id(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, route_config: Path
) -> None:
    sandbox.set_mapping("acme/old", ["novita"], "text-generation")
    sandbox.rename("acme/old", "acme/new")
    router.choose("question_answering", "acme/old")
    result = turn(graph)
    assert result["attempts"][0]["model"] == "acme/new"
    assert "acme/old is now called acme/new" in result["decision"]["reason"]
    text = route_config.read_text()
    assert '"acme/new"' in text
    assert '"acme/old"' not in text


def test_an_unreachable_catalog_accepts_and_says_unverified(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.fail("catalog_503", times=20)
    router.choose("question_answering", TEXT)
    result = turn(graph)
    assert result["decision"]["model"] == TEXT
    assert result["decision"]["verified"] is False
    assert "unverified" in result["decision"]["reason"]
    assert result["error"] is None


def test_an_id_of_the_routers_own_that_cannot_be_verified_gives_way_to_the_threads_model(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    sandbox.fail("catalog_503", times=50)
    graph: Compiled = build_graph(services).compile(checkpointer=InMemorySaver())
    router.choose("question_answering", TEXT2)
    assert turn(graph)["decision"]["model"] == TEXT2
    router.choose("question_answering", TEXT3)  # nothing is listed, so it is an id of the router's own
    decision = turn(graph, "and then?")["decision"]
    assert decision["model"] == TEXT2
    assert [(over["model"], over["kind"]) for over in decision["passed_over"]] == [(TEXT3, None)]
    assert turn(graph, thread="2")["decision"]["model"] == TEXT3


def test_a_picture_goes_to_a_provider_that_the_catalog_names(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("image_generation", "sandbox/text-to-image-2")
    assert turn(graph)["attempts"][0]["provider"] == "together"


def test_models_of_history_that_nobody_serves_any_more_are_refused_too(
    graph: Compiled, router: ScriptedRouter, write_policy: Callable[..., Path]
) -> None:
    write_policy(question_answering=["acme/nowhere", "sandbox/text-generation-9"])
    router.choose("question_answering", None)
    decision = turn(graph)["decision"]
    assert decision["model"] == TEXT
    assert {over["model"]: over["kind"] for over in decision["passed_over"]} == {
        "acme/nowhere": "not_found",
        "sandbox/text-generation-9": "no_provider",
    }


def test_when_all_are_refused_the_answer_names_each_with_its_reason(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> None:
    write_policy(question_answering=["acme/nowhere", "sandbox/text-generation-9"])
    for model in (TEXT, TEXT2, TEXT3):
        sandbox.set_mapping(model, ())
    router.choose("question_answering", None)
    result = turn(graph)
    assert result["error"]["kind"] == "no_model"
    assert result["attempts"] == []
    assert "acme/nowhere: not on the Hub" in result["messages"][-1].text
    assert "sandbox/text-generation-9: no inference provider serves it" in result["messages"][-1].text


ALL_REFUSED: dict[str, tuple[list[str], str, str]] = {
    "one that nobody serves": (["sandbox/text-generation-9"], "no_provider", "serves sandbox/text-generation-9."),
    "one that is not there": (["acme/nowhere"], "not_found", "acme/nowhere is not on the Hub"),
    "two that nobody serves": (
        ["sandbox/text-generation-8", "sandbox/text-generation-9"],
        "no_provider",
        "sandbox/text-generation-9: no inference provider serves it",
    ),
    "none": ([], "no_model", "There is no model to try"),
}


@pytest.mark.parametrize("case", ALL_REFUSED)
def test_when_all_are_refused_for_one_reason_the_error_is_that_reason(
    case: str, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> None:
    models, kind, message = ALL_REFUSED[case]
    write_policy(question_answering=models)
    for model in (TEXT, TEXT2, TEXT3):
        sandbox.set_mapping(model, ())
    router.choose("question_answering", None)
    result = turn(graph)
    assert (result["error"]["kind"], result["attempts"]) == (kind, [])
    assert message in result["messages"][-1].text


# ---- streams that die


def streamed(graph: Compiled, *, in_async: bool) -> tuple[str, dict[str, Any]]:
    modes: Any = ["messages", "values"]

    async def listen() -> list[Any]:
        return [part async for part in graph.astream(ask("why?"), stream_mode=modes)]

    parts = asyncio.run(listen()) if in_async else list(graph.stream(ask("why?"), stream_mode=modes))
    text = "".join(chunk[0].text for mode, chunk in parts if mode == "messages")
    return text, parts[-1][1]


@pytest.mark.parametrize("in_async", [False, True])
def test_a_stream_that_dies_before_its_first_token_goes_to_the_next_model(
    in_async: bool,  # noqa: FBT001 (pytest gives it)
    services: Services,
    router: ScriptedRouter,
    sandbox: Sandbox,
) -> None:
    router.choose("question_answering", TEXT2)
    sandbox.fail("stream_cut_at_start")
    text, result = streamed(build_graph(services).compile(), in_async=in_async)
    assert [(a["model"], a["outcome"], a["partial"]) for a in result["attempts"]] == [
        (TEXT2, "overloaded", False),
        (TEXT, "answered", False),
    ]
    assert text == result["messages"][-1].text


@pytest.mark.parametrize("fault", ["stream_cut", "stream_error_frame"])
@pytest.mark.parametrize("in_async", [False, True])
def test_a_stream_that_dies_later_is_kept_marked_and_not_begun_again(
    in_async: bool,  # noqa: FBT001 (pytest gives it)
    fault: str,
    services: Services,
    router: ScriptedRouter,
    sandbox: Sandbox,
) -> None:
    router.choose("question_answering", TEXT2)
    sandbox.fail(fault)
    text, result = streamed(build_graph(services).compile(), in_async=in_async)
    [attempt] = result["attempts"]
    assert attempt["partial"]
    assert attempt["outcome"] == ("overloaded" if fault == "stream_cut" else "malformed_answer")
    partial, explanation = result["messages"][-2:]
    assert partial.text == "[sandbox] Simulated answer "
    assert partial.response_metadata["omni_router"] == "partial"
    assert text.startswith(partial.text)
    assert explanation.text.startswith("The answer broke off.")
    assert result["error"]["kind"] == attempt["outcome"]


def test_a_partial_answer_stays_in_the_conversation_and_its_explanation_does_not(
    services: Services, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    config: Any = {"configurable": {"thread_id": "1"}}
    router.choose("question_answering", TEXT)
    sandbox.fail("stream_cut")
    list(graph.stream(ask("why?"), config, stream_mode="messages"))
    turn(graph, "go on")
    assert [message["content"] for message in router.asked[-1][0]] == ["why?", "[sandbox] Simulated answer", "go on"]


def test_the_servers_delay_is_read_from_its_headers(
    services: Services, sandbox: Sandbox, router: ScriptedRouter
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.fail("rate_limited_429")
    result = build_graph(services).compile().invoke(ask("why?"), context=Settings(max_models=1))
    assert result["error"]["retry_after"] == 2.0
    assert isinstance(services.inference, HubInference)
    [cooling] = services.history.cooling()[TEXT]
    until = read_time(cooling["until"]) - datetime.now(timezone.utc)
    assert until <= timedelta(seconds=3)
