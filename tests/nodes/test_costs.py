"""Every dollar that is shown can be recomputed from what the wire reported: usage, provider and prices."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import httpx
import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.costs import as_decimal, describe_cost, total_cost
from omni_router.events import Finished, stream
from omni_router.hub.catalog import HubCatalog
from omni_router.run_result import RunResult
from tests.support.calls import FORMS, Call, Compiled, ask
from tests.support.foreign_model import Foreign, foreign_model
from tests.support.scripted_router import ScriptedRouter
from tests.support.wire import Wire, dollars, recorded

TEXT, SECOND = "sandbox/text-generation-1", "sandbox/text-generation-2"
PICTURE, VISION = "sandbox/text-to-image-1", "sandbox/image-text-to-text-1"
ROUTE = "question_answering"
QUESTION = "How do tides work?"


def streamed(graph: Compiled, state: dict[str, Any], context: Settings | None) -> dict[str, Any]:
    """Call it as a surface does that shows tokens."""
    *_, last = stream(graph, state, context=context)
    assert isinstance(last, Finished)
    return last.state


@pytest.fixture
def graph(services: Services, router: ScriptedRouter) -> Compiled:
    router.choose(ROUTE, TEXT)
    return build_graph(services).compile()


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    with recorded(sandbox) as wire:
        yield wire


@pytest.fixture
def foreign(sandbox: Sandbox) -> Iterator[Foreign]:
    with foreign_model(sandbox) as model:
        yield model


@pytest.mark.parametrize("call", [*FORMS, streamed])
@pytest.mark.parametrize("model", [TEXT, f"{TEXT}:together", f"{TEXT}:fireworks-ai", SECOND, f"{VISION}:together"])
def test_the_cost_of_an_answer_follows_from_the_wire(graph: Compiled, wire: Wire, call: Call, model: str) -> None:
    result = call(graph, ask(QUESTION), Settings(model=model))
    [attempt], [bill] = result["attempts"], wire.bills()
    assert bill is not None
    assert bill > 0
    assert attempt["cost"] == pytest.approx(float(bill), abs=1e-13)
    assert attempt["usage"]["input_tokens"] == wire.chats()[0].usage()["prompt_tokens"]  # type: ignore[index]
    assert attempt["provider"] == wire.chats()[0].headers["x-inference-provider"]
    assert RunResult.from_state(result).cost == attempt["cost"] == result["messages"][-1].response_metadata["cost"]


@pytest.mark.parametrize("call", [FORMS[0], streamed])
def test_each_attempt_has_its_own_cost_and_the_run_their_sum(
    graph: Compiled, sandbox: Sandbox, wire: Wire, call: Call
) -> None:
    sandbox.fail("null_content", TEXT)  # it answers with nothing, and counts the tokens all the same
    result = call(graph, ask(QUESTION), None)
    first, second = result["attempts"]
    bills = wire.bills()
    assert (first["outcome"], second["outcome"]) == ("malformed_answer", "answered")
    assert [first["cost"], second["cost"]] == pytest.approx([dollars(bill) for bill in bills], abs=1e-13)
    assert RunResult.from_state(result).cost == pytest.approx(float(sum(filter(None, bills))), abs=1e-13)


def test_a_call_that_failed_before_an_answer_costs_nothing_known_and_leaves_the_sum_known(
    graph: Compiled, sandbox: Sandbox, wire: Wire
) -> None:
    sandbox.fail("overloaded", TEXT)
    result = FORMS[0](graph, ask(QUESTION), None)
    first, second = result["attempts"]
    assert (first["usage"], first["cost"], first["estimated_cost"]) == (None, None, None)
    assert RunResult.from_state(result).cost == second["cost"] == dollars(wire.bills()[1])


def test_a_partial_answer_without_a_count_has_an_unknown_cost(graph: Compiled, sandbox: Sandbox) -> None:
    sandbox.fail("stream_cut", TEXT)
    result = streamed(graph, ask(QUESTION), None)
    [attempt] = result["attempts"]
    assert attempt["partial"]
    assert (attempt["usage"], attempt["cost"]) == (None, None)
    assert RunResult.from_state(result).cost is None


def test_an_image_has_no_price_of_tokens(graph: Compiled, router: ScriptedRouter) -> None:
    router.choose("image_generation", PICTURE)
    result = FORMS[0](graph, ask("a cat"), None)
    assert [(each["usage"], each["cost"]) for each in result["attempts"]] == [(None, None)]
    assert describe_cost(result["attempts"][0]) == "cost unknown"


def answer(usage: object, headers: dict[str, str] | None = None) -> Callable[[], httpx.Response]:
    message = {"role": "assistant", "content": "It is the moon."}
    body: dict[str, Any] = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    if usage is not ...:
        body["usage"] = usage
    return lambda: httpx.Response(200, json=body, headers=headers)


def test_the_organization_that_pays_is_named_on_the_wire(graph: Compiled, wire: Wire) -> None:
    FORMS[0](graph, ask(QUESTION), None)
    FORMS[0](graph, ask(QUESTION), Settings(bill_to="acme"))
    assert [chat.request.headers.get("x-hf-bill-to") for chat in wire.chats()] == [None, "acme"]


def test_it_is_named_for_an_image_too(graph: Compiled, router: ScriptedRouter, wire: Wire) -> None:
    router.choose("image_generation", PICTURE)
    FORMS[0](graph, ask("a cat"), Settings(bill_to="acme"))
    posts = [each.request for each in wire.answers if each.request.method == "POST"]
    assert [post.headers.get("x-hf-bill-to") for post in posts] == ["acme"]


COUNTED = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
TOGETHER = {"x-inference-provider": "together"}


def test_without_the_name_of_the_provider_the_highest_price_is_an_estimate(graph: Compiled, foreign: Foreign) -> None:
    foreign.answer = answer(COUNTED)
    [attempt] = FORMS[0](graph, ask(QUESTION), Settings(prefer="best"))["attempts"]
    assert (attempt["provider"], attempt["cost"]) == (None, None)
    assert attempt["estimated_cost"] == float(Fraction(1000 * 2 + 100 * 8, 10**7))  # fireworks-ai costs twice as much
    assert describe_cost(attempt) == "1,000 + 100 tokens, about $0.00028 (estimate)"


def test_a_way_to_choose_a_provider_is_none_that_has_a_price(graph: Compiled, foreign: Foreign) -> None:
    foreign.answer = answer(COUNTED)
    [attempt] = FORMS[0](graph, ask(QUESTION), Settings(model=f"{TEXT}:cheapest"))["attempts"]
    assert (attempt["provider"], attempt["cost"], attempt["estimated_cost"]) == ("cheapest", None, 0.00028)


def test_a_provider_of_an_unknown_price_has_no_cost(graph: Compiled, foreign: Foreign) -> None:
    foreign.answer = answer(COUNTED, {"x-inference-provider": "elsewhere"})
    [attempt] = FORMS[0](graph, ask(QUESTION), None)["attempts"]
    assert (attempt["provider"], attempt["cost"]) == ("elsewhere", None)
    assert attempt["estimated_cost"] == 0.00028


@pytest.mark.parametrize("usage", [..., None, {}, {**COUNTED, "prompt_tokens": 0}, {**COUNTED, "prompt_tokens": None},
                                   {**COUNTED, "completion_tokens": -1}])  # fmt: skip
def test_an_answer_without_a_count_costs_what_nobody_knows(graph: Compiled, foreign: Foreign, usage: object) -> None:
    foreign.answer = answer(usage, TOGETHER)
    result = FORMS[0](graph, ask(QUESTION), None)
    if result["attempts"][0]["outcome"] != "answered":
        pytest.skip("LangChain does not read this count at all")
    assert [(each["usage"], each["cost"]) for each in result["attempts"]] == [(None, None)]
    assert RunResult.from_state(result).cost is None


def test_of_running_totals_in_a_stream_the_last_one_counts(graph: Compiled, foreign: Foreign) -> None:
    def frame(number: int) -> str:
        choice = {"index": 0, "delta": {"role": "assistant", "content": f"word{number} "}, "finish_reason": None}
        usage = {"prompt_tokens": 1000, "completion_tokens": number, "total_tokens": 1000 + number,
                 "completion_tokens_details": {"reasoning_tokens": number // 2}}  # fmt: skip
        return f"data: {json.dumps({'choices': [choice], 'usage': usage})}\n\n"

    body = "".join(map(frame, range(1, 101))) + "data: [DONE]\n\n"
    headers = {"content-type": "text/event-stream", **TOGETHER}
    foreign.answer = lambda: httpx.Response(200, content=body.encode(), headers=headers)
    result = streamed(graph, ask(QUESTION), None)
    [attempt] = result["attempts"]
    assert attempt["usage"] == {"input_tokens": 1000, "output_tokens": 100, "reasoning_tokens": 50}
    assert attempt["cost"] == float(Fraction(1000 * 1 + 100 * 4, 10**7))
    assert result["messages"][-1].usage_metadata["output_tokens"] == 100


def test_a_catalog_without_prices_leaves_costs_unknown(services: Services, router: ScriptedRouter) -> None:
    class Plain:
        def __init__(self) -> None:
            catalog = HubCatalog()
            self.models, self.check = catalog.models, catalog.check

    router.choose(ROUTE, TEXT)
    result = FORMS[0](build_graph(replace(services, catalog=Plain())).compile(), ask(QUESTION), None)
    [attempt] = result["attempts"]
    assert attempt["usage"]
    assert (attempt["cost"], attempt["estimated_cost"]) == (None, None)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "0.00"), (1.5, "1.50"), (0.0000284, "0.0000284"), (12.0, "12.00"), (1e-12, "0.000000000001")],
)
def test_an_amount_is_shown_with_all_its_digits(amount: float, text: str) -> None:
    assert as_decimal(amount) == text


def test_a_sum_is_exact_in_any_order() -> None:
    def attempts(costs: Sequence[float]) -> Any:
        return [{"outcome": "answered", "partial": False, "usage": None, "cost": cost} for cost in costs]

    costs = [0.1, 0.2, 0.3, 1e-12, 7.25]
    assert total_cost(attempts(costs)) == total_cost(attempts(costs[::-1])) == 7.850000000001
