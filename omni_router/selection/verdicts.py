"""What verdicts on answers add to what boards let expect. Pure functions.

    quality  = (40 expected + 2 good) / (40 + 2 good + 2 bad)
    expected = prior + level + slope (prior - mean prior of the route's models)

`level` is how much better or worse than expected the models of the route are together: on a route where requests are
hard, verdicts on the model in use must not make all others look better than they are. `slope` is how far the boards can
be trusted on this route: it is 0 where verdicts differ as the boards let expect, -1 where boards say nothing, and never
below: models in the wrong order are found by their verdicts. Both are a linear regression, drawn towards 0 as long as
there are few verdicts. No model is expected to be better than boards could ever let expect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from operator import attrgetter
from statistics import fmean
from typing import NamedTuple

# Chosen in the simulation of docs/benchmarks.md, on one date of LiveBench and some drawn tables; judged on others.
PRIOR_STRENGTH = 40.0  # half-verdicts that the prior is worth: 10 forgets good boards for a few verdicts
VERDICT = 2.0  # a person's word, in the same unit; a free signal counts as a part of one
VERDICT_HALF_LIFE = timedelta(days=30)  # providers change what they serve: an old verdict fades
STEADY_LEVEL = 0.2  # well-judged models that it takes to believe half of the level: 1 leaves good models on hard routes
STEADY_SLOPE = 0.01  # sum of their squared distances from the mean prior that it takes to believe half of the slope
TRIAL = 0.2  # of quality, that a model loses which has so many bad verdicts that any other deserves a trial
TRIAL_BAD = 3.0  # times that a bad verdict counts for it
FULL_TRIAL = 0.25  # share of the answers of a route with a verdict, from which on it counts in full
HIGHEST = 0.95  # quality that may be expected: else praise of one model makes untried ones look better than perfect
NO_TRUST = -1.0  # the slope where boards say nothing


class Judged(NamedTuple):
    """A model's prior and the verdicts on its answers, of which old ones and mere signals count less."""

    prior: float
    good: float = 0.0
    bad: float = 0.0

    @property
    def is_judged(self) -> bool:
        """Whether there is any verdict."""
        return self.good + self.bad > 0

    @property
    def prior_weight(self) -> float:
        """Return the share of the prior in the quality: 1 without a verdict."""
        return PRIOR_STRENGTH / (PRIOR_STRENGTH + VERDICT * (self.good + self.bad))


@dataclass(frozen=True)
class RouteFit:
    """How the models of a route differ from what boards let expect, by the verdicts on all of them."""

    level: float = 0.0
    slope: float = 0.0
    mean_prior: float = 0.0

    def expected(self, prior: float) -> float:
        """Return the quality to expect of a model of this prior that has no verdicts."""
        return prior + self.level + self.slope * (prior - self.mean_prior)


def fit_of(models: Sequence[Judged]) -> RouteFit:
    """Fit level and slope to the verdicts on the models of a route: weighted least squares with a ridge."""
    judged = list(filter(attrgetter("is_judged"), models))
    if not judged:
        return RouteFit()
    mean_prior = fmean(map(attrgetter("prior"), models))
    trust, trust_x, trust_xx, sum_y, sum_xy = STEADY_LEVEL, 0.0, STEADY_SLOPE, 0.0, 0.0
    for model in judged:
        weight, x = 1 - model.prior_weight, model.prior - mean_prior
        residual = model.good / (model.good + model.bad) - model.prior
        trust += weight
        trust_x += weight * x
        trust_xx += weight * x * x
        sum_y += weight * residual
        sum_xy += weight * residual * x
    determinant = trust * trust_xx - trust_x**2
    level = (trust_xx * sum_y - trust_x * sum_xy) / determinant
    slope = (trust * sum_xy - trust_x * sum_y) / determinant
    return _bounded(RouteFit(level, max(slope, NO_TRUST), mean_prior), models)


def _bounded(fit: RouteFit, models: Sequence[Judged]) -> RouteFit:
    """Return the fit with its level lowered until nothing too good is expected of any model; differences stay."""
    excess = max(map(fit.expected, map(attrgetter("prior"), models))) - HIGHEST
    return replace(fit, level=fit.level - max(excess, 0.0))


def quality_of(model: Judged, fit: RouteFit | None = None) -> float:
    """Return the quality that is expected after verdicts, on a route whose models differ from their priors so."""
    expected = (fit or RouteFit()).expected(model.prior)
    weight = PRIOR_STRENGTH + VERDICT * (model.good + model.bad)
    return max(0.0, PRIOR_STRENGTH * expected + VERDICT * model.good) / weight


def trial_term(bad: float) -> float:
    """Return what a model loses for its bad verdicts, so that less-known ones are tried in its place.

    Good verdicts cost nothing: praise never drives a model away.
    """
    return TRIAL * (1 - 1 / math.sqrt(1 + TRIAL_BAD * VERDICT * bad / PRIOR_STRENGTH))


def trial_weight(verdicts: float, answers: float) -> float:
    """Return how much the trial term counts on a route, by the verdicts and answers of all its models.

    A trial pays by its verdict: where few answers get one, it costs more than it tells.
    """
    return min(1.0, verdicts / FULL_TRIAL / max(answers, verdicts, 1.0))


def faded(count: float, age: timedelta) -> float:
    """Return what verdicts of this age still count."""
    return count * math.exp2(-(max(age, timedelta()) / VERDICT_HALF_LIFE))
