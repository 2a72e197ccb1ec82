"""POST /v1/decisions on a real uvicorn: with OpenAI's own client, in the form of System One, and as our own router."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from omni_router import Services, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.routers.decision.client import DecisionClient
from omni_router.routers.decision.router import DecisionRouter
from omni_router.server.openai.guard import Limits
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback, pytest.mark.usefixtures("semantic")]

CHARGED = "I was charged twice this month, please refund one payment"
TEAMS: list[Any] = [
    {"value": "billing", "description": "payments, invoices and refunds"},
    {"value": "technical", "description": "bugs, crashes and integrations"},
    {"value": "sales", "description": "prices of plans and buying more seats"},
]
TEAM: Any = {"type": "choice", "name": "team", "instructions": "Which team?", "choices": TEAMS}
CRITERIA = {each["value"]: each["description"] for each in TEAMS}


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def test_openais_client_reads_the_answer(client: OpenAI, sandbox: Sandbox, router: ScriptedRouter) -> None:
    decision: Any = client.decisions.create(model="omni", input=CHARGED, questions=[TEAM])
    [answer] = decision.answers
    assert (decision.model, answer.type, answer.name, answer.choice) == ("omni", "choice", "team", "billing")
    probabilities = {each.value: each.probability for each in answer.probabilities}
    assert list(probabilities) == ["billing", "technical", "sales"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert answer.confidence == probabilities["billing"]
    assert decision.usage.total_tokens == 0
    assert not router.asked
    assert not sandbox.requests, "no model of the catalog is called"


def test_questions_are_answered_in_their_order_and_values_keep_their_type(client: OpenAI) -> None:
    refund: Any = {
        "type": "choice",
        "instructions": "Refund?",
        "choices": [{"value": True, "description": "wants money back"}, {"value": False, "description": "says hello"}],
    }
    decision: Any = client.decisions.create(model="omni", input=CHARGED, questions=[refund, TEAM])
    first, second = decision.answers
    assert (first.name, first.choice) == (None, True)
    assert (second.name, second.choice) == ("team", "billing")


def test_a_conversation_is_judged_by_the_users_messages(client: OpenAI) -> None:
    talk: Any = [
        {"role": "developer", "content": "You sort requests."},
        {"role": "user", "content": [{"type": "input_text", "text": "The app crashes when I open the settings"}]},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "seen"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Since when?"}]},
        {"role": "user", "content": [{"type": "input_json", "data": {"since": "the last update"}}]},
    ]
    decision: Any = client.decisions.create(model="omni", input=talk, questions=[TEAM])
    assert decision.answers[0].choice == "technical"


def test_below_the_least_confidence_there_is_a_refusal_or_other(client: OpenAI) -> None:
    least: Any = {"min_confidence": 0.99999}
    unlike = "Which river is the longest in Africa?"
    decision: Any = client.decisions.create(model="omni", input=unlike, questions=[TEAM], extra_body=least)
    assert (decision.answers[0].type, decision.answers[0].name) == ("refusal", "team")
    with_other: Any = {**TEAM, "choices": [*TEAMS, {"value": "other"}]}
    decision = client.decisions.create(model="omni", input=CHARGED, questions=[with_other], extra_body=least)
    assert decision.answers[0].choice == "other"


def test_system_one_has_a_form_of_its_own(url: str) -> None:
    body = {"model": "omni", "state": {"ticket": CHARGED}, "questions": {"team": _criteria(CRITERIA)}}
    answer = httpx.post(f"{url}/decisions", json=body).raise_for_status().json()
    assert answer["answers"]["team"]["choice"] == "billing"
    assert sum(answer["answers"]["team"]["probabilities"].values()) == pytest.approx(1)
    from langchain_core.decisions import ClassifierResponse

    assert ClassifierResponse.model_validate(answer).choices["team"].choice == "billing"
    refused = httpx.post(f"{url}/decisions", json={**body, "min_confidence": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "refused")


def _criteria(criteria: dict[str, Any]) -> dict[str, Any]:
    return {"type": "choice", "instructions": "Which team?", "criteria": criteria}


PHRASES = ";".join(map(str, range(2000)))
WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "another model": ({"model": "org/model"}, 404, "The model is 'org/model'; decisions are answered by omni"),
    "a predicate": ({"questions": [{"type": "predicate", "instructions": "?"}]}, 400, "cannot judge a statement"),
    "a score": ({"questions": [{"type": "score", "instructions": "?"}]}, 400, "cannot judge a statement"),
    "an unknown type": ({"questions": [{**TEAM, "type": "rank"}]}, 400, "'choice'"),
    "no question": ({"questions": []}, 400, "questions"),
    "questions that are none": ({"questions": 7}, 400, "questions"),
    "a lone choice": ({"questions": [{**TEAM, "choices": TEAMS[:1]}]}, 400, "choices"),
    "the same choice twice": ({"questions": [{**TEAM, "choices": [TEAMS[0]] * 2}]}, 400, "must differ"),
    "no input": ({"input": None}, 400, "input"),
    "no message of a user": ({"input": [{"role": "assistant", "content": "hi"}]}, 400, "a message of the user"),
    "messages that are none": ({"input": [7, None]}, 400, "a message of the user"),
    "thousands of phrases": (
        {"questions": [{**TEAM, "choices": [*TEAMS, {"value": "x", "description": PHRASES}]}]},
        413,
        "2012 phrases and examples",
    ),
    "no probability": ({"min_confidence": 2}, 400, "min_confidence"),
    "a novel": (
        {"questions": [{**TEAM, "choices": [*TEAMS, {"value": "x", "description": "y" * 100_000}]}]},
        413,
        "allowed are 100000 in 2000",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_served_is_named(url: str, name: str) -> None:
    changes, status, message = WRONG[name]
    body = {"model": "omni", "input": CHARGED, "questions": [TEAM], **changes}
    response = httpx.post(f"{url}/decisions", json=body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_of_system_one_too(url: str) -> None:
    for questions, message in [
        ({"q": {"type": "noul", "instructions": "?"}}, "cannot judge a statement"),
        ({"q": {"type": "choice", "criteria": {}}}, "criteria"),
        ({"q": _criteria({"a": {"examples": [1]}, "b": None})}, "must be a list of texts"),
        ([TEAM], "questions"),
    ]:
        response = httpx.post(f"{url}/decisions", json={"state": CHARGED, "questions": questions})
        assert response.status_code == 400, response.text
        assert message in response.json()["error"]["message"]


def test_openais_client_raises_its_own_errors(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="embedded router"):
        client.decisions.create(model="org/model", input=CHARGED, questions=[TEAM])


def test_parameters_without_effect_are_named_in_a_header(client: OpenAI) -> None:
    raw = client.decisions.with_raw_response.create(
        model="omni", input=CHARGED, questions=[TEAM], safety_identifier="user-1"
    )
    assert raw.headers["x-omni-ignored"] == "safety_identifier"


def test_the_key_of_the_server_guards_it(services: Services) -> None:
    with openai_server(services, limits=Limits(key="s3cret")) as url, OpenAI(base_url=url, api_key="wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            client.decisions.create(model="omni", input=CHARGED, questions=[TEAM])
        assert client.with_options(api_key="s3cret").decisions.create(model="omni", input=CHARGED, questions=[TEAM])


@pytest.mark.parametrize("form", ["openai", "system_one"])
def test_a_router_that_asks_our_own_service_closes_the_loop(services: Services, url: str, form: Any) -> None:
    client = DecisionClient(url, timeout=60)
    client._form = form
    graph = build_graph(replace(services, router=DecisionRouter(client))).compile()
    for prompt, route in [("Write a poem about the sea", "creative_writing"), ("Hello, how are you?", None)]:
        result = graph.invoke({"messages": [user_message(prompt)]})
        assert result["error"] is None
        assert 0 < result["decision"]["confidence"] <= 1
        if route:
            assert result["decision"]["route"] == route
            assert result["decision"]["reason"] == "chosen by omni"
