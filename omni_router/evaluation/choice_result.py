"""What the judgements of chosen models come to: quality and price of each rule, with intervals, and by route."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from omni_router.evaluation.choice import RATING, Judgement, Pick
from omni_router.evaluation.score_tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PICKERS = (
    "random",
    "newest",
    "trending",
    "best_constant",
    "cheapest_adequate_constant",
    "best",
    "balanced",
    "cheapest",
    "oracle",
)
REFERENCE = "best_constant"  # what the others are compared with
REPLICATES = 1000  # of the resampling; the ends of the intervals move by a few per cent with another seed
INTERVAL = (2.5, 97.5)  # percentiles
FEW_MODELS = 12  # with fewer, the lists are much alike


@dataclass(frozen=True)
class ChoiceResult:
    """All judgements on two tables."""

    tables: Tables
    judgements: Sequence[Judgement]
    lists: int
    seed: int

    @cached_property
    def pickers(self) -> list[str]:
        """Return the names of the rules; `trending` only where the table of prices has its column."""
        return list(filter(self.judgements[0].picks.__contains__, PICKERS))

    @cached_property
    def tasks(self) -> dict[tuple[str, str], str]:
        """Return the route of each date and category."""
        return {(each.date, each.category): each.route for each in self.judgements}

    @cached_property
    def routes(self) -> dict[str, list[int]]:
        """Return the places of the tasks of each route."""
        places: dict[str, list[int]] = {}
        for place, route in enumerate(self.tasks.values()):
            places.setdefault(route, []).append(place)
        return dict(sorted(places.items()))

    @cached_property
    def picks(self) -> "Floats":
        """Return score and price by list, task and rule; NaN where a list has too few models of a task."""
        picks = np.full((self.lists, len(self.tasks), len(self.pickers), 2), np.nan)
        places = dict(zip(self.tasks, range(len(self.tasks)), strict=True))
        for each in self.judgements:
            row = picks[each.list_number, places[each.date, each.category]]
            for number, name in enumerate(self.pickers):
                row[number] = each.picks[name]
        return picks

    def overall(self) -> dict[str, Pick]:
        """Return mean quality and price of each rule: of a route over its tasks, and then over the routes."""
        means = list(map(self._mean_of_tasks, self.routes.values()))
        return self._named(np.mean(means, axis=0))

    def by_route(self) -> dict[str, dict[str, Pick]]:
        """Return the same for each route alone."""
        return {route: self._named(self._mean_of_tasks(places)) for route, places in self.routes.items()}

    def _mean_of_tasks(self, places: Sequence[int]) -> "Floats":
        return _mean(self.picks[:, places], axis=(0, 1))

    def _named(self, values: "Floats") -> dict[str, Pick]:
        return dict(zip(self.pickers, map(tuple, values.tolist()), strict=True))

    @cached_property
    def replicates(self) -> "Floats":
        """Return quality and price of each rule on one random list and randomly drawn tasks, many times."""
        chance = np.random.default_rng(self.seed)
        rows = []
        for _ in range(REPLICATES):
            drawn = self.picks[chance.integers(self.lists)]
            routes = [_mean(drawn[chance.choice(places, len(places))], axis=0) for places in self.routes.values()]
            rows.append(_mean(np.array(routes), axis=0))
        return np.array(rows)

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        judged: dict[str, str] = {}
        for (_, task), route in self.tasks.items():
            judged[task] = route
        by_route = {}
        for route, picks in self.by_route().items():
            by_route[route] = {name: _as_json(pick) for name, pick in picks.items()}
        return {
            "pickers": self._pickers_as_json(),
            "routes": by_route,
            "categories": dict(sorted(judged.items())),
            "dates": list(self.tables.scores),
            "models": len(self.tables.models),
            "not_served": self.tables.not_served,
            "lists": self.lists,
            "seed": self.seed,
            "notes": list(self.notes()),
        }

    def _pickers_as_json(self) -> dict[str, dict[str, Any]]:
        reference = self.replicates[:, self.pickers.index(REFERENCE)]
        compared = self.overall()[REFERENCE]
        rows: dict[str, dict[str, Any]] = {}
        for number, (name, pick) in enumerate(self.overall().items()):
            values = self.replicates[:, number]
            ratios = _ratio(values, reference)
            row: dict[str, Any] = {**_as_json(pick), "n": int(np.isfinite(self.picks[:, :, number, 0]).sum())}
            for place, measure in enumerate(("quality", "price")):
                row[f"{measure}_interval"] = _interval(values[:, place])
                row[f"relative_{measure}"] = _number(_ratio(np.array(pick), np.array(compared))[place])
                row[f"relative_{measure}_interval"] = _interval(ratios[:, place])
            rows[name] = row
        return rows

    def notes(self) -> Iterable[str]:
        """Yield what a reader of the figures needs to know."""
        models = list(self.tables.models.values())
        if len(models) < FEW_MODELS:
            yield f"only {len(models)} models are served and have scores: the random lists are much alike"
        if unknown := list(map(attrgetter("price"), models)).count(None):
            yield f"{unknown} of {len(models)} models have no price: the median of their list counts"
        if not any(map(attrgetter("released"), models)):
            yield "no model has a release date: newest is random"
        if np.nanmax(self.picks[..., 0]) > RATING:
            yield "scores above 100 are ratings such as Elo's: their ratios say little, compare differences"


def _as_json(pick: Sequence[float]) -> dict[str, float | None]:
    return {"quality": _number(pick[0]), "price": _number(pick[1])}


def _number(value: float) -> float | None:
    """Return a figure for JSON, which has no NaN."""
    if not np.isfinite(value):
        return None
    return round(float(value), 4)


def _ratio(values: "Floats", reference: "Floats") -> "Floats":
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: Floats = values / reference
    return ratios


def _interval(values: "Floats") -> list[float] | None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = np.percentile(finite, INTERVAL)
    return [round(float(low), 4), round(float(high), 4)]


def _mean(values: "Floats", axis: int | tuple[int, ...]) -> "Floats":
    """Return the mean of what is known; NaN without a warning where nothing is."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def relative(pick: Mapping[str, Any], measure: str) -> str:
    """Return a figure relative to that of the best constant model, as a percentage."""
    value = pick[f"relative_{measure}"]
    return "-" if value is None else f"{100 * value:.1f} %"
