"""The score by which models are chosen: is it served, is it good, and what does it cost. Pure functions.

    score   = availability x quality - price term - latency term
    quality = (10 (prior + shift) + 2 good) / (10 + 2 good + 2 bad)      what boards expect, and what verdicts show
    prior   = 0.75 + 0.10 strength, within 0.40 and 0.95                 strength on boards: board_values.py
    shift   = how much better or worse than expected the models of the route are together: on a route where requests
              are hard, verdicts on the model in use must not make all others look better than they are

An answer that arrives says that a model is served, and nothing about whether it is good: these are two numbers.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from operator import attrgetter

from omni_router.selection.board_values import UNKNOWN, Strength

# How the constants were chosen, and what a star means: see board_values.py.
MEAN_QUALITY, QUALITY_OF_STRENGTH = 0.75, 0.10  # *of a model that no board knows, and of one standard deviation more
LOWEST_PRIOR, HIGHEST_PRIOR = 0.40, 0.95  # *
PRIOR_STRENGTH = 10.0  # *half-verdicts that the prior is worth: see the simulation in docs/benchmarks.md
VERDICT = 2.0  # *a person's word, in the same unit; a free signal counts as a part of one
VERDICT_HALF_LIFE = timedelta(days=30)  # providers change what they serve: an old verdict fades
STEADY_LEVEL = 1.0  # well-tried models that it takes to believe half of the shift; see the simulation, too
SHIFT_VERDICTS = 100.0  # that halve the shift again: untried models are then worth a try, if the boards were wrong
TRIAL_SHARE = 0.05  # of the calls that get a verdict, which go to the second or third model to learn about it
PRIOR_ANSWERS, PRIOR_CALLS = 3.0, 4.0  # *of a model that nobody has called

# The weight of the price, and with it what a preference means. A model that costs as much as the strongest candidate
# loses PRICE_SCALE x weight of its score, one that costs a quarter loses a quarter of that: money adds up, so the term
# is linear in it (a logarithm bought less for the same loss). The weight of `balanced` was chosen so that 98 %
# of the quality are kept on about four of five tables drawn at random.
PREFERENCES: Mapping[str, float] = {"best": 0.0, "balanced": 0.015, "cheapest": 0.04, "fastest": 0.0}
BALANCED_FOR_CODE = 0.0075  # half: on code, models differ more than anywhere else
PRICE_SCALE = 3.5
LOWEST_PRICE = 0.02  # US dollars for a million tokens; free offers count as this much, since they are limited
HIGHEST_RATIO = 8.0  # times the price of the strongest candidate: dearer ones lose no more
INPUT_SHARE = 0.75  # three tokens are read for each one written, as is usual where prices are compared

LATENCY = 0.05  # what a model loses that takes as long as SLOW or longer
SLOW = 60.0  # median seconds of an answer
FASTEST_LATENCY = 0.5  # the same where speed is preferred

# Scores within this of the highest are equal. Without the price, 0.01 let the newest model be better at code on one
# date; with it, 0.02 was worse at the same price.
TIE, TIE_WITH_PRICE = 0.02, 0.01


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a model that may be called."""

    model: str
    strength: Strength = UNKNOWN
    price: float | None = None  # US dollars for a million tokens; None: not known
    released: date | None = None
    answers: float = 0.0  # calls that were answered
    failures: float = 0.0
    good: float = 0.0  # verdicts, of which old ones and mere signals count less
    bad: float = 0.0
    seconds: float | None = None  # median time of an answer


@dataclass(frozen=True)
class Score:
    """The score of a model, and the numbers that it consists of."""

    facts: ModelFacts
    availability: float
    prior: float
    quality: float
    price: float  # that was counted: the known one, or the median
    price_term: float
    latency_term: float

    @property
    def model(self) -> str:
        """The model."""
        return self.facts.model

    @property
    def total(self) -> float:
        """The score."""
        return self.availability * self.quality - self.price_term - self.latency_term


def mixed_price(input_price: float, output_price: float) -> float:
    """Return one price for a million tokens from those of input and output."""
    return INPUT_SHARE * input_price + (1 - INPUT_SHARE) * output_price


def prior_of(strength: Strength) -> float:
    """Return the quality that boards let expect."""
    return max(LOWEST_PRIOR, min(HIGHEST_PRIOR, MEAN_QUALITY + QUALITY_OF_STRENGTH * strength.value))


def quality_of(prior: float, good: float, bad: float, shift: float = 0.0) -> float:
    """Return the quality that is expected after verdicts, on a route whose models are shifted together."""
    weight = PRIOR_STRENGTH + VERDICT * (good + bad)
    return max(0.0, PRIOR_STRENGTH * (prior + shift) + VERDICT * good) / weight


