"""The plot of quality against price: the models that are served, the frontier of the best offers, and the rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from omni_router.evaluation.category_routes import route_of
from omni_router.evaluation.choice import Pick
from omni_router.evaluation.choice_result import ChoiceResult
from omni_router.evaluation.plots import COLOURS, DPI, GREY, new_figure, quiet_axes
from omni_router.selection.scoring import LOWEST_PRICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIMPLE, OURS, FRONTIER = COLOURS


class Look(NamedTuple):
    """How points and their names are drawn."""

    colour: str
    marker: str
    size: int
    letters: int
    above: int  # points that the name stands above the point


MODEL, RULE, SCORE = Look(GREY, "o", 18, 6, -7), Look(SIMPLE, "s", 36, 8, -10), Look(OURS, "D", 42, 8, 4)
LOOKS = {"best": SCORE, "balanced": SCORE, "cheapest": SCORE, "adequate_constant": RULE._replace(above=5)}
MARGIN = 1.6  # times the largest price, so that names fit beside their points


def draw_choice(result: ChoiceResult, path: Path) -> bool:
    """Draw the newest date of the tables into a file; return False without matplotlib."""
    if find_spec("matplotlib") is None:
        return False
    newest = at_newest_date(result)
    models, rules = mean_scores(newest), newest.overall()
    figure = new_figure(9.2, 5.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    rules["adequate_constant"] = rules.pop("cheapest_adequate_constant")
    _points(axes, models, MODEL)
    line = frontier(models.values())
    axes.plot([price for _, price in line], [score for score, _ in line], color=FRONTIER, drawstyle="steps-post")
    for name, pick in rules.items():
        _points(axes, {name: pick}, LOOKS.get(name, RULE))
    _label(axes, newest)
    quiet_axes(axes)
    figure.savefig(path, dpi=DPI)
    return True


def at_newest_date(result: ChoiceResult) -> ChoiceResult:
    """Return what was judged at the newest date: scores of different dates are not comparable."""
    newest = max(result.tables.scores)
    tables = replace(result.tables, scores={newest: result.tables.scores[newest]})
    return replace(result, tables=tables, judgements=[each for each in result.judgements if each.date == newest])


def mean_scores(result: ChoiceResult) -> dict[str, Pick]:
    """Return the mean score of each model by route, and its price; models without a price are left out."""
    by_model: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for categories in result.tables.scores.values():
        for category, scores in categories.items():
            for model, score in scores.items():
                by_model[model][route_of(category)].append(score)
    means = {}
    for model, routes in by_model.items():
        price = result.tables.models[model].price
        if price is not None and len(routes) == len(result.routes):
            means[model] = (fmean(map(fmean, routes.values())), max(price, LOWEST_PRICE))
    return means


def frontier(picks: Iterable[Pick]) -> list[Pick]:
    """Return what nothing else beats in both score and price, the cheapest first."""
    line: list[Pick] = []
    for score, price in sorted(picks, key=lambda pick: (pick[1], -pick[0])):
        if not line or score > line[-1][0]:
            line.append((score, price))
    return line


def _points(axes: "Axes", picks: Mapping[str, Pick], look: Look) -> None:
    for name, (score, price) in picks.items():
        axes.scatter([price], [score], s=look.size, color=look.colour, marker=look.marker, linewidths=0, zorder=3)
        text = name.rpartition("/")[2].replace("_", " ")
        shift = (5, look.above)
        axes.annotate(text, (price, score), shift, textcoords="offset points", color=look.colour, fontsize=look.letters)


def _label(axes: "Axes", result: ChoiceResult) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * MARGIN)
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis("{x:g}")
    axes.set(xlabel="US dollars for a million tokens, three of four of them input", ylabel="mean score by route")
    day = max(result.tables.scores)
    axes.set_title(f"Quality against price{f', {day}' if day else ''}", loc="left", fontsize=12)
    text = "grey: models that are served; green: the frontier; orange: by score; blue: simple rules, on random lists"
    axes.text(0, -0.16, text, transform=axes.transAxes, color=GREY, fontsize=8)
