"""Tables of scores and prices drawn at random, as like those of real benchmarks as a few numbers make them.

    python -m benchmarks.drawn_tables

writes the two that ship with `omni-router eval-choice`. No number in them is that of a real model. What is drawn: an
ability that all categories share, better for newer and dearer models, one for each route, and noise; the spread of
each was estimated from LiveBench of 2025, and is varied from table to table.
"""

import csv
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from omni_router.evaluation.category_routes import route_of
from omni_router.evaluation.score_tables import (
    PRICE_COLUMNS,
    SCORE_COLUMNS,
    SYNTHETIC_PRICES,
    SYNTHETIC_SCORES,
    ServedModel,
    Tables,
)
from omni_router.selection.scoring import LOWEST_PRICE, mixed_price

CATEGORIES = (
    *("Agentic Coding/javascript", "Agentic Coding/python", "Agentic Coding/typescript"),
    *("Coding/code_completion", "Coding/code_generation", "Mathematics/competition", "Mathematics/olympiad"),
    *("Reasoning/zebra_puzzle", "Reasoning/spatial", "Language/connections", "Language/typos"),
    *("IF/story_generation", "IF/paraphrase", "IF/summarize", "IF/simplify", "Data Analysis/tablejoin"),
)
FIRST_DAY, LAST_DAY = date(2025, 1, 1), date(2026, 7, 1)  # of the releases
USUAL_PRICE, PRICE_SPREAD = 0.55, 1.2  # US dollars for a million tokens, and its standard deviation in doublings
OUTPUT_PRICE = 3.5  # times that of the input
SHARED_SPREAD = 0.75  # standard deviation of the shared ability, in those of a category
HARD, EASY = 14.0, 10.0  # points of one standard deviation: in code, and in other categories


@dataclass(frozen=True)
class Recipe:
    """What a table is drawn from."""

    seed: int
    models: int = 20
    per_year: float = 1.2  # ability that a model gains which is released a year later
    per_doubling: float = 0.15  # ability for twice the price
    luck: float = 0.45  # ability that neither explains
    of_route: float = 0.3  # ability for one route alone
    noise: float = 0.6  # of one score
    rating: bool = False  # scores like Elo's instead of percentages


def varied(tables: int, seed: int, **fixed: float) -> Iterator[Recipe]:
    """Yield recipes whose numbers are drawn from wide ranges around those of real tables."""
    chance = random.Random(seed)
    for number in range(tables):
        drawn = {
            "models": chance.randint(12, 32),
            "per_year": chance.uniform(0.6, 2.6),
            "per_doubling": chance.uniform(0.05, 0.22),
            "of_route": chance.uniform(0.15, 0.4),
            "noise": chance.uniform(0.5, 0.8),
        }
        yield Recipe(seed=1000 * seed + number, **{**drawn, **fixed})  # type: ignore[arg-type]


def draw(recipe: Recipe) -> Tables:
    """Draw one table of scores, and one of prices."""
    chance = random.Random(recipe.seed)
    models = [_model(number, chance) for number in range(1, recipe.models + 1)]
    abilities = _abilities(models, recipe, chance)
    routes: dict[str, list[float]] = {}
    scores: dict[str, dict[str, float]] = {}
    for category in CATEGORIES:
        route = route_of(category)
        if route not in routes:
            routes[route] = [chance.gauss(0, recipe.of_route) for _ in models]
        level = chance.gauss(64, 10)
        scores[category] = {}
        for model, shared, own in zip(models, abilities, routes[route], strict=True):
            value = shared + own + chance.gauss(0, recipe.noise)
            scores[category][model.id] = _score(value, level, route, rating=recipe.rating)
    return Tables({model.id: model for model in models}, {"2026-07-01": scores}, 0)


def _model(number: int, chance: random.Random) -> ServedModel:
    released = FIRST_DAY + timedelta(days=chance.randrange((LAST_DAY - FIRST_DAY).days))
    input_price = round(USUAL_PRICE / 2 * 2 ** chance.gauss(0, PRICE_SPREAD), 2)
    return ServedModel(
        f"sandbox/text-generation-{number}", mixed_price(input_price, OUTPUT_PRICE * input_price), released
    )


def _abilities(models: Sequence[ServedModel], recipe: Recipe, chance: random.Random) -> list[float]:
    """Return the shared ability of each model, with a mean of 0 and the usual spread."""
    raw = []
    for model in models:
        years = ((model.released or FIRST_DAY) - FIRST_DAY) / timedelta(days=365)
        doublings = math.log2(max(model.price or 0.0, LOWEST_PRICE))
        raw.append(recipe.per_year * years + recipe.per_doubling * doublings + chance.gauss(0, recipe.luck))
    mean = sum(raw) / len(raw)
    spread = (sum((value - mean) ** 2 for value in raw) / len(raw)) ** 0.5
    return [SHARED_SPREAD * (value - mean) / spread for value in raw]


def _score(value: float, level: float, route: str, *, rating: bool) -> float:
    if rating:
        return round(1300 + 60 * value, 1)
    points = HARD if route.startswith("code") else EASY
    return round(min(100.0, max(0.0, level + points * value)), 2)


def write(tables: Tables) -> None:
    """Write the two files that ship."""
    with SYNTHETIC_SCORES.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(SCORE_COLUMNS)
        for day, categories in tables.scores.items():
            rows.writerows(_score_rows(day, categories))
    with SYNTHETIC_PRICES.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(PRICE_COLUMNS)
        for model in tables.models.values():
            input_price = (model.price or 0.0) / mixed_price(1, OUTPUT_PRICE)
            prices = (f"{input_price:.2f}", f"{OUTPUT_PRICE * input_price:.2f}")
            rows.writerow((model.id, *prices, 131072, model.released))


def _score_rows(day: str, categories: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[object, ...]]:
    for category, scores in categories.items():
        for model, score in scores.items():
            yield day, category, model, 1, score


if __name__ == "__main__":
    write(draw(Recipe(seed=17)))
    print(f"wrote {SYNTHETIC_SCORES} and {SYNTHETIC_PRICES.name}")
