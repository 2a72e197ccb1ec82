"""Choices in words: probabilities that sum to one, a label for none of the others, and one head a set of choices."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from omni_router.errors import InvalidRequest
from omni_router.routers import Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.cascade.labels import MemoryLabelStore, TeacherLabel
from omni_router.routers.choices import MAX_SETS, Abstained, CascadePerSet, Option, abstention_of, choose
from omni_router.routers.semantic.router import SemanticRouter

TEAMS = (
    Option("billing", "payments, invoices and refunds"),
    Option("technical", "bugs, crashes and integrations"),
    Option("sales", "prices of plans and buying more seats"),
)
NONE = Option("other")
CHARGED = "I was charged twice this month, please refund one payment"


def talk(*texts: str) -> list[Turn]:
    return [Turn(role="user", content=text) for text in texts]


class Known:
    """A router that returns the probabilities a test sets, and keeps the routes it was shown."""

    def __init__(self, *of_routes: float, in_domain: float) -> None:
        self.known = RouteProbabilities(of_routes, in_domain)
        self.shown: list[Sequence[RouteOption]] = []

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        self.shown.append(routes)
        return self.known

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        raise NotImplementedError


def test_a_label_for_none_of_the_others_gets_what_is_left() -> None:
    router = Known(0.5, 0.3, 0.2, in_domain=0.8)
    chosen = choose(router, talk("hi"), [TEAMS[0], NONE, *TEAMS[1:]])
    assert chosen.label == "billing"
    assert list(chosen.probabilities) == ["billing", "other", "technical", "sales"]
    assert chosen.probabilities == pytest.approx({"billing": 0.4, "other": 0.2, "technical": 0.24, "sales": 0.16})
    assert chosen.confidence == chosen.probabilities["billing"]
    assert [route.name for route in router.shown[0]] == ["billing", "technical", "sales"]


def test_it_is_chosen_when_it_is_the_likeliest() -> None:
    assert choose(Known(0.5, 0.3, 0.2, in_domain=0.6), talk("hi"), [*TEAMS, NONE]).label == "other"


@pytest.mark.parametrize("in_domain", [0.0, 0.3, 1.0])
def test_without_such_a_label_one_of_the_others_fits(in_domain: float) -> None:
    chosen = choose(Known(0.6, 0.3, 0.1, in_domain=in_domain), talk("hi"), TEAMS)
    assert chosen.label == "billing"
    assert sum(chosen.probabilities.values()) == pytest.approx(1)
    assert 1 / 3 <= chosen.confidence <= 0.6 + 1e-9


def test_the_less_a_text_is_like_any_choice_the_nearer_they_are_to_each_other() -> None:
    sure, unsure = Known(0.9, 0.08, 0.02, in_domain=0.95), Known(0.9, 0.08, 0.02, in_domain=0.3)
    assert choose(sure, talk("hi"), TEAMS).confidence > 0.85
    assert choose(unsure, talk("hi"), TEAMS).confidence < 0.6


@pytest.mark.parametrize("label", ["other", "Other", "none_of_the_above", "None of the above", "none-of-the-above"])
def test_the_names_for_none_of_the_others(label: str) -> None:
    assert abstention_of([*TEAMS, Option(label)]) == label


def test_another_label_may_stand_for_it() -> None:
    chosen = choose(Known(0.5, 0.5, in_domain=0.1), talk("hi"), TEAMS, abstain_to="sales")
    assert chosen.label == "sales"
    assert chosen.confidence == pytest.approx(0.9)
    with pytest.raises(InvalidRequest, match="no choice 'legal' to abstain to; there are billing, technical, sales"):
        choose(Known(1.0, in_domain=1), talk("hi"), TEAMS, abstain_to="legal")
    with pytest.raises(InvalidRequest, match="'other' is among the choices"):
        choose(Known(1.0, in_domain=1), talk("hi"), [*TEAMS, NONE], abstain_to="sales")


def test_below_the_least_confidence_it_abstains() -> None:
    router = Known(0.4, 0.35, 0.25, in_domain=0.9)
    chosen = choose(router, talk("hi"), [*TEAMS, NONE], min_confidence=0.5)
    assert chosen.label == "other"
    assert chosen.confidence == pytest.approx(0.1)
    assert choose(router, talk("hi"), [*TEAMS, NONE], min_confidence=0.3).label == "billing"
    with pytest.raises(Abstained, match=r"'billing' with \d+%, and 50% is asked for"):
        choose(router, talk("hi"), TEAMS, min_confidence=0.5)


def test_a_lone_label_is_certain() -> None:
    assert choose(Known(in_domain=0.2), talk("hi"), [NONE]).probabilities == {"other": 1.0}


def test_examples_of_none_of_the_others_are_out_of_scope_for_all() -> None:
    router = Known(0.5, 0.3, 0.2, in_domain=0.9)
    choose(router, talk("hi"), [*TEAMS, Option("other", examples=("tell me a joke",))])
    assert {route.out_of_scope_examples for route in router.shown[0]} == {("tell me a joke",)}


def test_the_embedded_router_chooses_by_descriptions_alone(semantic: SemanticRouter) -> None:
    router = semantic.with_own_heads(MAX_SETS)
    for text, label in [
        (CHARGED, "billing"),
        ("The app crashes when I open the settings", "technical"),
        ("How much does the team plan cost?", "sales"),
        ("Die App stürzt ab, wenn ich die Einstellungen öffne", "technical"),
    ]:
        chosen = choose(router, talk(text), TEAMS)
        assert chosen.label == label
        assert sum(chosen.probabilities.values()) == pytest.approx(1)
    opened = choose(router, talk("Which river is the longest in Africa?"), [*TEAMS, NONE])
    assert opened.label == "other"
    assert sum(opened.probabilities.values()) == pytest.approx(1)


def test_examples_make_it_surer(semantic: SemanticRouter) -> None:
    router = semantic.with_own_heads(MAX_SETS)
    examples = {
        "billing": ("refund my last payment", "why was my card charged twice", "send me the invoice of May"),
        "technical": ("the app crashes on start", "the webhook returns an error", "login does not work"),
        "sales": ("what does the pro plan cost", "we want twenty more seats", "is there a discount for schools"),
    }
    taught = [Option(team.label, team.description, examples[team.label]) for team in TEAMS]
    text = talk("The integration with our calendar shows an error")
    assert choose(router, text, taught).probabilities["technical"] > 0.8
    assert choose(router, text, [*taught, NONE]).label == "technical"


def test_a_set_that_was_asked_for_before_costs_no_fit(
    semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = semantic.with_own_heads(2)
    fitted: list[object] = []
    new_head = SemanticRouter._new_head

    def counted(self: SemanticRouter, *args: Any) -> Any:
        fitted.append(args)
        return new_head(self, *args)

    monkeypatch.setattr(SemanticRouter, "_new_head", counted)
    sets = [TEAMS, TEAMS[:2], TEAMS]
    for options in sets:
        choose(router, talk(CHARGED), options)
    assert len(fitted) == 2
    assert len(router.heads) == 2
    for count in range(2, 6):
        choose(router, talk(CHARGED), [Option(f"team {index}", "payments") for index in range(count)])
    assert len(router.heads) == 2


def test_heads_of_choices_push_none_of_a_policy_out(semantic: SemanticRouter) -> None:
    before = len(semantic.heads)
    choose(semantic.with_own_heads(2), talk(CHARGED), TEAMS)
    assert len(semantic.heads) == before


def test_a_cascade_asks_its_teacher_where_it_is_unsure_and_learns_for_this_set_alone(semantic: SemanticRouter) -> None:
    teacher = Known(0.1, 0.85, 0.05, in_domain=0.95)
    stores: list[MemoryLabelStore] = []

    def store() -> MemoryLabelStore:
        stores.append(MemoryLabelStore())
        return stores[-1]

    router = CascadePerSet(semantic.with_own_heads(MAX_SETS), teacher, store, target=1.0)
    chosen = choose(router, talk(CHARGED), TEAMS)
    assert chosen.label == "technical"
    assert len(teacher.shown) == 1
    assert [label.route for label in stores[0].read()] == ["technical"]
    choose(router, talk(CHARGED), TEAMS[::-1])
    assert [len(each.read()) for each in stores] == [1, 1]


def test_a_cascade_that_is_sure_asks_nobody(semantic: SemanticRouter) -> None:
    teacher = Known(0.1, 0.85, 0.05, in_domain=0.95)
    router = CascadePerSet(semantic.with_own_heads(MAX_SETS), teacher, target=0.0)
    assert choose(router, talk(CHARGED), TEAMS).label == "billing"
    routes = [RouteOption(team.label, team.description) for team in TEAMS]
    assert json.loads(router.reply(talk(CHARGED), routes).text)["route"] == "billing"
    assert not teacher.shown


def test_a_teacher_that_fails_leaves_the_choice_to_the_student(semantic: SemanticRouter) -> None:
    class Failing(Known):
        def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
            raise ValueError("out of memory")

    router = CascadePerSet(semantic.with_own_heads(MAX_SETS), Failing(in_domain=1), target=1.0)
    assert choose(router, talk(CHARGED), TEAMS).label == "billing"


def test_labels_in_memory_drop_the_oldest() -> None:
    import numpy as np

    store = MemoryLabelStore(2)
    for route in ("a", "b", "c"):
        store.add(TeacherLabel(route, np.zeros(3, np.float32), 0.0))
    assert [label.route for label in store.read()] == ["b", "c"]
