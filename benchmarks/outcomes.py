"""What verdicts add to leaderboards: 500 calls of each route, with verdicts on some of them, rule by rule.

    python -m benchmarks.outcomes --data ../shared/data
    python -m benchmarks.outcomes --outcomes TABLE.csv

A call is good with the probability that a table of scores gives for its model, and the prior is what the other
categories say of it. --outcomes replays a table of outcomes instead, one line each: route,prompt,model,outcome, with
outcomes from 0 to 1; its prior is flat. Prices do not matter here.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.outcome_rules import CALLS_A_DAY, Floats, Picks, Rule, Seen, rules
from benchmarks.report import IMAGES, table, write_section
from omni_router.evaluation.category_routes import route_of, shares_boards
from omni_router.evaluation.plots import COLOURS, DPI, GREY, new_figure, quiet_axes
from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES, Tables, read_tables
from omni_router.hub.evidence import BoardRow
from omni_router.selection.board_values import UNKNOWN, board_values, strengths
from omni_router.selection.scoring import MEAN_QUALITY, QUALITY_OF_STRENGTH, prior_of
from omni_router.selection.verdicts import VERDICT_HALF_LIFE

CALLS, RUNS, EVENT, LAST = 500, 10, 250, 100  # calls, runs of each route, the call at which something happens
SHARES = (1.0, 0.1, 0.05)  # of the calls that get a verdict
TRENDING = 0.45  # correlation of the catalog's order with quality, as measured on the Hub
PRIORS = ("good", "weak", "shuffled", "reversed")
EVENTS = ("degrades", "vanishes", "new")


@dataclass(frozen=True)
class Route:
    """The models of a route: how often each is right, and what boards let expect."""

    name: str
    truth: Floats
    prior: Floats


@dataclass(frozen=True)
class Game:
    """The same route many times, in catalogs of different order."""

    truth: Floats
    prior: Floats

    @property
    def best(self) -> Picks:
        """Return the place of the best model in each run."""
        return np.asarray(self.truth.argmax(axis=1))


def routes_of(tables: Tables) -> Iterator[Route]:
    """Yield a route for each category of each date; the prior is what the other categories of that date say."""
    for categories in tables.scores.values():
        rows = [BoardRow(name, model, score) for name, scores in categories.items() for model, score in scores.items()]
        values = board_values(rows)
        for category, scores in categories.items():
            own = [name for name in categories if shares_boards(route_of(name), route_of(category))]
            known = strengths(values.without(category), own)
            prior = [prior_of(known.get(model, UNKNOWN)) for model in scores]
            yield Route(category, np.array(list(scores.values())) / 100, np.array(prior))


def game(route: Route, prior: str, chance: np.random.Generator, runs: int = RUNS) -> Game:
    """Shuffle the models into the order of a catalog, which knows a little about quality, and spoil the prior."""
    size = len(route.truth)
    spread = route.truth.std() or 1.0
    noise = chance.normal(size=(runs, size))
    trending = TRENDING * (route.truth - route.truth.mean()) / spread + np.sqrt(1 - TRENDING**2) * noise
    order = np.argsort(-trending, axis=1)
    priors = np.broadcast_to(route.prior, (runs, size))
    if prior == "weak":
        weak = 0.3 * (route.prior - MEAN_QUALITY) + QUALITY_OF_STRENGTH * 0.6 * chance.normal(size=(runs, size))
        priors = MEAN_QUALITY + weak
    if prior == "shuffled":
        priors = chance.permuted(priors, axis=1)
    if prior == "reversed":
        priors = 2 * MEAN_QUALITY - priors
    if prior == "flat":
        priors = np.full((runs, size), MEAN_QUALITY)
    truth = np.broadcast_to(route.truth, (runs, size))
    return Game(np.take_along_axis(truth, order, 1), np.take_along_axis(np.clip(priors, 0.4, 0.95), order, 1))


def play(
    played: Game, rule: Rule, share: float, chance: np.random.Generator, event: str = "", **how: float | None
) -> Floats:
    """Return the expected quality of each call relative to the best model at that time, by run and call."""
    truth = played.truth.copy()
    rows = np.arange(len(truth))
    offered = np.ones(truth.shape, bool)
    if event == "new":
        offered[rows, played.best] = False
    seen = Seen(played.prior, chance, offered, share, **how)  # type: ignore[arg-type]  # by name
    served = np.ones(truth.shape, bool)
    quality = np.zeros((len(truth), CALLS))
    for call in range(CALLS):
        if call == EVENT:
            _happen(event, played, truth, offered, served)
        picks = _answered(rule, seen, served)
        right = chance.random(len(rows)) < truth[rows, picks]
        judged = chance.random(len(rows)) < share
        seen.good[rows, picks] += right & judged
        seen.bad[rows, picks] += ~right & judged
        seen.fade()
        there = np.where(offered & served, truth, 0)
        quality[:, call] = truth[rows, picks] / np.maximum(there.max(axis=1), 1e-9)
    return quality


def _happen(event: str, played: Game, truth: Floats, offered: "np.ndarray", served: "np.ndarray") -> None:
    rows = np.arange(len(truth))
    if event == "degrades":
        truth[rows, played.best] *= 0.5
    if event == "vanishes":
        served[rows, played.best] = False
    if event == "new":
        offered[rows, played.best] = True


def _answered(rule: Rule, seen: Seen, served: "np.ndarray") -> Picks:
    """Return the models that answer: where one fails, the next is called in the same turn, as the graph does."""
    rows = np.arange(len(served))
    offered = seen.offered.copy()
    picks = rule(seen)
    failed = ~served[rows, picks]
    while failed.any():
        seen.failures[rows[failed], picks[failed]] += 1
        seen.offered[rows[failed], picks[failed]] = False
        picks = np.where(failed, rule(seen), picks)
        failed = ~served[rows, picks]
    seen.offered[:] = offered
    seen.answers[rows, picks] += 1
    return picks


@dataclass(frozen=True)
class Figures:
    """Quality relative to the best model, over the calls."""

    curve: Floats

    def text(self) -> str:
        """Write the mean of all calls and of the last hundred, as percentages."""
        return f"{100 * self.curve.mean():.1f}, {100 * self.curve[-LAST:].mean():.1f}"


def measure(
    routes: Sequence[Route], rule: Rule, share: float, prior: str, event: str = "", **how: float | None
) -> Figures:
    """Play every route, and return the means."""
    curves = []
    for number, route in enumerate(routes):
        played = game(route, prior, np.random.default_rng(number))
        curves.append(play(played, rule, share, np.random.default_rng(1000 + number), event, **how).mean(axis=0))
    return Figures(np.mean(curves, axis=0))


def by_prior(routes: Sequence[Route]) -> dict[tuple[str, float], dict[str, Figures]]:
    """Measure every rule with each prior and share of verdicts."""
    cases = list(product(PRIORS, SHARES))
    return {
        case: {name: measure(routes, rule, case[1], case[0]) for name, rule in rules().items()} for case in tqdm(cases)
    }


def by_event(routes: Sequence[Route]) -> list[list[str]]:
    """Measure what happens to a model in the middle, with a good prior and with verdicts that fade or do not."""
    rows = []
    for event, share, half_life in tqdm(list(product(EVENTS, SHARES[:2], (None, HALF_LIFE)))):
        figures = [measure(routes, rule, share, "good", event, half_life=half_life) for rule in rules().values()]
        fades = f"after {half_life} calls" if half_life else "never"
        rows.append([event, f"{100 * share:.0f} %", fades, *(each.text() for each in figures)])
    return rows


def draw(measured: Mapping[tuple[str, float], Mapping[str, Figures]], path: Path) -> None:
    """Draw the quality over the calls, one panel for each prior and share of verdicts."""
    figure = new_figure(11, 5.6)
    panels = figure.subplots(2, len(PRIORS), sharex=True, sharey=True)
    for axes, (share, prior) in zip(panels.flat, product(SHARES[:2], PRIORS), strict=True):
        for (name, colour), dashes in zip(SHOWN.items(), ("-", "--", ":", "-"), strict=True):
            curve = np.convolve(measured[prior, share][name].curve, np.ones(SMOOTH) / SMOOTH, "valid")
            axes.plot(100 * curve, color=colour, linestyle=dashes, label=name)
        axes.set_title(f"{prior} prior, {100 * share:.0f} % verdicts", loc="left", fontsize=9)
        quiet_axes(axes)
    panels[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.supxlabel("calls of a route", fontsize=9)
    figure.supylabel("quality, % of the best model", fontsize=9)
    figure.savefig(path, dpi=DPI)


def replay(path: Path) -> list[Route]:
    """Read a table of outcomes by route, prompt and model; what a model gets right of a route is its quality."""
    outcomes: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            outcomes.setdefault(row["route"], {}).setdefault(row["model"], []).append(float(row["outcome"]))
    routes = []
    for name, models in outcomes.items():
        truth = np.array([np.mean(values) for values in models.values()])
        routes.append(Route(name, truth, np.full(len(truth), MEAN_QUALITY)))
    return routes


def main(data: Path, outcomes: Path | None) -> None:
    """Measure, and write the section."""
    evidence = data / "evidence"
    names = (evidence / "livebench_2025.csv", evidence / "hf_prices_2026-07.csv")
    source = "LiveBench of 2025, both dates"
    if not names[0].exists():
        names, source = (SYNTHETIC_SCORES, SYNTHETIC_PRICES), "the synthetic tables that ship"
    routes = replay(outcomes) if outcomes else list(routes_of(read_tables(*names)))
    if outcomes:
        source = str(outcomes.name)
    measured = by_prior(routes)
    rows = [
        [prior, f"{100 * share:.0f} %", *(each.text() for each in row.values())]
        for (prior, share), row in measured.items()
    ]
    parts = [ABOUT.format(source=source, routes=len(routes)), table(["prior", "verdicts", *rules()], rows)]
    parts += [ABOUT_EVENTS, table(["event", "verdicts", "verdicts fade", *rules()], by_event(routes))]
    draw(measured, IMAGES / "outcomes.png")
    write_section(SECTION, "\n\n".join([*parts, PLOT]))


SECTION = "Verdicts: 500 calls of a route"
SHOWN = {"score": COLOURS[1], "prior": COLOURS[0], "catalog": GREY, "sampling": COLOURS[2]}
SMOOTH = 20  # calls that a point of the plot is the mean of
ABOUT = """\
Simulated on {source}: each of {routes} categories is a route, a call is good with the probability that the model's
score gives, and the prior is what the other categories say (*good*), mostly noise (*weak*), that of other models
(*shuffled*) or its mirror image (*reversed*). The catalog's order correlates with quality by 0.45. Figures are
percentages of the best model of the route: the mean of 500 calls, and that of the last hundred."""
ABOUT_EVENTS = """\
At call 250 the best model becomes half as good (*degrades*), is served no more (*vanishes*), or is listed for the first
time (*new*); the prior is good. Verdicts fade by half in the number of calls shown, thirty days at ten calls a day."""
PLOT = "![Quality over 500 calls by prior and share of verdicts](images/outcomes.png)"
HALF_LIFE = VERDICT_HALF_LIFE.days * CALLS_A_DAY

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder evidence")
    parser.add_argument("--outcomes", type=Path, help="a table of outcomes to replay instead")
    arguments = parser.parse_args()
    main(arguments.data, arguments.outcomes)
