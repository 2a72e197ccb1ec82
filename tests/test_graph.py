"""The state machine: every arrow of the picture, and the picture itself."""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router._sandbox import sandbox as fresh_sandbox
from omni_router.errors import ConfigurationError, InvalidRequest, SpecialistError
from omni_router.graph import SPECIALISTS
from omni_router.tasks import TASKS, Task
from tests.support.calls import FORMS, Call, Compiled, ask, path
from tests.support.scripted_router import ScriptedRouter

ROOT = Path(__file__).parents[1]
TEXT, IMAGE, VISION = "sandbox/text-generation-1", "sandbox/text-to-image-1", "sandbox/image-text-to-text-1"
UNSERVED = "sandbox/text-to-image-9"  # its mapping is there and empty: the client raises StopIteration
PICTURE = "https://example.com/flower.png"


@pytest.fixture
def graph(services: Services) -> Compiled:
    return build_graph(services).compile()


def drawn_arrows() -> set[tuple[str, str]]:
    edges = build_graph().compile().get_graph().edges
    return {(edge.source, edge.target) for edge in edges}


# One walk for each way through the picture: what the router says, what is asked, and the nodes it must go through.
WALKS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a text answer": (
        {"route": "question_answering", "model": TEXT},
        ["announce_decision", "generate_text", "record_outcome"],
    ),
    "a picture made": (
        {"route": "image_generation", "model": IMAGE},
        ["announce_decision", "generate_image", "record_outcome"],
    ),
    "a picture understood": (
        {"route": "image_understanding", "model": VISION, "image": PICTURE},
        ["announce_decision", "understand_image", "record_outcome"],
    ),
    "routing only": (
        {"route": "question_answering", "model": TEXT, "settings": Settings(skip_specialists=True)},
        ["announce_decision", "record_outcome"],
    ),
    "no model named, so the catalog's first": (
        {"route": "question_answering", "model": None},
        ["recall_model", "announce_decision", "generate_text", "record_outcome"],
    ),
    "no route fits, and none is the fallback": (
        {"route": "other", "settings": Settings(fallback_route="none")},
        ["explain"],
    ),
    "no route fits, so the fallback of the policy": (
        {"route": "other"},
        ["recall_model", "announce_decision", "generate_text", "record_outcome"],
    ),
    "no model anywhere": (
        {"route": "question_answering", "model": None, "hub_down": True},
        ["recall_model", "explain"],
    ),
    "StopIteration twice while the catalog is away, then the next of history": (
        {"route": "image_generation", "model": UNSERVED, "catalog_down": True, "history": IMAGE},
        [
            *("announce_decision", "generate_image", "generate_image", "record_outcome", "recall_model"),
            *("announce_decision", "generate_image", "record_outcome"),
        ],
    ),
    "a model that nobody serves is refused, then the catalog's first": (
        {"route": "image_generation", "model": UNSERVED},
        ["recall_model", "announce_decision", "generate_image", "record_outcome"],
    ),
    "the caller must act": (
        {"route": "question_answering", "model": TEXT, "fault": "payment_402"},
        ["announce_decision", "generate_text", "record_outcome", "explain"],
    ),
    "a describer that no provider serves": (
        {
            "route": "image_understanding",
            "model": "sandbox/image-text-to-text-9",
            "image": PICTURE,
            "settings": Settings(max_models=1),
            "catalog_down": True,
        },
        ["announce_decision", "understand_image", "understand_image", "record_outcome", "explain"],
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_walk(
    name: str, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> None:
    setup, expected = WALKS[name]
    router.choose(setup["route"], setup.get("model"))
    if "history" in setup:
        write_policy(**{setup["route"]: [setup["history"]]})
    if setup.get("hub_down"):
        sandbox.fail("hub_503", times=10)
    if setup.get("catalog_down"):
        sandbox.fail("catalog_503", times=10)
    if "fault" in setup:
        sandbox.fail(setup["fault"])
    walked = path(graph, ask("please", setup.get("image")), setup.get("settings"))
    assert walked == ["__start__", "route_request", "validate_choice", *expected, "__end__"]


def test_a_graph_holds_what_it_was_built_from_and_opens_its_services_when_they_are_needed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Services] = []

    def from_environment() -> Services:
        opened.append(services)
        return services

    monkeypatch.setattr(Services, "from_environment", from_environment)
    graph = build_graph(settings=Settings(max_models=7))
    compiled = graph.compile()
    assert opened == []
    assert compiled.builder is graph
    assert graph.settings == Settings(max_models=7)
    assert graph.services is graph.services is services
    assert opened == [services]


def test_each_task_has_its_specialist_and_a_task_may_share_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {task.node for task in TASKS.values()} == set(SPECIALISTS)
    monkeypatch.setitem(TASKS, "summarization", Task("generate_text", ("conversational",)))
    nodes = build_graph(services).compile().get_graph().nodes
    assert set(SPECIALISTS) < set(nodes)


def test_text_retry_goes_back_to_the_text_node(services: Services, router: ScriptedRouter) -> None:
    """Chat with provider "auto" never raises StopIteration; a client with another inference may."""

    class Unserved:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.inference, name)

        def chat(self, model: str, *_: Any) -> AIMessage:
            raise SpecialistError("no_provider", model=model, cause="StopIteration")

    router.choose("question_answering", TEXT)
    graph = build_graph(dataclasses.replace(services, inference=Unserved())).compile()
    walked = path(graph, ask("why?"), Settings(max_models=1))
    assert walked[3:-1] == ["announce_decision", "generate_text", "generate_text", "record_outcome", "explain"]


