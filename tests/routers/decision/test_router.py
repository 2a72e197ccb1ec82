"""The router `decision`: what a decision model is asked, and what becomes of all that it can do instead of choosing."""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langchain_core.decisions import BaseDecisionModel, ChoiceAnswer, ClassifierResponse, Question
from langchain_core.exceptions import ModelRefusalError
from pydantic import Field

from omni_router import Services, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError, EndpointFailed
from omni_router.routers import Reply, Turn
from omni_router.routers.decision.client import DecisionClient
from omni_router.routers.decision.router import MAX_TOKENS, DecisionRouter, Verdict
from omni_router.routers.endpoint.fallback import FallbackRouter
from omni_router.server.health import name_of
from omni_router.services.decision_models import import_decision_model
from omni_router.services.router import choose_router
from tests.support.tiny_checkpoint import TINY_ROUTES

URL, KEY = "http://decisions.test:8000", "secret-0123456789"
TALK = [Turn(role="user", content="Write a haiku in Rust")]
CODE = {"route": "code_generation", "model": "sandbox/text-generation-1", "reason": "chosen by omni"}

Answer = Callable[[httpx.Request], httpx.Response]


class Scripted(BaseDecisionModel):
    """A decision model that chooses what a test sets, and keeps what it was asked."""

    model: str = "sandbox/decider"
    choice: str = "code_generation"
    fails: Any = None
    asked: list[tuple[Any, dict[str, Any]]] = Field(default_factory=list)

    @property
    def _provider(self) -> str:
        return "tests"

    def _classify(self, state: Any, questions: dict[str, Question]) -> ClassifierResponse:
        self.asked.append((state, questions))
        if self.fails is not None:
            raise self.fails
        answer = ChoiceAnswer(type="choice", choice=self.choice, probabilities={self.choice: 0.7}, confidence=0.7)
        return ClassifierResponse(model=self.model, answers=dict.fromkeys(questions, answer))


def make_model() -> Scripted:
    return Scripted(model="sandbox/made")


def service(answer: Answer, **options: Any) -> DecisionRouter:
    return DecisionRouter(DecisionClient(URL, key=KEY, transport=httpx.MockTransport(answer), **options))


def decides(answer: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"model": "omni", "answers": [answer], "usage": {}})


def choice(label: str, confidence: Any = 0.8) -> dict[str, Any]:
    return {"type": "choice", "name": "route", "choice": label, "confidence": confidence, "probabilities": []}


def test_a_decision_model_is_asked_one_choice_of_the_routes() -> None:
    model = Scripted()
    talk = [*TALK, Turn(role="assistant", content="fn main() {}"), Turn(role="user", content="and shorter")]
    reply = DecisionRouter(model).reply(talk, TINY_ROUTES)
    assert json.loads(reply.text) == {**CODE, "reason": "chosen by sandbox/decider"}
    assert reply.confidence == 0.7
    [(state, questions)] = model.asked
    assert state == talk
    [question] = questions.values()
    assert question.criteria["code_generation"] == "write functions; write scripts"
    assert list(question.criteria) == [*(route.name for route in TINY_ROUTES), "other"]


def test_none_of_the_routes_is_an_answer() -> None:
    reply = DecisionRouter(Scripted(choice="other")).reply(TALK, TINY_ROUTES)
    assert json.loads(reply.text)["route"] == "other"
    assert json.loads(reply.text)["model"] is None


@pytest.mark.parametrize(
    ("fails", "fault", "why"),
    [
        (ValueError("Write a haiku in Rust"), "outage", "it failed with ValueError"),
        (ModelRefusalError("no"), "refused", "it declined to answer"),
    ],
)
def test_a_model_that_fails_is_no_answer_and_what_it_quotes_is_not_repeated(
    fails: Exception, fault: str, why: str
) -> None:
    with pytest.raises(EndpointFailed) as caught:
        DecisionRouter(Scripted(fails=fails)).reply(TALK, TINY_ROUTES)
    assert (caught.value.fault, str(caught.value)) == (fault, why)


def test_a_configuration_error_of_the_model_is_raised() -> None:
    with pytest.raises(ConfigurationError, match="no weights"):
        DecisionRouter(Scripted(fails=ConfigurationError("no weights"))).reply(TALK, TINY_ROUTES)


def test_a_choice_that_was_not_among_them_is_no_answer() -> None:
    with pytest.raises(EndpointFailed, match="none of the routes"):
        DecisionRouter(Scripted(choice="gardening")).reply(TALK, TINY_ROUTES)


