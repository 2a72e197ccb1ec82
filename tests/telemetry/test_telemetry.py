"""Spans and metrics of runs, through the real OpenTelemetry SDK and the real Prometheus client."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from opentelemetry.trace import SpanKind, StatusCode

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import SANDBOX_TOKEN, Sandbox
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.telemetry.metrics import MAX_MODELS, OTHERS, Metrics, ModelNames
from omni_router.telemetry.observer import CompositeObserver
from omni_router.telemetry.tracing import MAX_TURNS, Tracing
from tests.support.calls import FORMS, Call, Compiled, ask, invoke
from tests.support.observing import Spans, parse, scrape, value
from tests.support.scripted_router import ScriptedRouter

TEXT, PICTURE = "sandbox/text-generation-1", "sandbox/text-to-image-1"
ROUTE = "question_answering"
SECRETS = ("what only the user knows", "why the router thinks so", SANDBOX_TOKEN)


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def graph(services: Services, router: ScriptedRouter, spans: Spans, metrics: Metrics) -> Compiled:
    router.choose(ROUTE, TEXT, SECRETS[1])
    return build_graph(replace(services, observer=CompositeObserver(Tracing(spans.provider), metrics))).compile()


def test_a_span_has_the_parameters_of_the_route(
    services: Services, router: ScriptedRouter, spans: Spans, route_config: Path
) -> None:
    entry = {"name": ROUTE, "description": "facts", "temperature": 0.1, "max_new_tokens": 9}
    route_config.write_text(json.dumps([entry]))
    router.choose(ROUTE, TEXT)
    invoke(
        build_graph(replace(services, observer=Tracing(spans.provider))).compile(),
        ask("How do tides work?"),
        Settings(),
    )
    attributes = spans.attributes(f"chat {TEXT}")
    assert (attributes["gen_ai.request.temperature"], attributes["gen_ai.request.max_tokens"]) == (0.1, 9)


def test_a_turn_is_four_spans_in_the_words_of_the_conventions(graph: Compiled, spans: Spans) -> None:
    result = invoke(graph, ask("How do tides work?"), Settings(seed=7))
    assert spans.names() == ["route_request", "validate_choice", f"chat {TEXT}", "record_outcome"]
    usage = result["messages"][-1].usage_metadata
    decided = {"omni.decision.id": result["decision"]["id"], "omni.route": ROUTE, "omni.confidence": 0.9}
    chosen = {
        **decided,
        "omni.task": "text-generation",
        "omni.model": TEXT,
        "omni.source": "router",
        "omni.provider": result["decision"]["provider"],
    }
    assert spans.attributes("route_request") == decided
    assert spans.attributes("validate_choice") == chosen
    assert spans.attributes(f"chat {TEXT}") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "hugging_face",
        "gen_ai.request.model": TEXT,
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.seed": 7,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": TEXT,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": usage["input_tokens"],
        "gen_ai.usage.output_tokens": usage["output_tokens"],
        "omni.cost_usd": result["attempts"][0]["cost"],
        "omni.estimated_cost_usd": result["attempts"][0]["estimated_cost"],
        **chosen,
    }
    assert [span.kind is SpanKind.CLIENT for span in spans.all()] == [False, False, True, False]


def test_the_names_are_those_of_the_installed_conventions(graph: Compiled, spans: Spans) -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

    invoke(graph, ask("How do tides work?"), Settings(seed=7, top_p=0.5))
    known = {name for name in vars(gen_ai_attributes).values() if isinstance(name, str)}
    used = {name for name in spans.attributes(f"chat {TEXT}") if not name.startswith("omni.")}
    assert used <= known
    assert ERROR_TYPE == "error.type"


def test_a_picture_is_generated_content(graph: Compiled, router: ScriptedRouter, spans: Spans) -> None:
    router.choose("image_generation", PICTURE)
    invoke(graph, ask("Paint a fox"), None)
    found = spans.attributes(f"generate_content {PICTURE}")
    assert (found["gen_ai.operation.name"], found["gen_ai.output.type"]) == ("generate_content", "image")
    assert "gen_ai.usage.input_tokens" not in found


@pytest.mark.parametrize("call", FORMS)
def test_spans_hang_below_the_callers_span_under_every_form_of_call(graph: Compiled, spans: Spans, call: Call) -> None:
    with spans.host.start_as_current_span("request") as request:
        call(graph, ask("How do tides work?"), None)
    ours = [span for span in spans.all() if span.name != "request"]
    assert len(ours) == 4
    assert {span.parent.span_id for span in ours if span.parent} == {request.get_span_context().span_id}


def test_turns_at_once_on_our_threads_each_stay_below_their_own_caller(graph: Compiled, spans: Spans) -> None:
    async def one(number: int) -> tuple[str, int]:
        with spans.host.start_as_current_span("request") as request:
            result = await graph.ainvoke(ask(f"How do tides work, {number}?"))
            return result["decision"]["id"], request.get_span_context().span_id

    async def all_at_once() -> dict[str, int]:
        return dict(await asyncio.gather(*(one(number) for number in range(10))))

    callers = asyncio.run(all_at_once())
    ours = [span for span in spans.all() if span.name != "request"]
    assert len(ours) == 40
    for span in ours:
        assert span.parent
        assert span.parent.span_id == callers[str((span.attributes or {})["omni.decision.id"])]


def test_without_a_callers_span_a_turn_is_one_trace_that_begins_with_routing(graph: Compiled, spans: Spans) -> None:
    for _ in range(2):
        invoke(graph, ask("How do tides work?"), None)
    first, second = spans.all()[:4], spans.all()[4:]
    for turn in (first, second):
        root = turn[0].get_span_context()
        assert turn[0].parent is None
        assert [span.parent and span.parent.span_id for span in turn[1:]] == [root and root.span_id] * 3
    assert first[0].context.trace_id != second[0].context.trace_id


def test_turns_that_never_end_are_not_kept_for_ever(spans: Spans) -> None:
    tracing = Tracing(spans.provider)
    for number in range(MAX_TURNS + 5):
        tracing._begin(str(number), spans.host.start_span("route_request").get_span_context())
    assert len(tracing._turns) == MAX_TURNS
    assert "4" not in tracing._turns


def test_a_failed_attempt_is_an_error_by_its_kind_and_a_fallback_is_counted(
    graph: Compiled, spans: Spans, metrics: Metrics, sandbox: Sandbox
) -> None:
    sandbox.fail("overloaded_503")
    result = invoke(graph, ask("How do tides work?"), None)
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["overloaded", "answered"]
    failed = next(span for span in spans.all() if span.name == f"chat {TEXT}")
    assert failed.attributes
    assert failed.attributes["error.type"] == "overloaded"
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, None)
    other = result["decision"]["model"]
    assert "error.type" not in spans.attributes(f"chat {other}")
    assert spans.attributes("recall_model")["omni.model"] == other
    assert value(metrics, "omni_fallbacks_total", route=ROUTE, kind="overloaded") == 1
    assert value(metrics, "omni_decisions_total", route=ROUTE, source="router") == 1, "a turn is decided once"
    for model, outcome in ((TEXT, "overloaded"), (other, "answered")):
        assert value(metrics, "omni_attempts_total", task="text-generation", model=model, outcome=outcome) == 1


def test_what_ends_in_an_explanation_is_reported_by_its_kind(
    graph: Compiled, router: ScriptedRouter, spans: Spans, metrics: Metrics, sandbox: Sandbox
) -> None:
    sandbox.fail("token_401")
    invoke(graph, ask("How do tides work?"), None)
    assert spans.attributes("explain")["error.type"] == "token"
    assert value(metrics, "omni_unanswered_total", kind="token") == 1
    router.choose("other")
    invoke(graph, ask("asdf"), Settings(fallback_route="none"))
    assert value(metrics, "omni_unanswered_total", kind="no_route") == 1
    assert value(metrics, "omni_decisions_total", route="other", source="none") == 1


def test_what_a_node_raises_is_reported_by_its_class_and_still_raised(
    graph: Compiled, spans: Spans, metrics: Metrics
) -> None:
    with pytest.raises(InvalidRequest):
        invoke(graph, {"messages": []}, None)
    assert spans.attributes("route_request") == {"error.type": "InvalidRequest"}
    assert spans.all()[0].status.status_code is StatusCode.ERROR
    assert value(metrics, "omni_unanswered_total", kind="InvalidRequest") == 1


def test_a_fallback_says_in_its_span_what_the_router_chose(
    graph: Compiled, router: ScriptedRouter, spans: Spans
) -> None:
    router.choose("other")
    invoke(graph, ask("asdf"), None)
    attributes = spans.attributes("validate_choice")
    assert (attributes["omni.route"], attributes["omni.proposed_route"]) == ("question_answering", "other")


def test_a_router_that_fails_is_not_timed(graph: Compiled, router: ScriptedRouter, metrics: Metrics) -> None:
    router.says = RuntimeError("no idea")
    invoke(graph, ask("How do tides work?"), Settings(fallback_route="none"))
    assert value(metrics, "omni_router_seconds_count") == 0
    assert value(metrics, "omni_unanswered_total", kind="no_reply") == 1


def test_no_prompt_reason_answer_or_token_in_a_span_or_a_metric(
    graph: Compiled, spans: Spans, metrics: Metrics, sandbox: Sandbox
) -> None:
    answers = [invoke(graph, ask(SECRETS[0]), None)["messages"][-1].text]
    sandbox.fail("bad_request_400")
    answers.append(invoke(graph, ask(SECRETS[0]), Settings(max_models=1))["messages"][-1].text)
    with pytest.raises(ConfigurationError, match="fallback_route"):
        invoke(graph, ask(SECRETS[0]), Settings(fallback_route=SECRETS[0]))
    exported = "\n".join([*(span.to_json() for span in spans.all()), scrape(metrics).text])
    assert "chat sandbox/text" in exported
    for secret in (*SECRETS, *answers, "simulated"):
        assert secret not in exported
    assert not any(span.events for span in spans.all()), "the text of an exception may hold anything"


def test_metrics_of_a_turn(graph: Compiled, metrics: Metrics) -> None:
    usage = invoke(graph, ask("How do tides work?"), None)["messages"][-1].usage_metadata
    assert value(metrics, "omni_decisions_total", route=ROUTE, source="router") == 1
    assert value(metrics, "omni_attempts_total", task="text-generation", model=TEXT, outcome="answered") == 1
    for kind in ("input", "output"):
        counted = value(metrics, "omni_tokens_total", route=ROUTE, model=TEXT, type=kind)
        assert counted == usage[f"{kind}_tokens"] > 0
    assert value(metrics, "omni_router_seconds_count") == 1
    assert value(metrics, "omni_specialist_seconds_count", task="text-generation", outcome="answered") == 1
    assert value(metrics, "omni_confidence_ratio_sum", route=ROUTE) == pytest.approx(0.9)
    assert value(metrics, "omni_unanswered_total", kind="no_route") is None


def test_two_registries_in_one_process_do_not_collide(metrics: Metrics) -> None:
    assert {sample.name for sample in parse(scrape(Metrics()).text)} == {"omni_router_seconds_bucket", *(
        f"omni_router_seconds_{part}" for part in ("sum", "count", "created")
    )}  # fmt: skip


def test_models_that_anybody_may_name_do_not_fill_the_registry() -> None:
    names = ModelNames()
    assert names.label("made/up", known=False) == OTHERS
    assert names.label("is/real", known=True) == "is/real"
    assert names.label("is/real", known=False) == "is/real", "it stays known"
    for number in range(MAX_MODELS):
        names.label(f"model/{number}", known=True)
    assert names.label("one/more", known=True) == OTHERS
    assert names.label("is/real", known=True) == "is/real"


def test_labels_hold_nothing_that_a_caller_makes_up(graph: Compiled, metrics: Metrics) -> None:
    made_up = {"route": ROUTE, "model": "made/up", "provider": None, "source": "catalog"}
    call = {"id": "1", "name": "look", "args": {}}
    loop = [
        HumanMessage("How do tides work?"),
        AIMessage("", tool_calls=[call], response_metadata={"decision": made_up}),
        ToolMessage("nothing found", tool_call_id="1"),
    ]
    for given, context in ((loop, None), (ask("How do tides work?")["messages"], Settings(model="made/up"))):
        result = invoke(graph, {"messages": given}, context)
        assert "made/up" in str(result["decision"]), "it did come through"
    exported = scrape(metrics).text
    assert "made" not in exported
    assert value(metrics, "omni_router_seconds_count") == 1, "a tool loop asks no router"


def test_a_failing_candidate_is_reported_by_name(graph: Compiled, metrics: Metrics, sandbox: Sandbox) -> None:
    sandbox.fail("overloaded_503", times=10)
    for attempt in invoke(graph, ask("How do tides work?"), None)["attempts"]:
        found = {"task": "text-generation", "model": attempt["model"], "outcome": "overloaded"}
        assert value(metrics, "omni_attempts_total", **found) == 1
