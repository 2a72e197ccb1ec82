"""What /v1 shows of costs, recomputed from what the wire reported; and a budget that is spent."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router.config.spending_budget import Budget
from omni_router.telemetry.metrics import Metrics
from tests.support.observing import value
from tests.support.openai_server import PAINTER, TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter
from tests.support.wire import Wire, recorded

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ROUTE = "question_answering"
QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    with recorded(sandbox) as wire:
        yield wire


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def url(services: Services, router: ScriptedRouter, metrics: Metrics, wire: Wire) -> Iterator[str]:
    router.choose(ROUTE, TEXT)
    with openai_server(replace(services, observer=metrics)) as url:
        yield url


def bill(wire: Wire) -> float:
    """The sum of all calls so far, as the wire reported them."""
    bills = [each for each in wire.bills() if each is not None]
    assert bills
    return float(sum(bills))


def test_a_chat_shows_what_it_costs(url: str, wire: Wire, metrics: Metrics) -> None:
    response = httpx.post(f"{url}/chat/completions", json={"model": "omni", "messages": QUESTION})
    body = response.json()
    expected = pytest.approx(bill(wire), abs=1e-13)
    assert float(response.headers["x-omni-cost"]) == expected
    assert body["usage"]["cost"] == body["omni"]["cost"] == body["omni"]["attempts"][0]["cost"] == expected
    assert value(metrics, "omni_router_cost_usd_total", route=ROUTE, model=TEXT, basis="usage") == expected


def test_a_stream_shows_it_at_its_end(url: str, client: OpenAI, wire: Wire) -> None:
    pieces: Any = list(
        client.chat.completions.create(
            model="omni", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    expected = pytest.approx(bill(wire), abs=1e-13)
    assert pieces[-1].usage.cost == expected
    assert pieces[-2].model_extra["omni"]["cost"] == expected
    assert pieces[0].model_extra["omni"]["cost"] is None


def test_a_run_of_two_calls_shows_their_sum_and_each_in_its_attempt(url: str, sandbox: Sandbox, wire: Wire) -> None:
    sandbox.fail("null_content", TEXT)
    response = httpx.post(f"{url}/chat/completions", json={"model": "omni", "messages": QUESTION})
    costs = [attempt["cost"] for attempt in response.json()["omni"]["attempts"]]
    assert len(costs) == 2
    assert costs == pytest.approx([float(each or 0) for each in wire.bills()], abs=1e-13)
    assert float(response.headers["x-omni-cost"]) == pytest.approx(bill(wire), abs=1e-13)


def test_an_image_shows_no_cost_rather_than_zero(url: str, router: ScriptedRouter, metrics: Metrics) -> None:
    router.choose("image_generation", PAINTER)
    response = httpx.post(f"{url}/images/generations", json={"prompt": "a cat"})
    assert response.status_code == 200
    assert "x-omni-cost" not in response.headers
    assert response.json()["omni"]["cost"] is None
    counted = value(metrics, "omni_router_unknown_costs_total", route="image_generation", model=PAINTER)
    assert counted == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_s_conversation_is_a_thread_with_a_budget(
    services: Services, router: ScriptedRouter, wire: Wire, *, stream: bool
) -> None:
    router.choose(ROUTE, TEXT)
    budget = Budget(thread=1.5 * 1e-5)
    with openai_server(replace(services, budget=budget)) as url:
        conversation = list(QUESTION)
        answered = 0
        while True:
            body = {"model": "omni", "messages": conversation, "stream": stream}
            response = httpx.post(f"{url}/chat/completions", json=body)
            if response.status_code != 200:
                break
            answered += 1
            assert answered < 5
            conversation += [{"role": "assistant", "content": text_of(response)}, *QUESTION]
    assert answered == len(wire.chats()) >= 1
    assert bill(wire) >= budget.thread  # type: ignore[operator]
    assert response.status_code == 402
    error = response.json()["error"]
    assert error["code"] == "insufficient_quota"
    assert error["message"].startswith("The budget is used up. (this thread has spent $0.0000")
    assert error["message"].endswith("Raise OMNI_BUDGET on the server, or unset it.")


def text_of(response: httpx.Response) -> str:
    """The text of an answer, plain or streamed."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return str(response.json()["choices"][0]["message"]["content"])
    text = ""
    for line in response.text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                text += choice["delta"].get("content") or ""
    return text
