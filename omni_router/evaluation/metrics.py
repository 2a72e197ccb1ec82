"""What is computed: pure functions over outcomes. Shares are 0..1, and None where there is nothing to share.

Sources: the interval is Wilson's (1927), the calibration error that of Guo et al. (arXiv 1706.04599), the curve of
accuracy against coverage that of selective classification (El-Yaniv and Wiener, 2010).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from omni_router.tasks import OTHER

BINS = 10
Z95 = 1.959964  # the normal quantile of 97.5 %
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)  # told in the report; the whole curve is in report.json

TIERS = ("semantic", "large")  # of a cascade

Problem = Literal["unreadable", "not_on_offer", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What a router made of one request."""

    route: str  # the right one
    predicted: str | None  # None: the reply named no route on offer
    confidence: float | None = None
    seconds: float | None = None  # None: it was asked together with others, as no live request is
    follow_up: bool = False  # there is more than one user turn
    problem: Problem | None = None  # why there is no prediction
    by: str | None = None  # the tier of a cascade that decided

    @property
    def right(self) -> bool:
        """Tell whether the route is the right one."""
        return self.predicted == self.route


def share(part: int, whole: int) -> float | None:
    """Divide, or give None for a part of nothing."""
    return part / whole if whole else None


def wilson(right: int, n: int) -> list[float] | None:
    """Give the 95 % interval of a share: two numbers within 0..1."""
    if not n:
        return None
    p, z2 = right / n, Z95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return [max(0.0, middle - half) if right else 0.0, min(1.0, middle + half) if right < n else 1.0]


def accuracy(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Give n, accuracy and its interval."""
    right, n = _right(outcomes), len(outcomes)
    return {"n": n, "accuracy": share(right, n), "ci95": wilson(right, n)}


def per_route(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give n, precision, recall and F1 of each route; None where a route was never right or never told."""
    wanted = Counter(outcome.route for outcome in outcomes)
    told = Counter(outcome.predicted for outcome in outcomes)
    hits = Counter(outcome.route for outcome in outcomes if outcome.right)
    return {
        route: {
            "n": wanted[route],
            "predicted": told[route],
            "precision": share(hits[route], told[route]),
            "recall": share(hits[route], wanted[route]),
            "f1": share(2 * hits[route], wanted[route] + told[route]),
        }
        for route in routes
    }


def macro_f1(table: dict[str, dict[str, Any]]) -> float | None:
    """Average F1 over the routes that the data hold."""
    scores = [row["f1"] for row in table.values() if row["n"]]
    return sum(scores) / len(scores) if scores else None


def confusion(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, Any]:
    """Count: a row for each right route, a column for each told one, the last for replies without a route."""
    counts = Counter((outcome.route, outcome.predicted) for outcome in outcomes)
    columns = [*routes, None]
    return {"routes": list(routes), "counts": [[counts[row, column] for column in columns] for row in routes]}


def reliability(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Put outcomes into bins of confidence, each with its mean confidence and accuracy; empty ones are left out."""

    def bin_of(outcome: Outcome) -> int:
        return min(BINS - 1, int((outcome.confidence or 0.0) * BINS))

    curve = []
    for number, group in groupby(sorted(_sure(outcomes), key=bin_of), bin_of):
        members = list(group)
        n = len(members)
        curve.append(
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "n": n,
                "confidence": sum(outcome.confidence or 0.0 for outcome in members) / n,
                "accuracy": sum(outcome.right for outcome in members) / n,
            }
        )
    return curve


def calibration_error(curve: Sequence[dict[str, Any]]) -> float | None:
    """Give the expected calibration error: how far accuracy is from confidence, weighted by the bins' sizes."""
    n = sum(point["n"] for point in curve)
    gaps = sum(point["n"] * abs(point["accuracy"] - point["confidence"]) for point in curve)
    return gaps / n if n else None


def coverage(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Give, for each threshold of confidence, the share of requests at or above it and the accuracy on those."""
    sure = sorted(_sure(outcomes), key=lambda outcome: -(outcome.confidence or 0.0))
    curve, taken, right = [], 0, 0
    for confidence, group in groupby(sure, lambda outcome: outcome.confidence or 0.0):
        for outcome in group:
            taken += 1
            right += outcome.right
        curve.append({"threshold": confidence, "coverage": taken / len(outcomes), "accuracy": right / taken})
    return curve


def at_coverage(curve: Sequence[dict[str, float]], wanted: float) -> dict[str, float] | None:
    """Give the first point of the curve that covers as much as is wanted."""
    return next((point for point in curve if point["coverage"] >= wanted - 1e-9), None)


def contract(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Give the share of replies whose route is readable and on offer, and what was wrong with the others."""
    problems = Counter(outcome.problem for outcome in outcomes)
    counts = {problem: problems[problem] for problem in ("unreadable", "not_on_offer", "failed")}
    return {"valid": share(problems[None], len(outcomes)), **counts}


def latency(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Give median and 95th percentile in milliseconds; the first call, which loads and fits what it needs, apart."""
    times = [outcome.seconds * 1000 for outcome in outcomes if outcome.seconds is not None]
    return {"p50": _quantile(times[1:], 0.5), "p95": _quantile(times[1:], 0.95), "first": times[0] if times else None}


def decided(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Tell what each tier of a cascade decided, and how often that was right; nothing for a router without tiers.

    What neither counts is left: there the large router had no reply, and the embedded one was not sure.
    """
    if not any(outcome.by for outcome in outcomes):
        return {}
    parts = {tier: [outcome for outcome in outcomes if outcome.by == tier] for tier in TIERS}
    return {tier: {"n": len(part), "accuracy": share(_right(part), len(part))} for tier, part in parts.items()}


def measure(outcomes: Sequence[Outcome], routes: Sequence[str]) -> dict[str, Any]:
    """Compute all there is to report of a router; `other` counts as a route, the last one."""
    names = [*routes, OTHER]
    table = per_route(outcomes, names)
    curve, covered = reliability(outcomes), coverage(outcomes)
    return {
        **accuracy(outcomes),
        "macro_f1": macro_f1(table),
        "first_turn": accuracy([outcome for outcome in outcomes if not outcome.follow_up]),
        "follow_up": accuracy([outcome for outcome in outcomes if outcome.follow_up]),
        "irrelevance": {key: table[OTHER][key] for key in ("n", "recall", "precision")},
        "contract": contract(outcomes),
        "latency_ms": latency(outcomes),
        "timed": sum(outcome.seconds is not None for outcome in outcomes),
        "ece": calibration_error(curve),
        **({"decided": tiers} if (tiers := decided(outcomes)) else {}),
        "per_route": table,
        "confusion": confusion(outcomes, names),
        "reliability": curve,
        "coverage": covered,
    }


def _right(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.right for outcome in outcomes)


def _sure(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.confidence is not None]


def _quantile(values: Sequence[float], part: float) -> float | None:
    """Give the smallest value that `part` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else None
