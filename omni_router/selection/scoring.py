"""The score by which models are chosen: is it served, is it good, and what does it cost. Pure functions.

    score   = availability x quality - trial term - price term - latency term
    quality = what boards let expect, and what verdicts show             verdicts.py
    prior   = 0.75 + 0.10 strength, within 0.40 and 0.95                 strength on boards: board_values.py

An answer that arrives says that a model is served, and nothing about whether it is good: these are two numbers.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from omni_router.selection.board_values import UNKNOWN, Strength
from omni_router.selection.verdicts import HIGHEST, Judged, RouteFit, fit_of, quality_of, trial_term, trial_weight

# How the constants were chosen, and what a star means: see board_values.py.
MEAN_QUALITY, QUALITY_OF_STRENGTH = 0.75, 0.10  # *of a model that no board knows, and of one standard deviation more
LOWEST_PRIOR, HIGHEST_PRIOR = 0.40, HIGHEST  # *

# Of a model that nobody has called: the catalog lists it as live, so it is hardly less likely to answer than one with a
# long record. With 3 of 4 a better model that boards learn of later had to be better by a third to be called.
PRIOR_ANSWERS, PRIOR_CALLS = 19.0, 20.0

# The weight of the price, and with it what a preference means. A model that costs as much as the strongest candidate
# loses PRICE_SCALE x weight of its score, one that costs a quarter loses a quarter of that: money adds up, so the term
# is linear in it. A logarithm, powers, and the cheapest of all within a distance of the best were no better: each buys
# the same price for the same loss. PRICE_SCALE was chosen so that `balanced` keeps 98 % of the quality on three of four
# tables.
PREFERENCES: Mapping[str, float] = {"best": 0.0, "balanced": 0.02, "cheapest": 0.045, "fastest": 0.0}
BALANCED_FOR_CODE = 0.005  # a quarter: on code, models differ more than anywhere else
PRICE_SCALE = 4.0
LOWEST_PRICE = 0.02  # US dollars for a million tokens; free offers count as this much, since they are limited
HIGHEST_RATIO = 8.0  # times the price of the strongest candidate: dearer ones lose no more
INPUT_SHARE = 0.75  # three tokens are read for each one written, as is usual where prices are compared

LATENCY = 0.05  # what a model loses that takes as long as SLOW or longer
SLOW = 60.0  # median seconds of an answer
FASTEST_LATENCY = 0.5  # the same where speed is preferred

# Scores within this of the highest are equal, as far as the prior counts: with verdicts, smaller differences decide.
# Without the price, half as much let the newest model be better at code on one date; with it, twice as much was worse.
TIE, TIE_WITH_PRICE = 0.025, 0.0125


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
    recent_answers: float = 0.0  # answers, of which old ones count less, as old verdicts do


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
    trial_term: float

    @property
    def model(self) -> str:
        """The model."""
        return self.facts.model

    @property
    def total(self) -> float:
        """The score."""
        return self.availability * self.quality - self.trial_term - self.price_term - self.latency_term

    @property
    def prior_weight(self) -> float:
        """The share of the prior in the quality."""
        return Judged(self.prior, self.facts.good, self.facts.bad).prior_weight


def mixed_price(input_price: float, output_price: float) -> float:
    """Return one price for a million tokens from those of input and output."""
    return INPUT_SHARE * input_price + (1 - INPUT_SHARE) * output_price


def prior_of(strength: Strength) -> float:
    """Return the quality that boards let expect."""
    return max(LOWEST_PRIOR, min(HIGHEST_PRIOR, MEAN_QUALITY + QUALITY_OF_STRENGTH * strength.value))


def availability_of(answers: float, failures: float) -> float:
    """Return how likely a call is answered; what it is worth does not matter here."""
    return (answers + PRIOR_ANSWERS) / (answers + failures + PRIOR_CALLS)


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
        ValueError: `prefer` is not a known name.
    """
    if isinstance(prefer, str):
        if prefer not in PREFERENCES:
            raise ValueError(f"prefer must be one of {', '.join(PREFERENCES)}, or a number, not {prefer!r}")
        latency = FASTEST_LATENCY if prefer == "fastest" else LATENCY
        return _scores(models, PREFERENCES[prefer], latency)
    return _scores(models, prefer, LATENCY)


def _scores(models: Sequence[ModelFacts], weight: float, latency: float) -> list[Score]:
    price_of = _prices(models)
    fit = fit_of(list(map(_judged, models)))
    trials = _trials(models)
    scores = [_without_price(facts, fit, trials, price_of(facts), latency) for facts in models]
    known = [score for score in scores if score.facts.strength.known]
    if not known or not weight:
        return scores  # without evidence, cheap would mean small
    reference = max(known, key=_without_verdicts).price
    return [replace(score, price_term=PRICE_SCALE * weight * _price_ratio(score, reference)) for score in scores]


def _judged(facts: ModelFacts) -> Judged:
    return Judged(prior_of(facts.strength), facts.good, facts.bad)


def _trials(models: Sequence[ModelFacts]) -> float:
    """Return how much the trial term counts, by the verdicts on the models of a route and by their answers."""
    verdicts, answers = 0.0, 0.0
    for facts in models:
        verdicts += facts.good + facts.bad
        answers += facts.recent_answers
    return trial_weight(verdicts, answers)


def _without_price(facts: ModelFacts, fit: RouteFit, trials: float, price: float, latency: float) -> Score:
    judged = _judged(facts)
    return Score(
        facts=facts,
        availability=availability_of(facts.answers, facts.failures),
        prior=judged.prior,
        quality=quality_of(judged, fit),
        price=price,
        price_term=0.0,
        latency_term=latency * min((facts.seconds or 0.0) / SLOW, 1.0),
        trial_term=trials * trial_term(facts.bad),
    )


def _without_verdicts(score: Score) -> float:
    """Return the score that a model would have without verdicts and prices.

    Prices are compared with that of the highest: a verdict must not change what the prices of all models weigh.
    """
    return score.availability * score.prior - score.latency_term


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
        first = scores[left[0]]
        lowest = first.total - tie * first.prior_weight
        ties = 0
        while ties < len(left) and scores[left[ties]].total >= lowest:
            ties += 1
        equals = [scores[place] for place in sorted(left[:ties])]
        ordered += sorted(equals, key=_release, reverse=True)
        left = left[ties:]
    return ordered


def _release(score: Score) -> date:
    if score.facts.released is None or not score.facts.strength.known:
        return date.min
    return score.facts.released
