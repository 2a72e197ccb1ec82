"""What verdicts add to boards: figures by hand, and how one model's verdicts change what is expected of the others."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from omni_router.selection import verdicts
from omni_router.selection.verdicts import Judged, RouteFit, faded, fit_of, quality_of, trial_term, trial_weight


def test_quality_by_hand() -> None:
    assert quality_of(Judged(0.85)) == pytest.approx(0.85)
    assert quality_of(Judged(0.85, 3, 2)) == pytest.approx((40 * 0.85 + 6) / 50)
    assert quality_of(Judged(0.85, 3, 2), RouteFit(-0.1, 0.5, 0.75)) == pytest.approx((40 * 0.8 + 6) / 50)


def test_without_verdicts_boards_alone_count() -> None:
    assert fit_of([Judged(0.9), Judged(0.7)]) == RouteFit()
    assert fit_of([]) == RouteFit()


def test_verdicts_on_a_hard_route_do_not_make_untried_models_look_good() -> None:
    # Half of the answers of a well-tried model are bad, as on a route where all models find it hard.
    tried, untried = Judged(0.80, good=20, bad=20), Judged(0.75)
    fit = fit_of([tried, untried])
    assert fit.level < -0.2
    assert quality_of(untried, fit) < 0.55


def test_the_fit_is_weighted_least_squares_with_a_ridge() -> None:
    models = [Judged(0.9, 16, 4), Judged(0.8, 4, 1), Judged(0.6, 7, 3), Judged(0.7)]
    priors = np.array([model.prior for model in models[:3]])
    x = priors - 0.75
    n = np.array([20.0, 5.0, 10.0])
    weights, residuals = n / (n + 20), np.array([0.8, 0.8, 0.7]) - priors
    design = np.stack([np.ones(3), x], axis=1)
    normal = design.T @ (weights[:, None] * design) + np.diag([verdicts.STEADY_LEVEL, verdicts.STEADY_SLOPE])
    level, slope = np.linalg.solve(normal, design.T @ (weights * residuals))
    fit = fit_of(models)
    assert -1 < slope < 0
    assert (fit.level, fit.slope, fit.mean_prior) == pytest.approx((level, slope, 0.75))


def test_boards_in_the_wrong_order_are_found_out_by_the_verdicts_on_a_few_models() -> None:
    models = [Judged(0.95, 8, 12), Judged(0.85, 12, 8), Judged(0.80, 14, 6), Judged(0.65), Judged(0.55)]
    fit = fit_of(models)
    assert fit.slope == verdicts.NO_TRUST
    assert quality_of(models[4], fit) > quality_of(models[0], fit)


def test_bad_verdicts_give_others_a_trial_and_good_ones_cost_nothing() -> None:
    assert trial_term(0) == 0
    assert trial_term(20 / 3) == pytest.approx(0.2 * (1 - 2**-0.5))
    assert trial_term(1e9) == pytest.approx(verdicts.TRIAL, abs=1e-4)


def test_the_trial_term_counts_by_the_share_of_the_answers_that_get_a_verdict() -> None:
    assert trial_weight(0, 0) == trial_weight(0, 50) == 0
    assert trial_weight(5, 100) == pytest.approx(0.2)
    assert trial_weight(10, 100) == pytest.approx(0.4)
    assert trial_weight(25, 100) == trial_weight(100, 100) == 1
    assert trial_weight(9, 0) == 1  # a history that counts no answers


def test_old_verdicts_fade() -> None:
    assert faded(8, verdicts.VERDICT_HALF_LIFE) == pytest.approx(4)
    assert faded(8, timedelta(days=-1)) == 8


@given(some.floats(0.4, 0.95), some.lists(some.floats(0.4, 0.95), max_size=5), some.integers(1, 300))
def test_praise_never_drives_a_model_away(prior: float, others: list[float], good: int) -> None:
    praised, weaker = Judged(prior, good=good), [Judged(min(other, prior)) for other in others]
    fit = fit_of([praised, *weaker])
    assert all(quality_of(praised, fit) >= quality_of(other, fit) - 1e-9 for other in weaker)
