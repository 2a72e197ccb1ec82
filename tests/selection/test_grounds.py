"""The sentence that says why a model is chosen, and how the runner-up compares."""

from datetime import date
from typing import Any

import pytest

from omni_router.history import ModelRecord
from omni_router.hub.gates import Unavailable
from omni_router.selection.board_values import Strength
from omni_router.selection.grounds import compared_with_first, grounds_of
from omni_router.selection.known_models import Standing, Terms
from omni_router.selection.ranked_models import RankedModel, Ranking
from omni_router.selection.scoring import ModelFacts, Score

FIRST = Standing(1, 14)


def ranked(  # noqa: PLR0913 (what a model consists of)
    name: str = "acme/first",
    *,
    quality: float = 0.8,
    price: float | None = 1.0,
    standing: Standing | None = FIRST,
    record: ModelRecord | None = None,
    availability: float = 0.95,
    latency: float = 0.0,
    **facts: Any,
) -> RankedModel:
    """Return a model that stands on five boards."""
    known = ModelFacts(name, strength=Strength(1.0, 5), price=price, **facts)
    score = Score(known, availability, quality, quality, price or 1.0, 0.0, latency, 0.0)
    return RankedModel(score, Terms(None, price=price), standing, record)


def sentence(first: RankedModel, *others: RankedModel, **failing: Terms) -> str:
    return grounds_of(Ranking((first, *others), failing), 1)


def test_the_winner_is_compared_with_the_runner_up() -> None:
    first = ranked(quality=0.83, price=0.54, standing=Standing(3, 14))
    second = ranked("zai/dear", quality=0.81, price=2.16)
    assert sentence(first, second) == (
        "best score: third of 14 on 5 boards, 0.54 US dollars a million tokens; "
        "zai/dear is worse by 2 points at four times the price"
    )


@pytest.mark.parametrize(
    ("price", "other", "words"),
    [
        (1.0, 2.0, "at twice the price"),
        (1.0, 2.6, "at 2.6 times the price"),
        (1.0, 123.4, "at 123 times the price"),
        (0.001, 20.0, "at 20,000 times the price"),
        (1.0, 1.04, "at the same price"),
        (1.0, 0.5, "at half the price"),
        (1.0, 0.7, "at 70 % of the price"),
        (1.0, 0.001, "at 1 % of the price"),
        (1.0, 0.0, "for free"),
        (0.0, 0.0, "at the same price"),
        (0.0, 0.3, "at 0.30 US dollars a million tokens"),
        (None, 0.3, "at 0.30 US dollars a million tokens"),
        (1.0, None, "at a price that is not known"),
    ],
)
def test_prices_are_compared_in_words(price: float | None, other: float | None, words: str) -> None:
    second = ranked("acme/second", quality=0.79, price=other)
    assert sentence(ranked(price=price), second).endswith(f"; acme/second is worse by 1 point {words}")


def test_prices_of_which_none_is_known_are_not_compared() -> None:
    text = sentence(ranked(price=None), ranked("acme/second", price=None))
    assert text == "best score: first of 14 on 5 boards, price not known; acme/second is as good"


def test_a_free_model_and_a_very_cheap_one_say_so() -> None:
    assert ", free;" in sentence(ranked(price=0.0), ranked("acme/second"))
    assert ", 0.004 US dollars a million tokens;" in sentence(ranked(price=0.004), ranked("acme/second"))


def test_a_single_model_is_not_called_the_best() -> None:
    text = sentence(ranked(standing=None), **{"acme/x": Terms(Unavailable("no_provider", "too dear", "price"))})
    assert text == (
        "the only one that may be called: on no board, 1.00 US dollars a million tokens; 1 other did not pass: price"
    )


def test_a_tie_is_called_a_tie() -> None:
    better = ranked("acme/second", quality=0.805, released=date(2026, 1, 1))
    assert sentence(ranked(released=date(2026, 2, 1)), better).startswith(
        "newest of those that tie for the best score: "
    )
    assert sentence(ranked(released=date(2026, 1, 1)), better).startswith(
        "first listed of those that tie for the best score: "
    )
    assert compared_with_first(Ranking((ranked(), ranked("a/b", quality=0.7), better)), 2).endswith(
        "; a tie with number 3 by score"
    )


def test_what_else_speaks_against_the_runner_up_is_said() -> None:
    failing = ranked("acme/second", quality=0.9, availability=0.4, answers=2.0, failures=3.0)
    assert sentence(ranked(), failing).endswith("better by 10 points at the same price, and answers less often")
    slow = ranked("acme/second", latency=0.04)
    assert sentence(ranked(), slow).endswith("as good at the same price, and slower")


def test_the_record_of_a_model_is_said() -> None:
    record = ModelRecord(id="acme/first", good=2, bad=1)
    text = sentence(ranked(record=record, answers=4.0, failures=1.0), ranked("acme/second"))
    assert "1.00 US dollars a million tokens, 4 of 5 answered, 2 good, 1 bad; acme/second is" in text


@pytest.mark.parametrize(
    ("place", "words"), [(10, "tenth"), (11, "11th"), (12, "12th"), (21, "21st"), (22, "22nd"), (23, "23rd")]
)
def test_places_are_ordinals(place: int, words: str) -> None:
    assert f": {words} of 30 on 5 boards" in sentence(ranked(standing=Standing(place, 30)), ranked("acme/second"))
