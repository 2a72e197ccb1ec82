"""A head that is fitted behind the requests, beside the earlier one that answers them."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from omni_router.routers import RouteOption
from omni_router.routers.semantic import refit
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.refit import MOST_CHANGED
from omni_router.routers.semantic.router import SemanticRouter

WAIT = 20  # seconds, for what takes none
SUN, SHIP = RouteOption("sun", "sun", ("sun one", "sun two")), RouteOption("ship", "ship", ("ship one", "ship two"))


class Gate:
    """An encoder of two dimensions, which does not embed the word `new` before it may."""

    name = "gate"

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.broken = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        if any("new" in text for text in texts):
            self.entered.set()
            assert self.release.wait(WAIT)
            if self.broken:
                raise OSError("the disk is gone")
        rows = [[1.0, 0.1 * len(text)] if "sun" in text else [0.1 * len(text), 1.0] for text in texts]
        vectors: Vectors = np.array(rows, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def router(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> SemanticRouter:
    monkeypatch.setattr(refit, "LEAST_TEXTS", 4)
    return SemanticRouter(gate, fits_behind=True)


def with_examples(route: RouteOption, *examples: str) -> RouteOption:
    return replace(route, examples=(*route.examples, *examples))


def test_the_earlier_head_answers_until_the_new_one_is_fitted(router: SemanticRouter, gate: Gate) -> None:
    earlier = router.head([SUN, SHIP])
    changed = [with_examples(SUN, "sun new"), SHIP]
    assert router.head(changed) is earlier
    assert gate.entered.wait(WAIT)
    assert router.head(changed) is earlier
    assert router.background is not None
    gate.release.set()
    router.background.wait()
    fitted = router.head(changed)
    assert fitted is not earlier
    assert "sun new" in fitted.texts


def test_of_several_changes_while_one_is_fitted_only_the_newest_is_fitted(router: SemanticRouter, gate: Gate) -> None:
    router.head([SUN, SHIP])
    policies = [[with_examples(SUN, *(f"sun new {number}" for number in range(last))), SHIP] for last in (1, 2, 3)]
    router.head(policies[0])
    assert gate.entered.wait(WAIT)
    for policy in policies[1:]:
        router.head(policy)
    assert router.background is not None
    gate.release.set()
    router.background.wait()
    assert len(router.heads) == 3  # the first, the one that was being fitted, and the newest
    assert "sun new 2" in router.head(policies[2]).texts


def test_another_policy_waits_for_its_own_head(router: SemanticRouter, gate: Gate) -> None:
    gate.release.set()
    earlier = router.head([SUN, SHIP])
    many = [with_examples(SUN, *(f"sun new {number}" for number in range(MOST_CHANGED + 1))), SHIP]
    assert router.head(many) is not earlier
    other_words = [replace(SUN, description="moon"), SHIP]
    assert router.head(other_words) is not earlier


def test_a_small_head_is_fitted_at_once(gate: Gate) -> None:
    gate.release.set()
    router = SemanticRouter(gate, fits_behind=True)
    router.head([SUN, SHIP])
    assert "sun new" in router.head([with_examples(SUN, "sun new"), SHIP]).texts


def test_a_fit_that_fails_is_logged_and_the_earlier_head_goes_on(
    router: SemanticRouter, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = router.head([SUN, SHIP])
    gate.broken = True
    gate.release.set()
    changed = [with_examples(SUN, "sun new"), SHIP]
    with caplog.at_level(logging.ERROR):
        assert router.head(changed) is earlier
        assert router.background is not None
        router.background.wait()
    assert "the disk is gone" in caplog.text
    assert router.head(changed) is earlier
    router.background.wait()
