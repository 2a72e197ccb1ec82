"""OmniDecisions: LangChain's decision model over the routers of this package, alone and in agents."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AutoModeMiddleware, ModelChoice, ModelRouterMiddleware
from langchain_core.decisions import Box, Choice, ClassifierResponse, Noul, Score
from langchain_core.exceptions import ModelRefusalError
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import ValidationError

from omni_router import ChatOmni, OmniDecisions
from omni_router._sandbox import Sandbox
from omni_router.agents.choice_input import conversation_of, option_of
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.routers import Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.arch.router import ArchRouter
from omni_router.routers.choices import Option
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.tiny_checkpoint import TINY_ROUTES, build_tiny_checkpoint

TEAM = Choice(
    instructions="Which team should handle this request?",
    criteria={
        "billing": "payments, invoices and refunds",
        "technical": {"description": "bugs and crashes", "examples": ["the app crashes on start", "login fails"]},
        "sales": ["prices of plans", "buying more seats"],
    },
)
CHARGED = "I was charged twice this month, please refund one payment"
CRASH = "The app crashes when I open the settings"

pytestmark = pytest.mark.usefixtures("semantic")  # loaded once


def ask(model: OmniDecisions, state: Any, question: Any = TEAM) -> ClassifierResponse:
    return model.invoke({"state": state, "questions": {"team": question}})


class Uncertain:
    """A router for which each route is as likely as the others."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Turn]] = []

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        self.asked.append(conversation)
        return RouteProbabilities((1 / len(routes),) * len(routes), 0.6)

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        raise NotImplementedError


@pytest.mark.parametrize(("text", "team"), [(CHARGED, "billing"), (CRASH, "technical")])
def test_a_choice_has_probabilities_and_confidence(text: str, team: str) -> None:
    response = ask(OmniDecisions(), text)
    answer = response.choices["team"]
    assert answer.choice == team
    assert list(answer.probabilities) == ["billing", "technical", "sales"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.confidence == answer.probabilities[team] == max(answer.probabilities.values())
    assert (response.model, response.usage) == ("omni", None)


def test_several_questions_are_answered_under_their_names() -> None:
    polite = Choice(instructions="How?", criteria={"a complaint": None, "praise": None})
    response = OmniDecisions().invoke({"state": CHARGED, "questions": {"team": TEAM, "tone": polite}})
    assert response.choices["team"].choice == "billing"
    assert response.choices["tone"].choice == "a complaint"


def test_async_and_threads_answer_the_same() -> None:
    model = OmniDecisions()
    request: Any = {"state": CHARGED, "questions": {"team": TEAM}}
    expected = model.invoke(request)
    assert asyncio.run(model.ainvoke(request)).answers == expected.answers
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: model.invoke(request).answers, range(24)))
    for each in answers:
        assert each["team"].choice == expected.choices["team"].choice  # type: ignore[union-attr]
    assert model.batch([request] * 2)[1].choices["team"].choice == "billing"


def test_models_of_a_process_share_heads_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(OmniDecisions(), CHARGED)

    def fit(*_: Any) -> Any:
        raise AssertionError("fitted again")

    monkeypatch.setattr(SemanticRouter, "_new_head", fit)
    assert ask(OmniDecisions(), CRASH).choices["team"].choice == "technical"


def test_it_abstains_to_the_label_for_that() -> None:
    with_other = Choice(instructions="Which?", criteria={**TEAM.criteria, "other": "anything else"})
    answer = ask(OmniDecisions(), "Which river is the longest in Africa?", with_other).choices["team"]
    assert answer.choice == "other"
    unsure = OmniDecisions(engine=Uncertain(), min_confidence=0.5)
    assert ask(unsure, CHARGED, with_other).choices["team"].choice == "other"
    assert ask(unsure.model_copy(update={"abstain_to": "sales"}), CHARGED).choices["team"].choice == "sales"


