"""The simulation of verdicts uses the score that is used: its arrays against the functions for single models."""

import numpy as np
import pytest

from benchmarks.outcome_rules import Seen, by_score
from omni_router.selection.board_values import Strength
from omni_router.selection.scoring import ModelFacts, in_order, score_models
from omni_router.selection.verdicts import Judged, fit_of, quality_of, trial_term, trial_weight

STRENGTHS, GOOD, BAD = (1.5, 0.9, -0.4, -1.0), (3, 12, 0, 0), (9, 6, 1, 0)
ANSWERS = (120, 60, 1, 67)  # an eighth of them judged


def seen_so_far() -> Seen:
    prior = np.array([[0.75 + 0.1 * strength for strength in STRENGTHS]])
    seen = Seen(prior, np.random.default_rng(0), np.ones((1, 4), bool))
    seen.good += GOOD
    seen.bad += BAD
    seen.answers += ANSWERS
    seen.recent_answers += ANSWERS
    return seen


def test_quality_and_trial_term_are_those_of_the_package() -> None:
    seen = seen_so_far()
    judged = [Judged(*each) for each in zip(seen.prior[0], GOOD, BAD, strict=True)]
    fit = fit_of(judged)
    assert seen.fitted_quality()[0] == pytest.approx([quality_of(each, fit) for each in judged])
    assert seen.trial_term()[0] == pytest.approx([trial_weight(31, 248) * trial_term(bad) for bad in BAD])


def test_answers_fade_as_their_verdicts_do() -> None:
    seen = seen_so_far()
    before, seen.half_life = seen.trial_weight(), 2
    seen.fade()
    assert seen.recent_answers[0, 0] == pytest.approx(120 * 0.5**0.5)
    assert seen.trial_weight() == pytest.approx(before)


def test_the_rule_picks_the_model_that_the_package_puts_first() -> None:
    models = [
        ModelFacts(str(place), Strength(strength, 3), answers=calls, recent_answers=calls, good=good, bad=bad)
        for place, (strength, calls, good, bad) in enumerate(zip(STRENGTHS, ANSWERS, GOOD, BAD, strict=True))
    ]
    first = in_order(score_models(models, 0.0))[0]
    assert int(by_score(seen_so_far())[0]) == int(first.model)
