"""What changed between two runs on the same data, and whether it is more than noise."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.evaluation.data import Item
from omni_router.evaluation.formatting import bullets, number, quote, table
from omni_router.evaluation.result import Evaluation

SIGNIFICANT = 0.05
SHOWN = 10  # flips of each kind in the summary; report.json has all


@dataclass(frozen=True)
class Pair:
    """The predictions of both runs for one item; the data of this run say which route is right."""

    item: Item
    before: str | None
    after: str | None

    @property
    def was_right(self) -> bool:
        """Check whether the old run was right."""
        return self.before == self.item.route

    @property
    def is_right(self) -> bool:
        """Check whether the new run is right."""
        return self.after == self.item.route


@dataclass(frozen=True)
class Comparison:
    """A router of this run against one of an old run, item by item."""

    router: str
    old_router: str
    old: Path
    pairs: Sequence[Pair]
    left_out: int  # items of this run that the old one did not have

    @property
    def gained(self) -> list[Pair]:
        """Return what was wrong and is right now."""
        return [pair for pair in self.pairs if pair.is_right and not pair.was_right]

    @property
    def lost(self) -> list[Pair]:
        """Return what was right and is wrong now."""
        return [pair for pair in self.pairs if pair.was_right and not pair.is_right]

    @property
    def p_value(self) -> float:
        """Return the probability of a split at least as uneven if both runs were equally good."""
        return mcnemar(len(self.gained), len(self.lost))

    @property
    def verdict(self) -> str:
        """Return in words whether the difference is noise."""
        gained, lost = len(self.gained), len(self.lost)
        if gained + lost == 0:
            return "no difference"
        if self.p_value >= SIGNIFICANT:
            return "this may well be noise"
        direction = "better" if gained > lost else "worse"
        return f"{direction}; unlikely to be due to chance"

    def accuracies(self) -> tuple[float, float]:
        """Return the accuracy of the old and of the new run on the items of both."""
        before = after = 0
        for pair in self.pairs:
            before += pair.was_right
            after += pair.is_right
        return before / len(self.pairs), after / len(self.pairs)

    def per_route(self) -> Mapping[str, Mapping[str, int]]:
        """Count, for each route, what was right before and after, and what flipped."""
        routes: dict[str, Counter[str]] = defaultdict(Counter)
        for pair in self.pairs:
            counts = routes[pair.item.route]
            counts["n"] += 1
            counts["before"] += pair.was_right
            counts["after"] += pair.is_right
            counts["gained"] += pair.is_right and not pair.was_right
            counts["lost"] += pair.was_right and not pair.is_right
        return routes

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as one object."""
        before, after = self.accuracies()
        return {
            "router": self.router,
            "old_router": self.old_router,
            "old": str(self.old),
            "n": len(self.pairs),
            "left_out": self.left_out,
            "before": before,
            "after": after,
            "difference": after - before,
            "p_value": self.p_value,
            "noise": self.p_value >= SIGNIFICANT,
            "verdict": self.verdict,
            "gained": list(map(_flip_as_json, self.gained)),
            "lost": list(map(_flip_as_json, self.lost)),
            "per_route": self.per_route(),
        }

    def text(self) -> str:
        """Return the comparison for a terminal."""
        lines = self._summary()
        for route, row in self.per_route().items():
            if row["gained"] or row["lost"]:
                flips = f"(+{row['gained']} -{row['lost']})"
                lines.append(f"  {route:<24} {row['before']} -> {row['after']} of {row['n']} {flips}")
        for line in self._flips():
            lines.append(f"  {line}")
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the comparison for report.md."""
        title, accuracies, flips = self._summary()
        rows = []
        for route, row in self.per_route().items():
            rows.append([route, *map(str, row.values())])
        parts = [
            f"## {title}",
            f"{accuracies.strip()}; {flips.strip()}.",
            table(["route", "n", "right before", "right now", "gained", "lost"], rows),
        ]
        if lines := self._flips():
            parts.append(bullets(lines))
        return "\n\n".join(parts)

    def _summary(self) -> list[str]:
        before, after = self.accuracies()
        left_out = ""
        if self.left_out:
            left_out = f" ({self.left_out} not in {self.old.name} left out)"
        change = f"{number(before)} -> {number(after)} ({after - before:+.3f})"
        flips = f"{len(self.gained)} became right, {len(self.lost)} wrong"
        return [
            f"{self.router} compared with {self.old_router} of {self.old}",
            f"  accuracy {change} on {len(self.pairs)} requests{left_out}",
            f"  {flips}; McNemar exact p = {self.p_value:.3g}: {self.verdict}",
        ]

    def _flips(self) -> list[str]:
        return [*_describe_flips("now right", self.gained), *_describe_flips("now wrong", self.lost)]


def _describe_flips(name: str, pairs: Sequence[Pair]) -> list[str]:
    lines = []
    for pair in pairs[:SHOWN]:
        change = f"{pair.before or 'no route'} -> {pair.after or 'no route'}"
        lines.append(f"{name}: line {pair.item.line}, {change}: {quote(pair.item.text)}")
    if len(pairs) > SHOWN:
        lines.append(f"{name}: {len(pairs) - SHOWN} more, see report.json")
    return lines


def _flip_as_json(pair: Pair) -> dict[str, Any]:
    item = pair.item
    return {"id": item.id, "line": item.line, "route": item.route, "before": pair.before, "after": pair.after}


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of the exact test: flips one way are binomial with 1/2 among all flips."""
    flips = gained + lost
    tail = 0
    for k in range(min(gained, lost) + 1):
        tail += comb(flips, k)
    return float(min(1.0, 2 * tail / (1 << flips)))