def test_without_such_a_label_it_refuses_as_langchains_models_do() -> None:
    with pytest.raises(ModelRefusalError, match="team: the most probable choice is 'billing' with 33%"):
        ask(OmniDecisions(engine=Uncertain(), min_confidence=0.5), CHARGED)


@pytest.mark.parametrize(
    "question",
    [
        Noul(instructions="Is it urgent?"),
        Score(instructions="How urgent?", criteria=["not at all", "very"]),
        Box(instructions="Where?"),
    ],
)
def test_what_is_no_choice_is_refused_with_what_to_ask_instead(question: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"'team' is a {question.type}; OmniDecisions answers choices"):
        ask(OmniDecisions(), CHARGED, question)


def test_a_tool_is_never_run_on_its_word() -> None:
    @tool
    def delete_file(name: str) -> str:
        """Delete a file."""
        raise AssertionError(name)

    agent = create_agent(
        ChatOmni(route="code_debugging"),
        tools=[delete_file],
        middleware=[AutoModeMiddleware(tools=["delete_file"], classifier=OmniDecisions())],
    )
    from omni_router import sandbox

    with sandbox(), pytest.raises(InvalidRequest, match="'is_risky' is a noul"):
        agent.invoke({"messages": [HumanMessage("Please delete_file 'notes.txt' now")]})


@pytest.mark.parametrize(
    "parameters", [{"router": "endpoint"}, {"min_confidence": 1.5}, {"min_confidence": -0.1}], ids=str
)
def test_a_wrong_parameter_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OmniDecisions(**parameters)


def test_half_a_character_is_read_like_any_other_text() -> None:
    answer = OmniDecisions().invoke({"state": "refund \ud800 please", "questions": {"team": TEAM}}).choices["team"]
    assert answer.choice == "billing"


def test_a_request_without_a_question_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no question"):
        OmniDecisions().invoke({"state": CHARGED, "questions": {}})


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_it_is_pickled_and_serialised_without_what_is_loaded() -> None:
    model = OmniDecisions(min_confidence=0.2, abstain_to="sales")
    ask(model, CHARGED)
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301 (our own)
    assert len(pickle.dumps(model)) < 2000
    assert loads(dumps(model), valid_namespaces=["omni_router"], allowed_objects=[OmniDecisions]) == model
    with pytest.raises(TypeError, match="engine of its own cannot be pickled"):
        pickle.dumps(OmniDecisions(engine=Uncertain()))


def test_a_trace_names_it() -> None:
    class Tree(BaseTracer):
        run: Run | None = None

        def _persist_run(self, run: Run) -> None:
            self.run = run

    tracer = Tree()
    OmniDecisions().invoke({"state": CHARGED, "questions": {"team": TEAM}}, {"callbacks": [tracer]})
    assert tracer.run is not None
    assert tracer.run.extra["metadata"]["ls_provider"] == "omni-router"


STATES: list[tuple[Any, list[Turn]]] = [
    ("hello", [Turn(role="user", content="hello")]),
    (HumanMessage("hello"), [Turn(role="user", content="hello")]),
    (AIMessage("done"), [Turn(role="user", content="done")]),
    (
        [SystemMessage("be brief"), HumanMessage("hello"), AIMessage("hi"), HumanMessage("bye")],
        [Turn(role="user", content="hello"), Turn(role="assistant", content="hi"), Turn(role="user", content="bye")],
    ),
    ({"messages": [HumanMessage("hello")]}, [Turn(role="user", content="hello")]),
    ([{"role": "user", "content": "hello"}], [Turn(role="user", content="hello")]),
    ([AIMessage("done")], [Turn(role="user", content='["done"]')]),
    ({"ticket": HumanMessage("hello"), "n": 3}, [Turn(role="user", content='{"ticket": "hello", "n": 3}')]),
    (
        {"scan": {"type": "image", "base64": "AAAA", "mime_type": "image/png"}},
        [Turn(role="user", content='{"scan": "[Image attached]"}')],
    ),
    (
        HumanMessage([{"type": "text", "text": "what is it?"}, {"type": "image", "url": "https://a.test/b.png"}]),
        [Turn(role="user", content="what is it?\n[Image attached]")],
    ),
    ([], [Turn(role="user", content="[]")]),
]