def test_the_walks_take_every_arrow() -> None:
    arrows = {("generate_text", "generate_text")}  # the test above
    for _, nodes in WALKS.values():
        walk = ["__start__", "route_request", "validate_choice", *nodes, "__end__"]
        arrows |= set(pairwise(walk))
    assert arrows == drawn_arrows()


def test_the_drawing_of_the_graph_is_the_graph() -> None:
    drawn = build_graph().compile().get_graph().draw_mermaid()
    assert drawn == (ROOT / "docs" / "graph.mmd").read_text()  # from which docs/images/graph.svg is drawn
    assert f"```mermaid\n{drawn}```" in (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    assert "docs/images/graph.svg" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("call", FORMS)
def test_stop_iteration_asks_the_hub_exactly_twice_with_the_runs_own_token(
    call: Call, services: Services, router: ScriptedRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omni_router.hub.client import HubInference

    monkeypatch.setenv("HF_TOKEN", "hf_ofTheProcess")
    router.choose("image_generation", UNSERVED)
    sandbox.fail("catalog_503", times=10)
    own = dataclasses.replace(services, inference=HubInference("hf_ofThisRun"))
    result = call(build_graph(own).compile(), ask("a cat"), Settings(max_models=1))
    assert sandbox.asked_for_mapping(UNSERVED) == 2
    assert result["decision"]["verified"] is False
    records = [record for record in sandbox.requests if record.path.endswith(UNSERVED)]
    assert {record.token for record in records} == {"hf_ofThisRun"}
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["no_provider", "no_provider"]
    assert result["error"]["kind"] == "no_provider"
    assert result["error"]["cause"] == "StopIteration"
    assert "HF_TOKEN" in result["messages"][-1].text
    assert "another model" in result["messages"][-1].text


@pytest.mark.parametrize("call", FORMS)
def test_retry_succeeds_when_the_clients_memory_was_stale(
    call: Call, services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("image_generation", IMAGE)
    sandbox.fail("catalog_503", times=10)  # a provider that the catalog names is not looked up by the client
    sandbox.fail("no_provider")
    result = call(build_graph(services).compile(), ask("a cat"), Settings(max_models=1))
    assert result["error"] is None
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["no_provider", "answered"]


@pytest.mark.parametrize("call", FORMS)
def test_custom_events_and_tokens_come_in_order(call: Call, graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    result = call(graph, ask("why?"), None)
    assert result["decision"]["model"] == TEXT
    seen = [
        chunk["event"] if mode == "custom" else chunk[0].id
        for mode, chunk in graph.stream(ask("why?"), stream_mode=["custom", "messages"])
    ]
    assert seen[0] == "decision"
    assert seen[-1] == "recorded"
    assert len(set(seen[1:-1])) == 1, "one message, streamed once"
    assert len(seen) > 5


def test_decision_is_announced_again_after_a_fallback_but_not_on_the_retry(
    graph: Compiled, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> None:
    write_policy(image_generation=[IMAGE])
    sandbox.fail("catalog_503", times=10)
    router.choose("image_generation", UNSERVED)
    events = list(graph.stream(ask("a cat"), stream_mode="custom"))
    models = [event["decision"]["model"] for event in events if event["event"] == "decision"]
    assert models == [UNSERVED, IMAGE]


def test_fallback_says_where_the_model_comes_from(graph: Compiled, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("question_answering", TEXT)
    graph.invoke(ask("why?"))
    router.choose("question_answering", "sandbox/text-generation-2")
    sandbox.fail("overloaded_503")
    result = graph.invoke(ask("why?"))
    assert result["decision"]["source"] == "history"
    assert result["decision"]["model"] == TEXT
    assert "sandbox/text-generation-2 failed (overloaded)" in result["decision"]["reason"]
    assert [a["outcome"] for a in result["attempts"]] == ["overloaded", "answered"]


def test_at_most_max_models_are_tried(graph: Compiled, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("question_answering", TEXT)
    sandbox.fail("overloaded_503", times=10)
    result = graph.invoke(ask("why?"))
    assert [a["model"][-1] for a in result["attempts"]] == ["1", "2", "3"]
    assert result["error"]["kind"] == "overloaded"
    sandbox.fail("overloaded_503", times=10)
    assert len(graph.invoke(ask("why?"), context=Settings(max_models=1))["attempts"]) == 1


@pytest.mark.parametrize("fault", ["token_401", "token_403", "payment_402", "content_filter", "refused_connection"])
def test_what_the_caller_must_act_on_ends_the_turn(
    fault: str, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.fail(fault)
    assert len(graph.invoke(ask("why?"))["attempts"]) == 1


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("I would rather not", "no_reply"),
        ("", "no_reply"),
        ('{"route": "other"}', "no_route"),
        ('{"route": "gardening"}', "no_route"),
        (RuntimeError("boom"), "no_reply"),
        (StopIteration(), "no_reply"),
    ],
)
def test_without_a_usable_route_the_turn_explains_or_takes_the_fallback_route(
    says: str | Exception, kind: str, graph: Compiled, router: ScriptedRouter
) -> None:
    router.says = says
    result = graph.invoke(ask("why?"), context=Settings(fallback_route="none"))
    assert result["error"]["kind"] == kind
    assert result["decision"]["model"] is None
    assert result["decision"]["route"] == (None if kind == "no_reply" else "other")
    for settings in (Settings(), Settings(fallback_route="Question_Answering")):
        result = graph.invoke(ask("why?"), context=settings)
        assert result["error"] is None
        assert result["decision"]["route"] == "question_answering"
        assert "fallback route" in result["decision"]["reason"]


def test_the_decision_of_a_fallback_says_what_the_router_chose(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("other")
    decision = graph.invoke(ask("yes"))["decision"]
    assert (decision["route"], decision["proposed_route"], decision["confidence"]) == (
        *("question_answering", "other"),
        0.9,
    )
    assert decision["reason"] == (
        "number 1 in the catalog; without evidence: it is switched off; fallback route: "
        "the router found no route that fits: other (confidence 0.90)"
    )
    router.choose("math_reasoning", TEXT)
    assert graph.invoke(ask("2 + 2?"))["decision"]["proposed_route"] is None


def test_a_fallback_that_cannot_serve_the_request_gives_way_to_a_route_that_can(
    graph: Compiled, router: ScriptedRouter
) -> None:
    router.choose("other")
    seen = graph.invoke(ask("hm", PICTURE))
    assert (seen["decision"]["route"], seen["error"]) == ("image_understanding", None)
    drawing = Settings(fallback_route="image_generation", tools=({"type": "function", "function": {"name": "x"}},))
    assert graph.invoke(ask("hm"), context=drawing)["decision"]["task"] == "text-generation"


@pytest.mark.parametrize("fallback", ["none", None])
def test_with_tools_no_request_is_refused(fallback: str | None, graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("other")
    tools = Settings(fallback_route=fallback, tools=({"type": "function", "function": {"name": "lights"}},))
    result = graph.invoke(ask("Turn off the lights"), context=tools)
    assert (result["error"], result["decision"]["task"]) == (None, "text-generation")


def test_a_policy_without_a_fallback_refuses_as_it_says(
    graph: Compiled, router: ScriptedRouter, write_policy: Callable[..., Path]
) -> None:
    write_policy(code=[TEXT])
    router.choose("other")
    assert graph.invoke(ask("hm"))["error"]["kind"] == "no_route"
    assert graph.invoke(ask("hm"), context=Settings(fallback_route="code"))["error"] is None


@pytest.mark.parametrize("limit", [None, 5])
def test_the_length_of_an_answer_is_limited_only_where_somebody_says_so(
    limit: int | None, graph: Compiled, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    router.choose("question_answering", TEXT)
    graph.invoke(ask("How do tides work?"), context=Settings(max_new_tokens=limit))
    assert sandbox.requests[-1].parameters.get("max_tokens") == limit


def test_settings_of_a_run_win_over_those_of_the_environment(services: Services, router: ScriptedRouter) -> None:
    router.choose("other")
    defaults = Settings(fallback_route="code_generation", max_new_tokens=7)
    graph = build_graph(dataclasses.replace(services, defaults=defaults)).compile()
    for settings, route, words in (
        (Settings(), "code_generation", 7),
        (Settings(fallback_route="math_reasoning", max_new_tokens=9), "math_reasoning", 9),
    ):
        result = graph.invoke(ask("hm"), context=settings)
        assert (result["decision"]["route"], len(result["messages"][-1].text.split())) == (route, words)


def test_a_router_that_is_not_sure_enough_takes_the_fallback_route(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("math_reasoning", TEXT)  # it says so with a confidence of 0.9
    unsure = Settings(min_confidence=0.95, fallback_route="question_answering")
    decision = graph.invoke(ask("why?"), context=unsure)["decision"]
    assert decision["route"] == "question_answering"
    assert "only 90% sure of math_reasoning" in decision["reason"]
    never = Settings(min_confidence=0.95, fallback_route="none")
    for settings in (never, Settings(min_confidence=0.9, fallback_route="question_answering")):
        assert graph.invoke(ask("why?"), context=settings)["decision"]["route"] == "math_reasoning"


@pytest.mark.parametrize("model", ["summarization", "organization/model_name", "no slash", "a/b/c", "acme/x..y"])
def test_an_unusable_model_falls_back(model: str, graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("question_answering", model)
    result = graph.invoke(ask("why?"))
    assert result["decision"]["model"] == TEXT
    assert result["decision"]["source"] == "catalog"


def test_route_names_match_in_any_case(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("QUESTION_answering", TEXT)
    assert graph.invoke(ask("why?"))["decision"]["route"] == "question_answering"


def test_provider_of_a_named_model_is_passed_on(graph: Compiled, router: ScriptedRouter, sandbox: Sandbox) -> None:
    router.choose("image_generation", "sandbox/text-to-image-2:together")
    result = graph.invoke(ask("a cat"))
    assert result["decision"]["model"] == "sandbox/text-to-image-2"
    assert result["attempts"][0]["provider"] == "together"
    assert any(record.path.startswith("/together/") for record in sandbox.requests)


def test_only_routes_that_can_apply_are_offered(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("image_understanding", VISION)
    graph.invoke(ask("what is this?", PICTURE))
    assert [route.name for route in router.asked[-1][1]] == ["image_understanding"]
    graph.invoke(ask("hello"))
    names = [route.name for route in router.asked[-1][1]]
    assert "image_understanding" not in names
    assert len(names) == 9
    thread = [*ask("what is this?", PICTURE)["messages"], AIMessage("A flower."), HumanMessage("and its colour?")]
    graph.invoke({"messages": thread})
    assert len(router.asked[-1][1]) == 10


def test_candidates_are_history_then_catalog(
    graph: Compiled, router: ScriptedRouter, write_policy: Callable[..., Path]
) -> None:
    write_policy(question_answering=["sandbox/text-generation-3", "acme/chat-1"])
    router.choose("question_answering", None)
    graph.invoke(ask("why?"))
    assert router.asked[0][1][0].candidates == (
        "sandbox/text-generation-3",
        "acme/chat-1",
        "sandbox/text-generation-1",
        "sandbox/text-generation-2",
    )


@pytest.mark.parametrize(
    "messages", [[], [SystemMessage("be brief")], [HumanMessage("")], [HumanMessage("  \n")], [AIMessage("hi")]]
)
def test_nothing_to_answer_is_an_invalid_request(messages: list[Any], graph: Compiled) -> None:
    with pytest.raises(InvalidRequest, match="nothing to answer") as raised:
        graph.invoke({"messages": messages})
    assert isinstance(raised.value, ValueError)


def test_router_that_cannot_load_is_raised(graph: Compiled, router: ScriptedRouter) -> None:
    router.says = ConfigurationError("no such checkpoint")
    with pytest.raises(ConfigurationError, match="no such checkpoint"):
        graph.invoke(ask("why?"))


def test_a_thread_keeps_previous_and_messages_and_nothing_else(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    graph: Compiled = build_graph(services).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    router.choose("question_answering", TEXT)
    sandbox.fail("payment_402")
    first = graph.invoke(ask("first?"), thread)
    assert first["error"]["kind"] == "payment"
    router.choose("image_generation", IMAGE)
    second = graph.invoke(ask("a cat"), thread)
    assert second["error"] is None
    assert len(second["attempts"]) == 1
    assert graph.get_state(thread).values["previous"] == {"route": "question_answering", "model": TEXT}
    contents = [turn["content"] for turn in router.asked[-1][0]]
    assert contents == ["first?", "a cat"], "the explanation is not part of the conversation"
    router.choose("question_answering", TEXT)
    third = graph.invoke(ask("and now?"), thread)
    assert third["artifacts"] == []
    assert third["error"] is None


def test_state_holds_no_base64_and_no_token(services: Services, router: ScriptedRouter) -> None:
    graph: Compiled = build_graph(services).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    router.choose("image_generation", IMAGE)
    graph.invoke(ask("a cat"), thread)
    stored = repr(list(graph.get_state_history(thread)))
    assert ";base64," not in stored
    assert "hf_" not in stored


def test_image_is_described_by_a_model_served_only_as_image_to_text(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("image_understanding", "sandbox/image-to-text-1")
    result = graph.invoke(ask("what is this?", PICTURE))
    assert result["error"] is None
    assert result["attempts"][0]["model"] == "sandbox/image-to-text-1"


def test_usage_of_the_answer_is_kept(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    assert graph.invoke(ask("why?"))["messages"][-1].usage_metadata["output_tokens"] > 0
    *_, streamed = graph.stream(ask("why?"), stream_mode=["messages", "values"])
    assert streamed[1]["messages"][-1].usage_metadata["output_tokens"] > 0


def test_a_fallback_route_that_the_policy_lacks_is_named(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    with pytest.raises(ConfigurationError, match=r"fallback_route is 'questoin'.*question_answering"):
        graph.invoke(ask("why?"), context=Settings(fallback_route="questoin"))


def test_provider_written_in_the_policy_is_used(
    graph: Compiled, router: ScriptedRouter, write_policy: Callable[..., Path], sandbox: Sandbox
) -> None:
    write_policy(image_generation=["sandbox/text-to-image-2:together"])
    router.choose("image_generation", None)
    result = graph.invoke(ask("a cat"))
    assert router.asked[0][1][0].candidates[0] == "sandbox/text-to-image-2:together"
    assert result["attempts"][0]["provider"] == "together"
    assert any(record.path.startswith("/together/") for record in sandbox.requests)


def test_picture_at_a_private_address_is_not_fetched_for_a_describer(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("image_understanding", "sandbox/image-to-text-1")
    result = graph.invoke(ask("what is this?", "http://169.254.169.254/latest/meta-data"))
    assert result["error"]["kind"] == "bad_image"
    assert "not a public address" in result["error"]["message"]


def test_catalog_of_the_sandbox_is_not_taken_along_when_it_ends(router: ScriptedRouter, services: Services) -> None:
    router.choose("question_answering", None)
    graph: Compiled = build_graph(services).compile()
    assert graph.invoke(ask("why?"))["decision"]["model"] == TEXT
    with fresh_sandbox() as inner:
        inner.fail("hub_503", times=9)
        assert services.catalog.models(["text-generation"]) == {"text-generation": ()}
