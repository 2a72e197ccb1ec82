"""The score of models: figures by hand, and the order that users see."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as some

from omni_router.selection import scoring
from omni_router.selection.board_values import Strength
from omni_router.selection.scoring import ModelFacts, Score, in_order, score_for, score_models


def facts(name: str, strength: float | None = 0.0, price: float | None = 1.0, **more: float) -> ModelFacts:
    known = Strength() if strength is None else Strength(strength, 3)
    return ModelFacts(name, known, price, **more)  # type: ignore[arg-type]  # the rest are numbers


def order(models: list[ModelFacts], prefer: str | float = "balanced") -> list[str]:
    return [score.model for score in in_order(score_for(models, prefer))]


def test_prior_and_availability_by_hand() -> None:
    assert scoring.prior_of(Strength(1.0, 3)) == pytest.approx(0.85)
    assert scoring.prior_of(Strength(9.0, 3)) == 0.95
    assert scoring.prior_of(Strength(-9.0, 3)) == 0.40
    assert scoring.availability_of(0, 0) == 0.95
    assert scoring.availability_of(6, 1) == pytest.approx(25 / 27)


def test_a_better_model_that_was_never_called_comes_before_one_that_always_answers() -> None:
    assert order([facts("used", 0.5, answers=500), facts("new", 1.5)], "best")[0] == "new"


def test_a_model_that_fails_sinks_below_an_untried_one() -> None:
    assert order([facts("failing", 0.5, answers=20, failures=7), facts("untried", 0.0)], "best")[0] == "untried"


def test_a_model_with_bad_verdicts_comes_after_an_untried_one() -> None:
    assert order([facts("bad", answers=9, bad=9), facts("untried")])[0] == "untried"


def test_answers_that_arrive_do_not_make_up_for_bad_ones() -> None:
    bad = facts("bad", answers=500, bad=20)
    assert score_models([bad])[0].availability > 0.99
    assert order([bad, facts("untried")])[0] == "untried"


def test_verdicts_overcome_a_wrong_prior() -> None:
    models = [facts("praised", 2.0, bad=15), facts("despised", -2.0, good=15)]
    assert order(models, "best") == ["despised", "praised"]


def test_the_trial_term_is_part_of_the_score() -> None:
    score = score_models([facts("judged", bad=20 / 3)], 0.0)[0]
    assert score.trial_term == pytest.approx(0.2 * (1 - 2**-0.5))
    assert score.total == pytest.approx(score.availability * score.quality - score.trial_term)


def test_the_trial_term_counts_less_where_few_answers_of_the_route_get_a_verdict() -> None:
    judged = facts("judged", bad=5, answers=60, recent_answers=50)
    other = facts("other", good=1, answers=10, recent_answers=10)
    first, second = score_models([judged, other], 0.0)
    assert first.trial_term == pytest.approx(0.4 * 0.2 * (1 - (1 + 6 * 5 / 40) ** -0.5))  # 6 verdicts on 60 answers
    assert second.trial_term == 0


def test_a_tie_is_smaller_with_verdicts_on_the_best() -> None:
    strength = Strength(0.5, 3)
    old, new = ModelFacts("old", strength, 1.0, date(2025, 1, 1)), ModelFacts("new", strength, 1.0, date(2026, 1, 1))
    assert order([old, new], "best") == ["new", "old"]
    praised, other = score_models([replace(old, good=10), new], 0.0)
    assert 0 < praised.total - other.total < scoring.TIE
    assert order([praised.facts, new], "best") == ["old", "new"]


def test_the_price_term_is_the_share_of_the_price_of_the_strongest() -> None:
    strong, half = score_models([facts("strong", 1.0, 2.0), facts("half", 0.0, 1.0)], 0.02)
    assert strong.price_term == pytest.approx(0.02 * scoring.PRICE_SCALE)
    assert half.price_term == pytest.approx(0.02 * scoring.PRICE_SCALE / 2)


def test_preferences_go_from_the_strongest_to_the_cheapest() -> None:
    models = [facts("weak", -0.4, 0.1), facts("middle", 0.6, 0.5), facts("strong", 1.0, 2.0)]
    assert order(models, "best")[0] == "strong"
    assert order(models, "balanced")[0] == "middle"
    assert order(models, 0.2)[0] == "weak"


def test_an_unknown_price_counts_as_the_median() -> None:
    scores = score_models([facts("a", price=1.0), facts("b", price=3.0), facts("c", price=8.0), facts("?", price=None)])
    assert scores[3].price == 3.0


def test_a_free_offer_is_no_division_by_zero_and_wins_between_equals() -> None:
    assert order([facts("dear", 0.5, 2.0), facts("free", 0.5, 0.0)])[0] == "free"


def test_a_model_that_no_board_knows_gains_nothing_by_being_cheap() -> None:
    unknown, cheap = score_models([facts("strong", 1.0, 2.0), facts("?", None, 0.1), facts("cheap", 0.0, 0.1)])[1:]
    assert unknown.price_term == pytest.approx(0.02 * scoring.PRICE_SCALE)
    assert cheap.price_term < unknown.price_term


def test_without_evidence_the_order_given_stays_whatever_the_price_and_the_date() -> None:
    models = [ModelFacts("a", price=9.0), ModelFacts("b", price=0.1, released=date(2026, 1, 1)), ModelFacts("c")]
    assert order(models, "cheapest") == ["a", "b", "c"]


def test_among_ties_the_newer_comes_first_and_then_the_order_given() -> None:
    strength = Strength(0.5, 3)
    old, new, same = (
        ModelFacts("old", strength, 1.0, date(2025, 1, 1)),
        ModelFacts("new", Strength(0.45, 3), 1.0, date(2026, 1, 1)),
        ModelFacts("same", strength, 1.0, date(2025, 1, 1)),
    )
    assert order([old, new, same], "best") == ["new", "old", "same"]
    assert order([same, old, new], "best") == ["new", "same", "old"]


def test_the_fast_one_is_preferred_where_speed_is() -> None:
    models = [facts("strong", 1.5, seconds=60), facts("fast", 0.0, seconds=2)]
    assert order(models, "best")[0] == "strong"
    assert order(models, "fastest")[0] == "fast"


def test_an_unknown_preference_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"best, balanced, cheapest, fastest, or a number, not 'good'"):
        score_for([facts("a")], "good")


MODELS = some.lists(
    some.builds(
        ModelFacts,
        some.sampled_from("abcdefgh"),
        some.builds(Strength, some.floats(-3, 3), some.integers(0, 5)),
        some.none() | some.floats(0, 50),
        some.none() | some.dates(date(2024, 1, 1), date(2026, 12, 31)),
        some.integers(0, 50),
        some.integers(0, 50),
        some.integers(0, 50),
        some.integers(0, 50),
        some.none() | some.floats(0, 500),
    ),
    max_size=8,
    unique_by=lambda model: model.model,
)


@given(MODELS, some.sampled_from(["best", "balanced", "cheapest", "fastest"]))
def test_each_model_comes_once_and_nothing_clearly_better_comes_later(models: list[ModelFacts], prefer: str) -> None:
    scores: list[Score] = in_order(score_for(models, prefer))
    assert sorted(score.model for score in scores) == sorted(model.model for model in models)
    for place, score in enumerate(scores):
        assert all(later.total <= score.total + scoring.TIE + 1e-9 for later in scores[place:])


def test_praise_does_not_make_the_price_of_the_praised_model_weigh_more() -> None:
    """Prices are compared with that of the strongest on the boards: a cheap one would make all prices weigh more."""
    others = [facts("cheap", 0.7, price=0.2), facts("dear", 0.8, price=3.0)]
    before = order([facts("praised", 0.7, price=0.5), *others])
    after = order([facts("praised", 0.7, price=0.5, good=2), *others])
    assert after.index("praised") <= before.index("praised")


@given(MODELS, some.integers(0, 1_000_000), some.integers(0, 1_000_000))
def test_verdicts_change_no_price_term(models: list[ModelFacts], good: int, bad: int) -> None:
    judged = [replace(model, good=good, bad=bad) for model in models[:1]] + models[1:]
    terms = [[score.price_term for score in score_for(each, "balanced")] for each in (models, judged)]
    assert terms[0] == terms[1]


COUNTS = some.sampled_from([0, 1, 3, 10, 100, 1_000_000])
JUDGED = some.builds(facts, some.uuids().map(str), some.floats(-4, 4), good=COUNTS, bad=COUNTS)


@given(some.lists(JUDGED, max_size=6), COUNTS, COUNTS, some.sampled_from(["best", "balanced", "fastest"]))
def test_a_rating_moves_the_model_that_boards_prefer_to_no_place_that_it_speaks_against(
    others: list[ModelFacts], good: int, bad: int, prefer: str
) -> None:
    preferred = facts("preferred", 4.0, good=good, bad=bad)

    def place(model: ModelFacts) -> int:
        own, *rest = score_for([model, *others], prefer)
        return sum(other.total > own.total + 1e-9 for other in rest)

    now = place(preferred)
    assert place(replace(preferred, bad=bad + 1)) >= now
    assert place(replace(preferred, good=good + 1)) <= now


@given(some.lists(JUDGED, max_size=6))
def test_scores_are_numbers_and_qualities_shares_whatever_the_counts(models: list[ModelFacts]) -> None:
    for score in score_for(models, "balanced"):
        assert 0 <= score.quality <= 1
        assert math.isfinite(score.total)


def test_bad_ratings_of_one_model_do_not_put_the_others_in_reverse() -> None:
    """They may say that boards tell nothing about a route, but not that the worst model there is the best."""
    strengths = {"a": 1.8, "b": 1.5, "c": 1.0, "d": 0.0, "e": -1.0, "f": -2.0}
    models = [facts(name, strength, bad=8 if name == "a" else 0) for name, strength in strengths.items()]
    quality = {score.model: score.quality for score in score_for(models, "best")}
    assert quality["b"] >= quality["f"] - 1e-9


def test_praise_of_one_model_lets_no_untried_one_be_expected_to_be_perfect() -> None:
    models = [facts("praised", 0.0, good=1_000_000), facts("untried", 1.0)]
    assert order(models, "best") == ["praised", "untried"]
