"""Rules that choose a model call by call, and what they see: the pure functions of selection/scoring.py on arrays.

Many runs are played at once: an array has one row for each run and one column for each model, in the catalog's order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omni_router.selection.scoring import TIE, availability_of
from omni_router.selection.verdicts import (
    FULL_TRIAL,
    HIGHEST,
    NO_TRUST,
    PRIOR_STRENGTH,
    STEADY_LEVEL,
    STEADY_SLOPE,
    TRIAL,
    TRIAL_BAD,
    VERDICT,
)

Floats = NDArray[np.float64]
Picks = NDArray[np.int64]

RANDOM_TRIALS = 0.05  # of the calls that get a verdict
CALLS_A_DAY = 10  # of one route, by which the half-life of verdicts becomes a number of calls


@dataclass
class Seen:
    """What has been seen of each model, in each run."""

    prior: Floats  # the quality that boards let expect
    chance: np.random.Generator
    offered: NDArray[np.bool_]  # whether the catalog lists the model
    verdict_share: float = 1.0
    prior_strength: float = PRIOR_STRENGTH
    half_life: float | None = None  # calls
    good: Floats = field(init=False)
    bad: Floats = field(init=False)
    answers: Floats = field(init=False)
    recent_answers: Floats = field(init=False)  # of which old ones count less
    failures: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Start without any call."""
        self.good, self.bad = np.zeros_like(self.prior), np.zeros_like(self.prior)
        self.answers, self.recent_answers = np.zeros_like(self.prior), np.zeros_like(self.prior)
        self.failures = np.zeros_like(self.prior)

    def fade(self) -> None:
        """Let the verdicts age by one call."""
        if self.half_life:
            keep = 0.5 ** (1 / self.half_life)
            self.good *= keep
            self.bad *= keep
            self.recent_answers *= keep

    def trust(self) -> Floats:
        """Return the share of the verdicts in the expected quality."""
        n = self.good + self.bad
        return np.asarray(n / (n + self.prior_strength / VERDICT))

    def fitted_quality(self) -> Floats:
        """Return the expected quality, with the level and slope that `fit_of` finds."""
        n, trust = self.good + self.bad, self.trust()
        residual = np.where(n > 0, self.good / np.maximum(n, 1e-9) - self.prior, 0.0)
        x = self.prior - self.prior.mean(axis=1, keepdims=True)
        total, total_x = trust.sum(axis=1) + STEADY_LEVEL, (trust * x).sum(axis=1)
        total_xx = (trust * x * x).sum(axis=1) + STEADY_SLOPE
        sum_y, sum_xy = (trust * residual).sum(axis=1), (trust * residual * x).sum(axis=1)
        determinant = total * total_xx - total_x**2
        level = ((total_xx * sum_y - total_x * sum_xy) / determinant)[:, None]
        slope = ((total * sum_xy - total_x * sum_y) / determinant)[:, None]
        differs = level + np.maximum(slope, NO_TRUST) * x
        differs -= np.maximum((self.prior + differs).max(axis=1, keepdims=True) - HIGHEST, 0.0)
        return np.asarray(np.maximum(self.prior + differs + trust * (residual - differs), 0.0))

    def trial_weight(self) -> Floats:
        """Return how much the trial term counts in each run, as `trial_weight` does."""
        verdicts = (self.good + self.bad).sum(axis=1, keepdims=True)
        answers = self.recent_answers.sum(axis=1, keepdims=True)
        return np.asarray(np.minimum(1.0, verdicts / FULL_TRIAL / np.maximum(np.maximum(answers, verdicts), 1.0)))

    def trial_term(self) -> Floats:
        """Return what each model loses for its bad verdicts, as `trial_term` and `trial_weight` do."""
        term = TRIAL * (1 - 1 / np.sqrt(1 + TRIAL_BAD * VERDICT * self.bad / self.prior_strength))
        return np.asarray(self.trial_weight() * term)

    def quality(self) -> Floats:
        """Return the expected quality, as `quality_of` does for any prior strength."""
        weight = self.prior_strength + VERDICT * (self.good + self.bad)
        return (self.prior_strength * self.prior + VERDICT * self.good) / weight

    def availability(self) -> Floats:
        """Return how likely each model answers."""
        return np.asarray(availability_of(self.answers, self.failures))  # type: ignore[arg-type]  # works on arrays


