"""What leaderboards know about models: values of many boards on one scale, and from them the strength of a model.

Pure functions over plain rows, whoever has read these. `board_values` is computed once whenever rows are read anew, and
`strengths` once for each route after that; a turn reads only what these have found.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from omni_router.hub.evidence.snapshot import BoardRow

# The constants were chosen on LiveBench of 2025-05-30 and 2025-11-25, on categories that did not choose, and on tables
# drawn at random (docs/benchmarks.md). A star: measured before, on other tables of LiveBench and Arena, and kept.
MIN_MODELS = 4  # *on a board; a mean of fewer says nothing
CUT = 2.5  # *standard deviations; one absurd value must not decide
OWN_WEIGHT = 5.0  # of a board that the route names: 1 and 3 are worse on both dates; 8 is worse on drawn tables
NEUTRAL_WEIGHT = 1.0  # *of the assumption that a model is average, beside the boards that say otherwise
RELEASE_WEIGHT = 2.0  # of the release date, as two more boards: 0 and 1 are worse for code, 4 is worse elsewhere
ENOUGH_BOARDS = 2  # *below, a model is as good as unknown: no release date, no bonus for being cheap
LEAST_AGREEMENT = -0.3  # correlation with all other boards; below, a board is taken to be upside down, and left out
MIN_COMPARED = 5  # models for such a correlation
PERCENT_MEDIAN, LARGEST_FRACTION = 5.0, 1.0  # *on a board of percentages, a value of at most 1 is a fraction
HIGHEST_PERCENT, MISTAKES = 100.0, 0.1  # if no more of the values are higher, they are mistakes among percentages
ABSURD = 1000.0  # times the typical value of a board: such a value is a mistake, and would make all others equal

Scale = dict[str, float]
"""The standardised value of each model on one board."""


@dataclass(frozen=True)
class BoardValues:
    """The values of all boards on one scale: 0 is the mean of the models on a board, 1 a standard deviation above."""

    scales: Mapping[str, Scale]  # by board
    left_out: frozenset[str] = frozenset()  # boards that contradict all others

    def without(self, *boards: str) -> "BoardValues":
        """Return the same without some boards; which boards contradict the others is found out anew."""
        kept = dict(self.scales)
        for name in boards:
            kept.pop(name, None)
        return BoardValues(kept, contradicting(kept))


@dataclass(frozen=True)
class Strength:
    """How strong a model is on the boards, for one route."""

    value: float = 0.0  # in standard deviations, drawn towards 0 where few boards know the model
    boards: int = 0

    @property
    def known(self) -> bool:
        """Whether enough boards know the model."""
        return self.boards >= ENOUGH_BOARDS


UNKNOWN = Strength()


def board_values(rows: Iterable[BoardRow], served: Collection[str] | None = None) -> BoardValues:
    """Bring all boards to one scale.

    Args:
        rows: of several rows for one model on one board, the median counts; values that are not finite are skipped.
        served: the models that a board is standardised over, and that have a value afterwards; None: all.
    """
    by_board: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    lower_is_better: dict[str, bool] = {}
    for row in rows:
        if math.isfinite(row.value) and (served is None or row.model in served):
            by_board[row.board][row.model].append(row.value)
            lower_is_better[row.board] = row.lower_is_better
    scales: dict[str, Scale] = {}
    for name, values in by_board.items():
        scale = _standardise({model: statistics.median(each) for model, each in values.items()}, lower_is_better[name])
        if scale:
            scales[name] = scale
    return BoardValues(scales, contradicting(scales))


def _standardise(values: dict[str, float], lower_is_better: bool) -> Scale:  # noqa: FBT001 (a field of the row)
    """Return the values in standard deviations from their mean; nothing for a board that distinguishes no models."""
    if len(values) < MIN_MODELS:
        return {}
    values = _without_absurd(values)
    if not lower_is_better:
        values = _as_percent(values)
    if len(values) < MIN_MODELS:
        return {}
    mean = statistics.fmean(values.values())
    deviation = math.sqrt(statistics.fmean((value - mean) ** 2 for value in values.values()))
    if deviation <= 1e-9 * max(1.0, abs(mean)):
        return {}
    if lower_is_better:
        deviation = -deviation
    return {model: _clip((value - mean) / deviation, -CUT, CUT) for model, value in values.items()}


def _as_percent(values: dict[str, float]) -> dict[str, float]:
    """Return percentages where some rows of a board of percentages are fractions, or mistakes."""
    too_high = sum(value > HIGHEST_PERCENT for value in values.values())
    if statistics.median(values.values()) <= PERCENT_MEDIAN or too_high > MISTAKES * len(values):
        return values
    percentages: dict[str, float] = {}
    for model, value in values.items():
        if 0 < value <= LARGEST_FRACTION:
            percentages[model] = 100 * value
        elif value <= HIGHEST_PERCENT:
            percentages[model] = value
    return percentages


def _without_absurd(values: dict[str, float]) -> dict[str, float]:
    """Return the values that may be results; where most are 0, any may be."""
    limit = ABSURD * statistics.median(map(abs, values.values()))
    return {model: value for model, value in values.items() if not limit or abs(value) <= limit}


def contradicting(scales: Mapping[str, Scale]) -> frozenset[str]:
    """Return the boards that put models in the reverse order of all others: their rows are probably upside down."""
    totals: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for scale in scales.values():
        for model, value in scale.items():
            totals[model] += value
            counts[model] += 1
    boards = set()
    for name, scale in scales.items():
        here, elsewhere = [], []
        for model, value in scale.items():
            if counts[model] > ENOUGH_BOARDS:
                here.append(value)
                elsewhere.append((totals[model] - value) / (counts[model] - 1))
        if len(here) >= MIN_COMPARED and _correlation(here, elsewhere) < LEAST_AGREEMENT:
            boards.add(name)
    return frozenset(boards)


def _correlation(xs: list[float], ys: list[float]) -> float:
    try:
        return statistics.correlation(xs, ys)
    except statistics.StatisticsError:  # one of them is constant
        return 0.0


def strengths(
    values: BoardValues, own: Collection[str] = (), released: Mapping[str, date] | None = None
) -> dict[str, Strength]:
    """Return how strong each model is, for a route that names some boards its own.

    Args:
        values: what the boards say.
        own: the boards of the route, which count more than the others.
        released: when models were released, of those for which it is known: newer ones are better on average, which
            counts as two more boards of a model that enough boards know.
    """
    totals: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    boards: dict[str, int] = defaultdict(int)
    for name, scale in values.scales.items():
        if name in values.left_out:
            continue
        weight = OWN_WEIGHT if name in own else 1.0
        for model, value in scale.items():
            totals[model] += weight * value
            weights[model] += weight
            boards[model] += 1
    well_known = {model for model, count in boards.items() if count >= ENOUGH_BOARDS}
    for model, value in _recency(released or {}, well_known).items():
        totals[model] += RELEASE_WEIGHT * value
        weights[model] += RELEASE_WEIGHT
    return {
        model: Strength(totals[model] / (weights[model] + NEUTRAL_WEIGHT), count) for model, count in boards.items()
    }


def _recency(released: Mapping[str, date], models: Collection[str]) -> Scale:
    """Return the release dates of these models on the scale of the boards."""
    days = {model: float(released[model].toordinal()) for model in models if model in released}
    return _standardise(days, lower_is_better=False)


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
