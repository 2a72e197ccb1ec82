"""The metrics of an evaluation: pure functions of outcomes. Shares are 0..1, and None where there is nothing to divide.

Sources: the interval is Wilson's (1927), the calibration error that of Guo et al. (arXiv 1706.04599), the curve of
accuracy against coverage that of selective classification (El-Yaniv and Wiener, 2010).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from omni_router.tasks import OTHER

BINS = 10
Z95 = 1.959964  # the normal quantile of 97.5 %
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)  # shown in the report; the whole curve is in report.json

TIERS = ("semantic", "large")  # the tiers of a cascade
Problem = Literal["unreadable", "not_on_offer", "failed"]


@dataclass(frozen=True)
class Outcome:
    """The prediction of a router for one request."""

    route: str  # the right one
    predicted: str | None  # None: the reply named no route that was offered
    confidence: float | None = None
    seconds: float | None = None  # None: it was part of a batch, as no live request is
    follow_up: bool = False  # there is more than one user turn
    problem: Problem | None = None  # why there is no prediction
    by: str | None = None  # the tier of a cascade that decided

    @property
    def right(self) -> bool:
        """Check whether the predicted route is the right one."""
        return self.predicted == self.route


def share(part: int, whole: int) -> float | None:
    """Divide, or return None for a part of nothing."""
    if whole == 0:
        return None
    return part / whole


def wilson(right: int, n: int) -> list[float] | None:
    """Return the 95 % interval of a share: two numbers within 0..1."""
    if n == 0:
        return None
    p, z2 = right / n, Z95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == n else min(1.0, middle + half)
    return [low, high]


def accuracy(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return n, accuracy and its interval."""
    right, n = _count_right(outcomes), len(outcomes)
    return {"n": n, "accuracy": share(right, n), "ci95": wilson(right, n)}