def read_report(path: Path) -> dict[str, Any]:
    """Read the report.json of an earlier run.

    Raises:
        ConfigurationError: it cannot be read, or holds no items.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8-sig"))
        _check_report(report)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError) as error:
        raise ConfigurationError(f"{path}: not the report.json of an evaluation") from error
    return dict(report)


def _check_report(report: Any) -> None:
    """Access everything that a comparison needs, so that a missing part is an error now."""
    next(iter(report["routers"]))
    for item in report["items"]:
        str(item["id"])
        for router in report["routers"]:
            _ = item["replies"][router]["predicted"]


def check_same_data(items: Sequence[Item], old: Mapping[str, Any], path: Path) -> None:
    """Check that an old report is about the same data, before anything slow happens.

    Raises:
        ConfigurationError: no item is in both.
    """
    ids = {item.id for item in items}
    for entry in old["items"]:
        if entry["id"] in ids:
            return
    raise ConfigurationError(f"{path}: no request in common with the data; compare runs on the same data")


def compare(evaluation: Evaluation, old: Mapping[str, Any], path: Path) -> list[Comparison]:
    """Compare each router with the one of that name in the old report, or with its first."""
    comparisons = []
    for router in evaluation.outcomes:
        old_router = router
        if router not in old["routers"]:
            old_router = next(iter(old["routers"]))
        comparisons.append(_compare(evaluation, router, old, old_router, path))
    return comparisons


def _compare(evaluation: Evaluation, router: str, old: Mapping[str, Any], old_router: str, path: Path) -> Comparison:
    before: dict[str, list[str | None]] = defaultdict(list)  # the same request may be in the data twice
    for entry in old["items"]:
        before[entry["id"]].append(entry["replies"][old_router]["predicted"])
    pairs = []
    for item, outcome in zip(evaluation.items, evaluation.outcomes[router], strict=True):
        if before[item.id]:
            pairs.append(Pair(item, before[item.id].pop(0), outcome.predicted))
    return Comparison(router, old_router, path, pairs, len(evaluation.items) - len(pairs))