def shift_of(models: Iterable[ModelFacts]) -> float:
    """Return how much better or worse than expected the models of a route are, by the verdicts on all of them."""
    total, trusted, count = 0.0, STEADY_LEVEL, 0.0
    for facts in models:
        verdicts = facts.good + facts.bad
        if verdicts > 0:
            trust = VERDICT * verdicts / (VERDICT * verdicts + PRIOR_STRENGTH)
            total += trust * (facts.good / verdicts - prior_of(facts.strength))
            trusted += trust
            count += verdicts
    return total / trusted * SHIFT_VERDICTS / (SHIFT_VERDICTS + count)


def availability_of(answers: float, failures: float) -> float:
    """Return how likely a call is answered; what it is worth does not matter here."""
    return (answers + PRIOR_ANSWERS) / (answers + failures + PRIOR_CALLS)


def faded(count: float, age: timedelta) -> float:
    """Return what verdicts of this age still count."""
    return count * math.exp2(-(max(age, timedelta()) / VERDICT_HALF_LIFE))


def score_models(models: Sequence[ModelFacts], weight: float = PREFERENCES["balanced"]) -> list[Score]:
    """Return the score of each model, in the order given.

    Args:
        models: the candidates of a route that may be called.
        weight: of the price; see PREFERENCES.
    """
    return _scores(models, weight, LATENCY)


def score_for(models: Sequence[ModelFacts], prefer: str | float) -> list[Score]:
    """Return the score of each model, for a preference by its name or as a number.

    Raises:
        ValueError: there is no preference of that name.
    """
    if isinstance(prefer, str):
        if prefer not in PREFERENCES:
            raise ValueError(f"prefer must be one of {', '.join(PREFERENCES)}, or a number, not {prefer!r}")
        latency = FASTEST_LATENCY if prefer == "fastest" else LATENCY
        return _scores(models, PREFERENCES[prefer], latency)
    return _scores(models, prefer, LATENCY)


def _scores(models: Sequence[ModelFacts], weight: float, latency: float) -> list[Score]:
    price_of = _prices(models)
    shift = shift_of(models)
    scores = [_without_price(facts, price_of(facts), latency, shift) for facts in models]
    known = [score for score in scores if score.facts.strength.known]
    if not known or not weight:
        return scores  # without evidence, cheap would mean small
    reference = max(known, key=attrgetter("total")).price
    return [replace(score, price_term=PRICE_SCALE * weight * _price_ratio(score, reference)) for score in scores]


def _without_price(facts: ModelFacts, price: float, latency: float, shift: float) -> Score:
    prior = prior_of(facts.strength)
    return Score(
        facts=facts,
        availability=availability_of(facts.answers, facts.failures),
        prior=prior,
        quality=quality_of(prior, facts.good, facts.bad, shift),
        price=price,
        price_term=0.0,
        latency_term=latency * min((facts.seconds or 0.0) / SLOW, 1.0),
    )


def _price_ratio(score: Score, reference: float) -> float:
    """Return how a price compares with that of the strongest; a model that boards do not know gains by no price."""
    ratio = min(score.price / reference, HIGHEST_RATIO)
    if score.facts.strength.known:
        return ratio
    return max(ratio, 1.0)


def _prices(models: Iterable[ModelFacts]) -> Callable[[ModelFacts], float]:
    """Return the price to count with: where it is not known, the median of those that are."""
    known = [max(facts.price, LOWEST_PRICE) for facts in models if facts.price is not None]
    median = statistics.median(known) if known else LOWEST_PRICE

    def price_of(facts: ModelFacts) -> float:
        if facts.price is None:
            return median
        return max(facts.price, LOWEST_PRICE)

    return price_of


def in_order(scores: Sequence[Score]) -> list[Score]:
    """Return the scores, the best first.

    Scores within a tie of the highest that is left are equal: among them the newest model comes first. What was
    released on the same day, at an unknown time, or is not known to the boards stays in the order given.
    """
    tie = TIE
    if any(score.price_term for score in scores):
        tie = TIE_WITH_PRICE
    left = sorted(range(len(scores)), key=lambda place: -scores[place].total)
    ordered: list[Score] = []
    while left:
        lowest = scores[left[0]].total - tie
        ties = 0
        while ties < len(left) and scores[left[ties]].total >= lowest:
            ties += 1
        equals = [scores[place] for place in sorted(left[:ties])]
        ordered += sorted(equals, key=_release, reverse=True)
        left = left[ties:]
    return ordered


def trial_place(verdict_share: float, draw: float) -> int:
    """Return which place of the order is called: mostly the first, now and then the second or third.

    Args:
        verdict_share: the share of the route's calls that get a verdict: without one, a trial teaches nothing.
        draw: a random number from 0 to 1.
    """
    share = TRIAL_SHARE * verdict_share
    if draw >= share:
        return 0
    return 1 + (draw >= share / 2)


def _release(score: Score) -> date:
    if score.facts.released is None or not score.facts.strength.known:
        return date.min
    return score.facts.released