def per_route(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return n, precision, recall and F1 of each route; None where it is nowhere right, or nowhere predicted."""
    expected: Counter[str] = Counter()
    predicted: Counter[str | None] = Counter()
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        expected[outcome.route] += 1
        predicted[outcome.predicted] += 1
        hits[outcome.route] += outcome.right
    table = {}
    for route in routes:
        table[route] = {
            "n": expected[route],
            "predicted": predicted[route],
            "precision": share(hits[route], predicted[route]),
            "recall": share(hits[route], expected[route]),
            "f1": share(2 * hits[route], expected[route] + predicted[route]),
        }
    return table


def macro_f1(table: dict[str, dict[str, Any]]) -> float | None:
    """Average F1 over the routes that occur in the data."""
    total, n = 0.0, 0
    for row in table.values():
        if row["n"]:
            total += row["f1"]
            n += 1
    if n == 0:
        return None
    return total / n


def confusion(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, Any]:
    """Count: a row for each right route, a column for each predicted one, the last for replies without a route."""
    counts: dict[str, Counter[str | None]] = defaultdict(Counter)
    for outcome in outcomes:
        counts[outcome.route][outcome.predicted] += 1
    columns = itemgetter(*routes, None)
    return {"routes": list(routes), "counts": [list(columns(counts[route])) for route in routes]}


def reliability(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Group outcomes into bins of confidence, each with its mean confidence and accuracy; empty ones are left out."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in _confidences(outcomes):
        bins[min(BINS - 1, int(confidence * BINS))].append((confidence, right))
    curve = []
    for number in sorted(bins):
        confidences, rights = zip(*bins[number], strict=True)
        n, hits = len(rights), sum(rights)
        point = {"from": number / BINS, "to": (number + 1) / BINS, "n": n}
        curve.append({**point, "confidence": sum(confidences) / n, "accuracy": hits / n})
    return curve


def calibration_error(curve: Sequence[dict[str, Any]]) -> float | None:
    """Return the expected calibration error: how far accuracy is from confidence, weighted by the bins' sizes."""
    n, gaps = 0, 0.0
    for point in curve:
        n += point["n"]
        gaps += point["n"] * abs(point["accuracy"] - point["confidence"])
    if n == 0:
        return None
    return gaps / n


def coverage(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Return, for each threshold of confidence, the share of requests at or above it and the accuracy on those."""
    by_confidence = sorted(_confidences(outcomes), key=itemgetter(0), reverse=True)
    curve, covered, hits = [], 0, 0
    for confidence, group in groupby(by_confidence, key=itemgetter(0)):
        for _, right in group:
            covered += 1
            hits += right
        curve.append({"threshold": confidence, "coverage": covered / len(outcomes), "accuracy": hits / covered})
    return curve


def at_coverage(curve: Sequence[dict[str, float]], least: float) -> dict[str, float] | None:
    """Return the first point of the curve that covers at least this share of the requests."""
    for point in curve:
        if point["coverage"] >= least - 1e-9:
            return point
    return None


def validity(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the share of replies with a readable route that was offered, and what was wrong with the others."""
    counts: Counter[Problem | None] = Counter()
    for outcome in outcomes:
        counts[outcome.problem] += 1
    return {
        "valid": share(counts[None], len(outcomes)),
        "unreadable": counts["unreadable"],
        "not_on_offer": counts["not_on_offer"],
        "failed": counts["failed"],
    }


def latency(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Return median and 95th percentile in milliseconds, without the first call, which loads what it needs."""
    times = _times(outcomes)
    if not times:
        return {"p50": None, "p95": None, "first": None}
    first, *others = times
    return {"p50": _quantile(others, 0.5), "p95": _quantile(others, 0.95), "first": first}


def decided(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Return how much each tier of a cascade decided, and how well; nothing for a router without tiers.

    Outcomes of no tier are left over: the embedded router was not sure, and the large one did not reply.
    """
    by_tier: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.by:
            by_tier[outcome.by].append(outcome)
    if not by_tier:
        return {}
    tiers = {}
    for tier in TIERS:
        right, n = _count_right(by_tier[tier]), len(by_tier[tier])
        tiers[tier] = {"n": n, "accuracy": share(right, n)}
    return tiers


def measure(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, Any]:
    """Compute everything that is reported of a router; `other` counts as a route, the last one."""
    names = [*routes, OTHER]
    table = per_route(outcomes, names)
    other = table[OTHER]
    curve = reliability(outcomes)
    tiers = decided(outcomes)
    return {
        **accuracy(outcomes),
        "macro_f1": macro_f1(table),
        **_accuracy_by_turn(outcomes),
        "irrelevance": {"n": other["n"], "recall": other["recall"], "precision": other["precision"]},
        "contract": validity(outcomes),
        "latency_ms": latency(outcomes),
        "timed": len(_times(outcomes)),
        "ece": calibration_error(curve),
        **({"decided": tiers} if tiers else {}),
        "per_route": table,
        "confusion": confusion(outcomes, names),
        "reliability": curve,
        "coverage": coverage(outcomes),
    }


def _accuracy_by_turn(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    first_turns, follow_ups = [], []
    for outcome in outcomes:
        if outcome.follow_up:
            follow_ups.append(outcome)
        else:
            first_turns.append(outcome)
    return {"first_turn": accuracy(first_turns), "follow_up": accuracy(follow_ups)}


def _times(outcomes: Sequence[Outcome]) -> list[float]:
    """Return the milliseconds of the outcomes that were timed."""
    return [outcome.seconds * 1000 for outcome in outcomes if outcome.seconds is not None]


def _count_right(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.right for outcome in outcomes)


def _confidences(outcomes: Sequence[Outcome]) -> Iterator[tuple[float, bool]]:
    """Yield confidence and correctness of each outcome that has a confidence."""
    for outcome in outcomes:
        if outcome.confidence is not None:
            yield outcome.confidence, outcome.right


def _quantile(values: Sequence[float], part: float) -> float | None:
    """Return the smallest value that `part` of the values do not exceed."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