@pytest.mark.parametrize(("state", "turns"), STATES)
def test_a_state_of_any_form_is_a_conversation(state: Any, turns: list[Turn]) -> None:
    assert conversation_of(state) == turns


@pytest.mark.parametrize(
    ("criterion", "option"),
    [
        ("payments", Option("a", "payments")),
        (None, Option("a")),
        (["payments", "refunds"], Option("a", "payments; refunds")),
        ({"description": "payments", "examples": ["refund me"]}, Option("a", "payments", ("refund me",))),
        ({"examples": ["refund me"]}, Option("a", "", ("refund me",))),
        ({"team": "finance"}, Option("a", '{"team": "finance"}')),
        (7, Option("a", "7")),
    ],
)
def test_a_criterion_describes_a_choice(criterion: Any, option: Option) -> None:
    assert option_of("a", criterion) == option


def test_examples_that_are_no_texts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="examples of the choice 'a' must be a list of texts"):
        option_of("a", {"examples": [1]})


# ---- in an agent

MODELS = {
    "code": ModelChoice(model=ChatOmni(route="code_debugging"), criteria="finding bugs in programs"),
    "words": ModelChoice(model=ChatOmni(route="creative_writing"), criteria="poems, stories and other texts"),
}


@pytest.mark.filterwarnings("ignore:.*ModelRouterMiddleware.*beta")
@pytest.mark.parametrize(
    ("text", "label", "route"),
    [
        ("Write a poem about the sea", "words", "creative_writing"),
        ("Why does this program crash? Find the bug", "code", "code_debugging"),
    ],
)
def test_langchains_model_router_chooses_the_agents_model_by_it(
    sandbox: Sandbox, text: str, label: str, route: str
) -> None:
    router = ModelRouterMiddleware(choices=MODELS, instructions="Which model?", classifier=OmniDecisions())
    agent = create_agent(ChatOmni(), middleware=[router])
    result = agent.invoke({"messages": [HumanMessage(text)]})
    assert result["model_route"].choice == label
    assert result["messages"][-1].response_metadata["decision"]["route"] == route
    result = asyncio.run(agent.ainvoke({"messages": [HumanMessage(text)]}))
    assert result["model_route"].choice == label
    assert sandbox.requests


# ---- over the other routers


def test_over_arch_each_choice_has_the_probability_of_its_name(tmp_path: Path) -> None:
    router = ArchRouter(str(build_tiny_checkpoint(tmp_path)))
    criteria: Any = {route.name: route.description for route in TINY_ROUTES}
    question = Choice(instructions="Which?", criteria={**criteria, "other": None})
    answer = ask(OmniDecisions(engine=router), "Implement a queue in Rust", question).choices["team"]
    assert answer.choice == "code_generation"
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.confidence > 0.6
    assert ask(OmniDecisions(engine=router), "qwerty asdf zxcv", question).choices["team"].choice == "other"


def test_arch_and_cascade_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ROUTER", "arch")
    monkeypatch.setenv("OMNI_ROUTER_MODEL", "no/such-checkpoint")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match="no/such-checkpoint"):
        ask(OmniDecisions(router="arch"), CHARGED)
    monkeypatch.setenv("OMNI_CASCADE_TARGET", "0")
    assert ask(OmniDecisions(router="cascade"), CHARGED).choices["team"].choice == "billing"


# ---- without the extra


def test_without_langchains_decision_models_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['langchain_core.decisions'] = None\n"
        "import omni_router\n"
        "omni_router.ChatOmni\n"
        "try:\n"
        "    omni_router.OmniDecisions\n"
        "except omni_router.errors.ConfigurationError as error:\n"
        "    print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.startswith("OmniDecisions needs LangChain's decision models (langchain-core 1.8): pip install -e")
    assert '.[agents]"' in printed
