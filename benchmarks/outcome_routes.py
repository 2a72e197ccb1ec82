"""The routes of the simulation of verdicts: how often each model is right, and what boards let expect of it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.drawn_tables import draw, varied
from benchmarks.outcome_rules import Floats, Picks
from omni_router.evaluation.category_routes import route_of, shares_boards
from omni_router.evaluation.score_tables import Tables
from omni_router.hub.evidence import BoardRow
from omni_router.selection.board_values import UNKNOWN, board_values, strengths
from omni_router.selection.scoring import MEAN_QUALITY, QUALITY_OF_STRENGTH, prior_of

RUNS = 10  # of each route
TRENDING = 0.45  # correlation of the catalog's order with quality, as measured on the Hub
DRAWN, SEED = 4, 2027  # tables drawn at random


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


def sources_of(tables: Tables) -> dict[str, list[Route]]:
    """Return the routes of each date, and those of tables drawn at random that chose nothing."""
    sources: dict[str, list[Route]] = {}
    for day, scores in tables.scores.items():
        sources[day or "scores"] = list(routes_of(replace(tables, scores={day: scores})))
    sources["drawn"] = []
    for recipe in varied(DRAWN, SEED):
        sources["drawn"] += routes_of(draw(recipe))
    return sources
