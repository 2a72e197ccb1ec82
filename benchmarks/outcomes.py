"""What verdicts add to leaderboards: 500 calls of each route, with verdicts on some of them, rule by rule.

    python -m benchmarks.outcomes --data ../shared/data
    python -m benchmarks.outcomes --outcomes TABLE.csv

A call is good with the probability that a table of scores gives for its model, and the prior is what the other
categories say of it. --outcomes replays a table of outcomes instead, one line each: route,prompt,model,outcome, with
outcomes from 0 to 1; its prior is flat. Prices do not matter here.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.outcome_rules import CALLS_A_DAY, Floats, Picks, Rule, Seen, rules
from benchmarks.report import IMAGES, table, write_section
from omni_router.evaluation.category_routes import route_of, shares_boards
from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES, Tables, read_tables
from omni_router.selection.board_values import UNKNOWN, BoardRow, board_values, strengths
from omni_router.selection.scoring import MEAN_QUALITY, QUALITY_OF_STRENGTH, VERDICT_HALF_LIFE, prior_of

CALLS, RUNS, EVENT, LAST = 500, 40, 250, 100  # calls, runs of each route, the call at which something happens
SHARES = (1.0, 0.1, 0.05)  # of the calls that get a verdict
TRENDING = 0.45  # correlation of the catalog's order with quality, as measured on the Hub
PRIORS = ("good", "weak", "wrong")
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
    if prior == "wrong":
        priors = 2 * MEAN_QUALITY - priors
    if prior == "flat":
        priors = np.full((runs, size), MEAN_QUALITY)
    truth = np.broadcast_to(route.truth, (runs, size))
    return Game(np.take_along_axis(truth, order, 1), np.take_along_axis(np.clip(priors, 0.4, 0.95), order, 1))


def play(  # noqa: PLR0913 (a game, a rule, and what happens)
    played: Game, rule: Rule, share: float, chance: np.random.Generator, event: str = "", **how: float | None
) -> Floats:
    """Return the expected quality of each call relative to the best model at that time, by run and call."""
    truth = played.truth.copy()
    rows = np.arange(len(truth))
    offered = np.ones(truth.shape, bool)
    if event == "new":
        offered[rows, played.best] = False
    seen = Seen(played.prior, chance, offered, **how)  # type: ignore[arg-type]  # by name
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
    """Quality relative to the best model: of all calls, of the last hundred, and of those after a hundred verdicts."""

    whole: float
    last: float
    curve: Floats


def measure(routes: Sequence[Route], rule: Rule, share: float, prior: str, event: str = "", **how: float | None) -> Figures:
    """Play every route, and return the means."""
    curves = []
    for number, route in enumerate(routes):
        played = game(route, prior, np.random.default_rng(number))
        curves.append(play(played, rule, share, np.random.default_rng(1000 + number), event, **how).mean(axis=0))
    curve = np.mean(curves, axis=0)
    return Figures(float(curve.mean()), float(curve[-LAST:].mean()), curve)


def main(data: Path) -> None:
    """Measure, and print."""


HALF_LIFE = VERDICT_HALF_LIFE.days * CALLS_A_DAY
