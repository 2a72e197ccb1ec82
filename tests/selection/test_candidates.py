"""The candidates of many routes: routes of one task that were not used yet share the work, and nothing else."""

from typing import Any

import pytest

from omni_router import Services
from omni_router.config.routes import Route
from omni_router.history import UsageRecord
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
    assert together["casual_conversation"][0]["why"] == "number 1 in the catalog"


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