def test_a_service_is_asked_in_the_form_of_openai() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return decides(choice("code_generation"))

    reply = service(answer).reply(TALK, TINY_ROUTES)
    assert (json.loads(reply.text), reply.confidence) == (CODE, 0.8)
    [request] = asked
    assert str(request.url) == f"{URL}/v1/decisions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    body = json.loads(request.content)
    assert (body["model"], body["input"]) == ("omni", [{"role": "user", "content": "Write a haiku in Rust"}])
    [question] = body["questions"]
    assert (question["type"], len(question["choices"])) == ("choice", 5)
    assert question["choices"][0] == {"value": "casual_conversation", "description": "small talk; greetings; jokes"}


@pytest.mark.parametrize("base", ["", "/v1", "/v1/", "/v1/decisions"])
def test_the_address_may_end_where_it_likes(base: str) -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return decides(choice("other"))

    DecisionRouter(DecisionClient(f"{URL}/x{base}", transport=httpx.MockTransport(answer))).reply(TALK, TINY_ROUTES)
    assert paths == ["/x/v1/decisions"]


NOT_A_NUMBER = json.dumps({"answers": [choice("other", float("nan"))]})


def test_a_whole_address_stays_as_it_is() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return decides(choice("other"))

    client = DecisionClient(f"{URL}/api/alpha/decisions", transport=httpx.MockTransport(answer))
    DecisionRouter(client).reply(TALK, TINY_ROUTES)
    assert paths == ["/api/alpha/decisions"]


