"""The candidates of many routes: routes of one task that were not used yet share the work, and nothing else."""

from typing import Any

import pytest

from omni_router import Services
from omni_router._sandbox import Offer, Sandbox
from omni_router.config.routes import Route
from omni_router.history import UsageRecord
from omni_router.hub.requirements import Requirements
from omni_router.selection import candidates
from omni_router.selection.candidates import candidates_by_route
from omni_router.selection.order import rank_candidates
from omni_router.state import Candidate, Previous

TEXT = "text-generation"
NAMES = ("question_answering", "code_generation", "creative_writing", "casual_conversation")
ROUTES = [Route(name, TEXT, description="") for name in NAMES]


def use(services: Services, route: str, model: str) -> None:
    services.history.record(UsageRecord(route, model, "a test", "2026-01-31T12:00:00Z", called=True, seconds=1.0))


@pytest.mark.usefixtures("sandbox")
def test_every_route_has_the_candidates_it_has_alone(services: Services) -> None:
    use(services, "code_generation", "sandbox/text-generation-2")
    previous = Previous(route="creative_writing", model="sandbox/text-generation-3")
    together = candidates_by_route(services, ROUTES, previous)
    for route in ROUTES:
        assert together[route.name] == candidates_by_route(services, [route], previous)[route.name]
    assert together["code_generation"][0]["source"] == "history"
    assert together["creative_writing"][0]["model"] == "sandbox/text-generation-3"


@pytest.mark.usefixtures("sandbox")
def test_a_change_of_one_routes_candidates_changes_no_others(services: Services) -> None:
    together = candidates_by_route(services, ROUTES, None)
    together["question_answering"][0]["why"] = "changed"
    together["question_answering"].pop()
    assert together["casual_conversation"] == together["creative_writing"]
    assert together["casual_conversation"][0]["why"] == "number 1 in the catalog; without evidence: it is switched off"


@pytest.mark.usefixtures("sandbox")
def test_the_catalogs_list_is_ranked_once_for_the_routes_that_were_not_used(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(services, "code_generation", "sandbox/text-generation-2")
    ranked: list[object] = []

    def rank(*records: Any, **more: Any) -> list[Candidate]:
        ranked.append(records)
        return rank_candidates(*records, **more)

    monkeypatch.setattr(candidates, "rank_candidates", rank)
    candidates_by_route(services, ROUTES, None)
    assert len(ranked) == 2


def test_listed_models_that_do_not_pass_are_left_out_and_the_next_one_says_so(
    services: Services, sandbox: Sandbox
) -> None:
    sandbox.offer("sandbox/text-generation-1", Offer("together", tools=False))
    sandbox.offer("sandbox/text-generation-2", Offer("together", output_price=9.0))
    required = Requirements(("tools",), max_price=2)
    (route, *_) = ROUTES
    (only,) = candidates_by_route(services, [route], None, {route.name: required})[route.name]
    assert only["model"] == "sandbox/text-generation-3"
    assert (
        only["why"]
        == "number 3 in the catalog; 2 before it did not pass: tools, price; without evidence: it is switched off"
    )


@pytest.mark.usefixtures("sandbox")
def test_where_no_listed_model_passes_all_are_candidates_and_rejected_with_their_reasons(services: Services) -> None:
    (route, *_) = ROUTES
    required = Requirements(never=("sandbox/*",))
    assert len(candidates_by_route(services, [route], None, {route.name: required})[route.name]) == 3


@pytest.mark.usefixtures("sandbox")
def test_routes_that_require_something_else_share_no_candidates(services: Services) -> None:
    first, second, *_ = ROUTES
    required = {first.name: Requirements(never=("*-1",)), second.name: Requirements(never=("*-2",))}
    models = candidates_by_route(services, [first, second], None, required)
    assert [[each["model"][-1] for each in models[route.name]] for route in (first, second)] == [["2", "3"], ["1", "3"]]
