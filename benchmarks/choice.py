"""How good and how dear the chosen models are, on other people's tables and on drawn ones, and what a choice costs.

python -m benchmarks.choice --data ../shared/data
"""

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.drawn_tables import draw, varied
from benchmarks.report import IMAGES, in_turns, spread, table, write_section
from omni_router.evaluation.choice import judge
from omni_router.evaluation.choice_plot import draw_choice
from omni_router.evaluation.choice_result import ChoiceResult
from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES, Tables, read_tables
from omni_router.hub.evidence import BoardRow
from omni_router.selection.board_values import board_values, strengths
from omni_router.selection.scoring import ModelFacts, in_order, score_for

LISTS, DRAWN, DRAWN_LISTS = 200, 60, 10
SEED = 2027  # of the drawn tables; the constants were chosen with the seeds 1 to 11 and 501; 77 and 2026 were in view
CODE = ("code_generation", "code_debugging")
KEEPS, SAVES = 0.98, 0.60  # the aims: of the quality and of the price of the best constant model
MODELS, BOARDS = 100, 40


def evaluate(tables: Tables, lists: int = LISTS, *, across_dates: bool = False) -> ChoiceResult:
    """Judge all rules on two tables."""
    return ChoiceResult(tables, list(judge(tables, lists=lists, across_dates=across_dates)), lists, 0)


def code_quality(result: ChoiceResult, rule: str) -> float:
    """Return the mean quality of a rule on the routes of code."""
    routes = result.by_route()
    return float(np.mean([routes[route][rule][0] for route in CODE]))


def rows_of(name: str, result: ChoiceResult) -> list[list[str]]:
    """Write a line for each rule."""
    rows = []
    for rule, figures in result.as_json()["pickers"].items():
        rows.append([name, rule, *_cells(figures, "quality", 1), *_cells(figures, "price", 2)])
        rows[-1].append(f"{code_quality(result, rule):.1f}")
    return rows


def _cells(figures: Mapping[str, Any], measure: str, digits: int) -> list[str]:
    low, high = figures[f"relative_{measure}_interval"]
    relative = f"{100 * figures[f'relative_{measure}']:.1f} % ({100 * low:.0f} to {100 * high:.0f})"
    return [f"{figures[measure]:.{digits}f}", relative]


def drawn(*, rating: bool) -> list[str]:
    """Judge tables drawn at random, and write a line about how often the aims are met."""
    quality, price, newest = [], [], []
    for recipe in tqdm(list(varied(DRAWN, SEED, rating=rating))):
        result = evaluate(draw(recipe), DRAWN_LISTS)
        picks = result.overall()
        quality.append(picks["balanced"][0] / picks["best_constant"][0])
        price.append(picks["balanced"][1] / picks["best_constant"][1])
        newest.append(code_quality(result, "best") - code_quality(result, "newest"))
    good, cheap = np.array(quality) >= KEEPS, np.array(price) <= SAVES
    shares = [good.mean(), cheap.mean(), (good & cheap).mean(), (np.array(newest) >= 0).mean()]
    means = [f"{100 * np.mean(quality):.1f} %", f"{100 * np.mean(price):.0f} %"]
    return ["ratings" if rating else "percentages", *means, *(f"{100 * share:.0f} %" for share in shares)]


def cost() -> str:
    """Measure what a choice costs with many models and boards in memory."""
    chance = random.Random(1)
    names = [f"sandbox/text-generation-{number}" for number in range(MODELS)]
    rows = [BoardRow(f"board {board}", name, chance.gauss(60, 10)) for board in range(BOARDS) for name in names]
    released = {name: date(2026, 1, 1) + timedelta(days=chance.randrange(300)) for name in names}
    values = board_values(rows)
    known = strengths(values, ("board 1", "board 2"), released)
    facts = [ModelFacts(name, known[name], chance.uniform(0.1, 3), released[name], 9, 1, 3, 1) for name in names]
    times = in_turns(
        {
            "all boards, once when they are read": lambda: board_values(rows),
            "a route, once when boards are read": lambda: strengths(values, ("board 1", "board 2"), released),
            "a turn": lambda: in_order(score_for(facts, "balanced")),
        },
        rounds=100,
        clock=time.thread_time,
    )
    return table(["step", f"{MODELS} models, {BOARDS} boards"], [[name, spread(each)] for name, each in times.items()])


def main(data: Path) -> None:
    """Measure, and write the section."""
    head = ["table", "rule", "quality", "of the best constant", "price", "of the best constant", "quality on code"]
    results: dict[str, ChoiceResult] = {}
    evidence = data / "evidence"
    if evidence.exists():
        both = read_tables(evidence / "livebench_2025.csv", evidence / "hf_prices_2026-07.csv")
        for day, scores in both.scores.items():
            results[f"LiveBench {day}"] = evaluate(replace(both, scores={day: scores}))
        results["LiveBench, the other date chooses"] = evaluate(both, across_dates=True)
    results["synthetic, as shipped"] = evaluate(read_tables(SYNTHETIC_SCORES, SYNTHETIC_PRICES))
    draw_choice(results["synthetic, as shipped"], IMAGES / "choice.png")
    rows: list[Sequence[str]] = []
    for name, result in results.items():
        rows += rows_of(name, result)
    parts = [ABOUT, table(head, rows), PLOT, ABOUT_DRAWN.format(n=DRAWN, seed=SEED), table(HEAD_DRAWN, _drawn_rows())]
    write_section("The choice of models: quality and price", "\n\n".join([*parts, ABOUT_COST, cost()]))


def _drawn_rows() -> list[list[str]]:
    return [drawn(rating=False), drawn(rating=True)]


HEAD_DRAWN = [
    *("scores", "quality of balanced", "its price", "98 % of the quality", "60 % of the price"),
    *("both", "on code, best at least as good as newest"),
]
ABOUT = """\
`omni-router eval-choice` on 200 random lists of models at each date. A category is judged by models that other
categories have chosen, or, where the table says so, other categories of the other date. Quality is the mean score by
route, price in US dollars for a million tokens, three of four of them input. Brackets: 95 % of random lists and
resampled tasks. The constants of the score were chosen on these two dates of LiveBench and on tables drawn at random;
prices are those of July 2026, at which models of 2025 are cheap. `balanced` aims at 98 % of the quality of the best
constant model for 60 % of its price."""
PLOT = """\
The synthetic tables; no number in them is that of a real model:

![Quality against price of models and rules](images/choice.png)"""
ABOUT_DRAWN = """\
{n} tables drawn at random by `benchmarks/drawn_tables.py` with seed {seed}, measured after all constants were set:
12 to 32 models, and wide ranges of how much newer and dearer ones are better. How often `balanced` meets its aims
depends on what is served: where nothing good is cheap, no rule can."""
ABOUT_COST = "What a choice costs, in CPU time:"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder evidence")
    main(parser.parse_args().data)