class SystemOne:
    """A service that refuses any form but System One's."""

    def __init__(self, **changes: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.changes = changes

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        if "state" not in body:
            return httpx.Response(422, json={"error": "state is missing"})
        answer = {"type": "choice", "choice": "code_generation", "confidence": 0.6, **self.changes}
        return httpx.Response(200, json={"model": "decider", "answers": {"route": answer}})


def test_a_service_that_speaks_system_one_is_asked_so_from_then_on() -> None:
    service_one = SystemOne()
    router = service(service_one)
    for _ in range(2):
        reply = router.reply(TALK, TINY_ROUTES)
        assert (json.loads(reply.text), reply.confidence) == (CODE, 0.6)
    assert ["state" in body for body in service_one.bodies] == [False, True, True]
    assert service_one.bodies[-1]["state"] == TALK
    assert (
        service_one.bodies[-1]["questions"]["route"]["criteria"]["code_generation"] == "write functions; write scripts"
    )


def test_an_address_that_names_system_one_is_asked_so_at_once() -> None:
    service_one = SystemOne(confidence=None)
    client = DecisionClient(f"{URL}/v1/systemone", transport=httpx.MockTransport(service_one))
    assert DecisionRouter(client).reply(TALK, TINY_ROUTES).confidence is None
    assert len(service_one.bodies) == 1


def test_a_service_that_has_answered_in_one_form_is_not_asked_in_the_other() -> None:
    statuses, bodies = [200, 422], list[dict[str, Any]]()

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return decides(choice("other"), statuses.pop(0))

    router = service(answer)
    router.reply(TALK, TINY_ROUTES)
    with pytest.raises(EndpointFailed, match="HTTP 422"):
        router.reply(TALK, TINY_ROUTES)
    assert ["input" in body for body in bodies] == [True, True]


FAILURES: dict[str, tuple[Answer, str]] = {
    "a refusal": (lambda _: decides({"type": "refusal", "name": "route"}), "declined"),
    "no answer": (lambda _: httpx.Response(200, json={"answers": []}), "not a decision"),
    "two answers": (lambda _: httpx.Response(200, json={"answers": [choice("other")] * 2}), "not a decision"),
    "another form": (lambda _: decides({"type": "predicate", "probability": 1}), "not a decision"),
    "HTML": (lambda _: httpx.Response(200, text="<html>"), "not a decision"),
    "a route of its own": (lambda _: decides(choice("gardening")), "none of the routes"),
    "no probability": (lambda _: decides(choice("other", 7)), "not a probability"),
    "not a number": (lambda _: httpx.Response(200, text=NOT_A_NUMBER), "not a probability"),
    "503": (lambda _: httpx.Response(503), "it answered HTTP 503"),
    "422": (lambda _: httpx.Response(422, text="Write a haiku"), "it answered HTTP 422"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_whatever_a_service_does_instead_is_no_answer(name: str) -> None:
    answer, why = FAILURES[name]
    with pytest.raises(EndpointFailed, match=why) as caught:
        service(answer).reply(TALK, TINY_ROUTES)
    assert "haiku" not in str(caught.value)


def test_another_router_stands_by_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    class Second:
        def reply(self, *_: Any) -> Reply:
            return Reply("from semantic")

    router = FallbackRouter(service(lambda _: httpx.Response(503)), Second())
    with caplog.at_level(logging.INFO):
        assert router.reply(TALK, TINY_ROUTES).text == "from semantic"
    assert f"because the decision service {URL} failed: it answered HTTP 503" in caplog.text
    assert name_of(router) == "decision"


def test_a_wrong_key_ends_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    router = FallbackRouter(service(lambda _: httpx.Response(401, text=f"bad {KEY}")), DecisionRouter(Scripted()))
    with pytest.raises(ConfigurationError, match="decision service") as caught:
        router.reply(TALK, TINY_ROUTES)
    assert KEY not in str(caught.value) + caplog.text


def test_a_long_conversation_is_shortened() -> None:
    model = Scripted()
    DecisionRouter(model).reply([Turn(role="user", content="word " * 50_000)], TINY_ROUTES)
    [(state, _)] = model.asked
    assert len(state[0]["content"]) < 3 * MAX_TOKENS


def test_anything_that_decides_may_be_passed() -> None:
    class Longest:
        model, title = "longest", "decision model of mine"

        def decide(self, _: Any, criteria: Any) -> Verdict:
            return Verdict(max(criteria, key=len), None)

    reply = DecisionRouter(Longest()).reply(TALK, TINY_ROUTES)
    assert json.loads(reply.text)["route"] == "casual_conversation"
    assert reply.confidence is None


def test_in_the_graph_it_chooses_the_route(services: Services, sandbox: Sandbox) -> None:
    model = Scripted(choice="summarization")
    graph = build_graph(replace(services, router=DecisionRouter(model))).compile()
    result = graph.invoke({"messages": [user_message("Shorten this: tides rise and fall twice a day")]})
    assert result["decision"]["route"] == "summarization"
    assert result["decision"]["confidence"] == 0.7
    assert result["error"] is None
    assert len(model.asked) == 1


@pytest.mark.parametrize("name", ["make_model", "Scripted"])
def test_the_environment_names_a_model_in_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ROUTER", "decision")
    monkeypatch.setenv("OMNI_ROUTER_MODEL", f"{__name__}:{name}")
    router = choose_router(Environment.read())
    assert isinstance(router, FallbackRouter)
    assert json.loads(router.reply(TALK, TINY_ROUTES).text)["route"] == "code_generation"
    assert choose_router(Environment.read()) is router


@pytest.mark.parametrize("variables", [{"OMNI_ROUTER_MODEL": URL}, {"OMNI_ROUTER_URL": URL, "OMNI_ROUTER_MODEL": "m"}])
def test_the_environment_names_a_service(variables: dict[str, str]) -> None:
    router = choose_router(Environment.read(variables=variables, router="decision"))
    assert isinstance(router, FallbackRouter)
    assert router.first.title == f"decision service {URL}"
    assert router.first.model == variables["OMNI_ROUTER_MODEL"].removeprefix(URL) or router.first.model == "omni"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "needs MODULE:NAME"),
        ("org/model", "needs MODULE:NAME"),
        ("no_such_module:model", "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{__name__}:nothing", "AttributeError"),
        ("json:dumps", "TypeError"),
        (f"{__name__}:URL", "is a str, not a decision model"),
    ],
)
def test_a_path_that_names_none_is_refused(path: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        import_decision_model(path)


def test_the_command_line_asks_it(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--router", "decision", "--router-model", f"{__name__}:make_model", "--sandbox", "--json"]
    assert main(["--prompt", "Write a haiku in Rust", *flags]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["route"], answer["confidence"]) == ("code_generation", 0.7)
    assert answer["reason"] == "chosen by sandbox/made"


def test_the_command_line_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--prompt", "hi", "--router", "decision", "--sandbox"]
    assert main(args) == 2
    assert "--router decision needs MODULE:NAME of a decision model in Python, or the http(s) address" in (
        capsys.readouterr().err
    )
    assert main([*args, "--router-model", "https://user:pass@host"]) == 2
    assert "is not http(s)://" in capsys.readouterr().err


def test_without_langchains_decision_models_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_core.decisions", None)
    with pytest.raises(ConfigurationError, match=r"\.\[agents\]"):
        import_decision_model("json:dumps")
    with pytest.raises(ConfigurationError, match=r"\.\[agents\]"):
        DecisionRouter(Scripted()).reply(TALK, TINY_ROUTES)