Rule = Callable[[Seen], Picks]


def _highest(scores: Floats, seen: Seen, tie: "float | Floats" = TIE) -> Picks:
    """Return the first model of the catalog among those within a tie of the highest score."""
    scores = np.where(seen.offered, scores, -np.inf)
    return np.asarray((scores >= scores.max(axis=1, keepdims=True) - tie).argmax(axis=1))


def _by_score(scores: Floats, seen: Seen) -> Picks:
    """Return the first model by score; with verdicts on the best one, a tie is smaller."""
    first = np.where(seen.offered, scores, -np.inf).argmax(axis=1)[:, None]
    prior_weight = 1 - np.take_along_axis(seen.trust(), first, axis=1)
    return _highest(scores, seen, TIE * prior_weight)


def catalog(seen: Seen) -> Picks:
    """Choose the first of the catalog that mostly answers."""
    return _highest(np.where(seen.availability() > 0.5, 1.0, 0.0), seen)  # noqa: PLR2004 (more often than not)


def prior_only(seen: Seen) -> Picks:
    """Choose what the boards call best, whatever the verdicts say."""
    return _highest(seen.availability() * seen.prior, seen)


def arrivals(seen: Seen) -> Picks:
    """Choose by one number for answers and verdicts, models with a record first, as this package did before."""
    answers = seen.answers + VERDICT * seen.good
    calls = answers + seen.failures + VERDICT * seen.bad
    return _highest((answers + 3) / (calls + 4) + 10.0 * (calls > 0), seen, 0.0)


def by_score(seen: Seen) -> Picks:
    """Choose by the score: availability times expected quality, less the trial term."""
    return _by_score(seen.availability() * seen.fitted_quality() - seen.trial_term(), seen)


def without_trials(seen: Seen) -> Picks:
    """Choose by the score without the trial term."""
    return _by_score(seen.availability() * seen.fitted_quality(), seen)


def without_fit(seen: Seen) -> Picks:
    """Choose by the score, but as if all models differed from their priors by chance alone."""
    return _by_score(seen.availability() * seen.quality() - seen.trial_term(), seen)


def random_trials(seen: Seen) -> Picks:
    """Choose by the score without the trial term, but give 5 % of the judged calls to the second or the third."""
    scores = np.where(seen.offered, seen.availability() * seen.fitted_quality(), -np.inf)
    picks = _by_score(scores, seen)
    runs = np.arange(len(picks))
    others = scores.copy()
    others[runs, picks] = -np.inf
    ranked = np.argsort(-others, axis=1)
    tries = seen.chance.random(len(picks)) < RANDOM_TRIALS * seen.verdict_share
    place = seen.chance.integers(0, 2, len(picks))
    candidates = ranked[runs, np.minimum(place, ranked.shape[1] - 1)]
    tries &= np.isfinite(others[runs, candidates])
    return np.where(tries, candidates, picks)


def sampling(seen: Seen) -> Picks:
    """Draw the quality of each model from what it may be (Thompson), and choose the highest."""
    strength = seen.prior_strength / VERDICT
    drawn = seen.chance.beta(strength * seen.prior + seen.good, strength * (1 - seen.prior) + seen.bad)
    return _highest(seen.availability() * drawn, seen, 0.0)


def rules() -> Mapping[str, Rule]:
    """Return the rules that are compared."""
    return {
        "catalog": catalog,
        "one number": arrivals,
        "prior": prior_only,
        "score": by_score,
        "score without fit": without_fit,
        "score without trial term": without_trials,
        "score with random trials": random_trials,
        "sampling": sampling,
    }
