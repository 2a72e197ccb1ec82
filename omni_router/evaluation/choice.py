"""How good and how dear the chosen models are: the score of selection/scoring.py beside simple rules, held out.

Each category is judged in turn by models that the other categories have chosen, on many random lists of models: what an
account may call differs, and a single list says little.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from statistics import fmean, median

from omni_router.evaluation.category_routes import price_weight, route_of, shares_boards
from omni_router.evaluation.score_tables import Scores, ServedModel, Tables
from omni_router.hub.evidence import BoardRow
from omni_router.selection.board_values import UNKNOWN, BoardValues, board_values, strengths
from omni_router.selection.scoring import ModelFacts, in_order, score_for

LISTS = 200  # random lists of models at each date: a mean moves by less than 0.2 % with another seed
LARGEST_LIST, SMALLEST_LIST, LIST_SHARE = 12, 4, 2 / 3  # models
ADEQUATE = 0.98  # of the best constant model's mean score
BEHIND_NAME = "\n"  # stands between the name of a category and the other date that its scores are of
RATING = 100.0  # a larger score is a rating such as Elo's, of which 98 % means nothing
ADEQUATE_RATING = 7.0  # points below the best: as often preferred as that one, in 49 of 100 comparisons

_id = attrgetter("id")

Pick = tuple[float, float]
"""Score and price of what a rule has picked."""


@dataclass(frozen=True)
class Judgement:
    """What each rule has picked for one category from one list of models, and how good and how dear that is."""

    list_number: int
    date: str
    category: str
    route: str
    picks: Mapping[str, Pick]


@dataclass(frozen=True)
class ModelList:
    """A list of models at one date: who may be chosen, what is known of them, and by which scores they are judged."""

    models: Sequence[ServedModel]
    judged_by: Scores
    chosen_by: Scores
    values: BoardValues
    """What `chosen_by` says, on one scale."""

    def prices(self) -> dict[str, float]:
        """Return the price of each model; the median of the others where it is not known."""
        prices: dict[str, float] = {}
        for model in self.models:
            if model.price is not None:
                prices[model.id] = model.price
        usual = median(prices.values()) if prices else math.nan
        return {**dict.fromkeys(map(_id, self.models), usual), **prices}


def judge(
    tables: Tables,
    *,
    lists: int = LISTS,
    seed: int = 0,
    across_dates: bool = False,
    advance: Callable[[int], object] = lambda _count: None,
) -> Iterator[Judgement]:
    """Yield what each rule picks, for each list of models, date and category.

    Args:
        tables: the scores and prices.
        lists: how many lists of models are drawn at each date.
        seed: of the drawing.
        across_dates: whether the scores of the other dates choose, and not those of the same date.
        advance: is called with 1 after each list.
    """
    for day, judged_by in tables.scores.items():
        ids = sorted(set().union(*judged_by.values()))
        choosers = _choosers(tables, day, across_dates=across_dates)
        for number in range(lists):
            chance = random.Random(f"{seed} {day} {number}")
            members = set(chance.sample(ids, _list_size(len(ids))))
            drawn = _model_list(tables, members, judged_by, choosers)
            for category in judged_by:
                if picks := _picks(drawn, category):
                    yield Judgement(number, day, category, route_of(category), picks)
            advance(1)


def _list_size(models: int) -> int:
    return min(models, LARGEST_LIST, max(SMALLEST_LIST, math.ceil(LIST_SHARE * models)))


def _choosers(tables: Tables, day: str, *, across_dates: bool) -> Scores:
    """Return the scores that choose; those of other dates keep the date in their name, behind that of the category."""
    if not across_dates:
        return tables.scores[day]
    others: dict[str, Mapping[str, float]] = {}
    for other, categories in tables.scores.items():
        if other != day:
            others |= {f"{name}{BEHIND_NAME}{other}": values for name, values in categories.items()}
    return others


def _model_list(tables: Tables, members: set[str], judged_by: Scores, choosers: Scores) -> ModelList:
    models = [model for model in tables.models.values() if model.id in members]
    models.sort(key=_release, reverse=True)  # stands in for the catalog's order, which decides where scores do not
    if tables.has_trending:
        models.sort(key=_trending)
    rows: list[BoardRow] = []
    for category, values in choosers.items():
        for model, score in values.items():
            rows.append(BoardRow(category, model, score))
    return ModelList(models, judged_by, choosers, board_values(rows, members))


def _release(model: ServedModel) -> date:
    return model.released or date.min


def _trending(model: ServedModel) -> float:
    return model.trending or math.inf


def _category(chooser: str) -> str:
    return chooser.partition(BEHIND_NAME)[0]


def _picks(drawn: ModelList, category: str) -> dict[str, Pick]:
    """Return what each rule picks for a category from the models that have a score in it."""
    scores = drawn.judged_by[category]
    models = [model for model in drawn.models if model.id in scores]
    if len(models) < 2:  # noqa: PLR2004 (nothing to choose from)
        return {}
    prices = drawn.prices()
    chosen = {**_simple_rules(models, scores), **_constants(drawn, category, models, prices)}
    chosen |= _by_score(drawn, category, models)
    picks = {}
    for name, picked in chosen.items():
        picks[name] = (fmean(scores[model.id] for model in picked), fmean(prices[model.id] for model in picked))
    return picks


def _simple_rules(models: Sequence[ServedModel], scores: Mapping[str, float]) -> dict[str, Sequence[ServedModel]]:
    """Return what rules pick that need no scores, and what nobody can know; of equals, all."""
    rules: dict[str, Sequence[ServedModel]] = {"random": models}
    newest = max(map(_release, models))
    rules["newest"] = [model for model in models if _release(model) == newest]
    first = min(models, key=_trending)
    if first.trending:
        rules["trending"] = [model for model in models if model.trending == first.trending]
    rules["oracle"] = [max(models, key=lambda model: scores[model.id])]
    return rules


def _constants(
    drawn: ModelList, category: str, models: Sequence[ServedModel], prices: Mapping[str, float]
) -> dict[str, Sequence[ServedModel]]:
    """Return the model with the highest mean score in all other categories, and the cheapest that is about as good."""
    means = _mean_scores(drawn, category, models)
    best = max(models, key=lambda model: means[model.id])
    highest = means[best.id]
    least = highest - ADEQUATE_RATING
    if highest <= RATING:
        least = ADEQUATE * highest
    adequate = [model for model in models if means[model.id] >= least]
    return {
        "best_constant": [best],
        "cheapest_adequate_constant": [min(adequate, key=lambda model: prices[model.id])],
    }


def _mean_scores(drawn: ModelList, category: str, models: Sequence[ServedModel]) -> dict[str, float]:
    """Return the mean score of each model in all other categories.

    Not every category has every model: a model's mean is that of all models, plus its mean distance from the others.
    """
    ids = set(map(_id, drawn.models))
    distances: dict[str, list[float]] = {model.id: [] for model in models}
    level = []
    for chooser, scores in drawn.chosen_by.items():
        here = [score for model, score in scores.items() if model in ids]
        if _category(chooser) == category or not here:
            continue
        mean = fmean(here)
        level.append(mean)
        for model, values in distances.items():
            if model in scores:
                values.append(scores[model] - mean)
    usual = fmean(level) if level else 0.0
    return {model: usual + (fmean(values) if values else 0.0) for model, values in distances.items()}


def _by_score(drawn: ModelList, category: str, models: Sequence[ServedModel]) -> dict[str, Sequence[ServedModel]]:
    """Return the first model by the score, for each preference; the category's own scores are left out."""
    route = route_of(category)
    same, own, released = [], [], {}
    for chooser in drawn.values.scales:
        if _category(chooser) == category:
            same.append(chooser)
        elif shares_boards(route_of(_category(chooser)), route):
            own.append(chooser)
    for model in models:
        if model.released:
            released[model.id] = model.released
    known = strengths(drawn.values.without(*same), own, released)
    facts: dict[ModelFacts, ServedModel] = {}
    for model in models:
        facts[ModelFacts(model.id, known.get(model.id, UNKNOWN), model.price, model.released)] = model
    rules: dict[str, Sequence[ServedModel]] = {}
    for prefer in ("best", "balanced", "cheapest"):
        first = in_order(score_for(list(facts), price_weight(prefer, route)))[0]
        rules[prefer] = [facts[first.facts]]
    return rules
