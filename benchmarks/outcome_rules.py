"""Rules that choose a model call by call, and what they see: the pure functions of selection/scoring.py on arrays.

Many runs are played at once: an array has one row for each run and one column for each model, in the catalog's order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from omni_router.selection.scoring import (
    PRIOR_STRENGTH,
    SHIFT_VERDICTS,
    STEADY_LEVEL,
    TIE,
    TRIAL_SHARE,
    VERDICT,
    availability_of,
)

Floats = NDArray[np.float64]
Picks = NDArray[np.int64]

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
    failures: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Start without any call."""
        self.good, self.bad, self.answers, self.failures = (np.zeros_like(self.prior) for _ in range(4))

    def fade(self) -> None:
        """Let the verdicts age by one call."""
        if self.half_life:
            keep = 0.5 ** (1 / self.half_life)
            self.good *= keep
            self.bad *= keep

    def shifted_quality(self) -> Floats:
        """Return the expected quality, with the shift that `shift_of` finds."""
        n = self.good + self.bad
        residual = np.where(n > 0, self.good / np.maximum(n, 1e-9) - self.prior, 0.0)
        trust = n / (n + self.prior_strength / VERDICT)
        shift = (trust * residual).sum(axis=1, keepdims=True) / (trust.sum(axis=1, keepdims=True) + STEADY_LEVEL)
        shift *= SHIFT_VERDICTS / (SHIFT_VERDICTS + n.sum(axis=1, keepdims=True))
        return np.asarray(self.prior + shift + trust * (residual - shift))

    def quality(self) -> Floats:
        """Return the expected quality, as `quality_of` does for any prior strength."""
        weight = self.prior_strength + VERDICT * (self.good + self.bad)
        return (self.prior_strength * self.prior + VERDICT * self.good) / weight

    def availability(self) -> Floats:
        """Return how likely each model answers."""
        return np.asarray(availability_of(self.answers, self.failures))  # type: ignore[arg-type]  # works on arrays


Rule = Callable[[Seen], Picks]


def _highest(scores: Floats, seen: Seen, tie: float = TIE) -> Picks:
    """Return the first model of the catalog among those within a tie of the highest score."""
    scores = np.where(seen.offered, scores, -np.inf)
    return np.asarray((scores >= scores.max(axis=1, keepdims=True) - tie).argmax(axis=1))


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


def greedy(seen: Seen) -> Picks:
    """Choose by the score: availability times expected quality."""
    return _highest(seen.availability() * seen.shifted_quality(), seen)


def without_shift(seen: Seen) -> Picks:
    """Choose by the score, but without the shift that the models of a route share."""
    return _highest(seen.availability() * seen.quality(), seen)


def greedy_with_trials(seen: Seen) -> Picks:
    """Choose by the score, but give a few of the calls that get a verdict to the second or the third."""
    scores = np.where(seen.offered, seen.availability() * seen.shifted_quality(), -np.inf)
    picks = _highest(scores, seen)
    runs = np.arange(len(picks))
    others = scores.copy()
    others[runs, picks] = -np.inf
    ranked = np.argsort(-others, axis=1)
    tries = seen.chance.random(len(picks)) < TRIAL_SHARE * seen.verdict_share
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
        "score without shift": without_shift,
        "score": greedy,
        "score and trials": greedy_with_trials,
        "sampling": sampling,
    }
