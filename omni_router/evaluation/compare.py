"""What changed between two runs on the same data, and whether it is more than noise."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from omni_router.errors import ConfigurationError
from omni_router.evaluation.data import Item
from omni_router.evaluation.formatting import number, quoted, table
from omni_router.evaluation.result import Evaluation

SIGNIFICANT = 0.05
SHOWN = 10  # flips of each kind in the summary; report.json has all


@dataclass(frozen=True)
class Pair:
    """One item as both runs met it; both are judged by the route that the data name now."""

    item: Item
    before: str | None
    after: str | None

    @property
    def was_right(self) -> bool:
        """Tell whether the old run was right."""
        return self.before == self.item.route

    @property
    def is_right(self) -> bool:
        """Tell whether the new run is right."""
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
        """Give what was wrong and is right now."""
        return [pair for pair in self.pairs if pair.is_right and not pair.was_right]

    @property
    def lost(self) -> list[Pair]:
        """Give what was right and is wrong now."""
        return [pair for pair in self.pairs if pair.was_right and not pair.is_right]

    @property
    def p_value(self) -> float:
        """Give the probability of a split at least as uneven if both runs were equally good."""
        return mcnemar(len(self.gained), len(self.lost))

    @property
    def verdict(self) -> str:
        """Say whether the difference is noise."""
        flips = len(self.gained) + len(self.lost)
        if not flips:
            return "no difference"
        if self.p_value < SIGNIFICANT:
            return f"{'better' if len(self.gained) > len(self.lost) else 'worse'}; unlikely to be chance"
        return "this may well be noise"

    def accuracies(self) -> tuple[float, float]:
        """Give the accuracy of the old and of the new run on the items of both."""
        n = len(self.pairs)
        return sum(pair.was_right for pair in self.pairs) / n, sum(pair.is_right for pair in self.pairs) / n

    def per_route(self) -> dict[str, dict[str, int]]:
        """Count, for each route, what was right before and after, and what flipped."""
        n = Counter(pair.item.route for pair in self.pairs)
        before = Counter(pair.item.route for pair in self.pairs if pair.was_right)
        gained, lost = (Counter(pair.item.route for pair in pairs) for pairs in (self.gained, self.lost))
        return {
            route: {
                "n": n[route],
                "before": before[route],
                "after": before[route] + gained[route] - lost[route],
                "gained": gained[route],
                "lost": lost[route],
            }
            for route in n
        }

    def as_json(self) -> dict[str, Any]:
        """Give all of it as one object."""
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
            "gained": [_flip(pair) for pair in self.gained],
            "lost": [_flip(pair) for pair in self.lost],
            "per_route": self.per_route(),
        }

    def text(self) -> str:
        """Tell it for a terminal."""
        rows = [
            f"  {route:<24} {row['before']} -> {row['after']} of {row['n']} (+{row['gained']} -{row['lost']})"
            for route, row in self.per_route().items()
            if row["gained"] or row["lost"]
        ]
        return "\n".join([*self._head(), *rows, *(f"  {line}" for line in self._flips())])

    def markdown(self) -> str:
        """Tell it for report.md."""
        title, *figures = self._head()
        rows = [[route, *map(str, row.values())] for route, row in self.per_route().items()]
        routes = table(["route", "n", "right before", "right now", "gained", "lost"], rows)
        flips = "\n".join(f"- {line}" for line in self._flips())
        return "\n\n".join(filter(None, [f"## {title}", f"{'; '.join(map(str.strip, figures))}.", routes, flips]))

    def _head(self) -> list[str]:
        (before, after), n = self.accuracies(), len(self.pairs)
        gained, lost = len(self.gained), len(self.lost)
        apart = f" ({self.left_out} not in {self.old.name} left out)" if self.left_out else ""
        return [
            f"{self.router} compared with {self.old_router} of {self.old}",
            f"  accuracy {number(before)} -> {number(after)} ({after - before:+.3f}) on {n} requests{apart}",
            f"  {gained} became right, {lost} wrong; McNemar exact p = {self.p_value:.3g}: {self.verdict}",
        ]

    def _flips(self) -> list[str]:
        lines = []
        for name, pairs in (("now right", self.gained), ("now wrong", self.lost)):
            lines += [
                f"{name}: line {pair.item.line}, {pair.before or 'no route'} -> {pair.after or 'no route'}"
                f": {quoted(pair.item.text)}"
                for pair in pairs[:SHOWN]
            ]
            if len(pairs) > SHOWN:
                lines.append(f"{name}: {len(pairs) - SHOWN} more, see report.json")
        return lines


def mcnemar(gained: int, lost: int) -> float:
    """Give the two-sided p-value of the exact test: flips one way are binomial with 1/2 among all flips."""
    flips = gained + lost
    tail = sum(comb(flips, k) for k in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / (1 << flips)))


def read_report(path: Path) -> dict[str, Any]:
    """Read the report.json of an earlier run.

    Raises:
        ConfigurationError: it cannot be read, or holds no items.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8-sig"))
        for item in report["items"]:
            _ = str(item["id"]), [item["replies"][router]["predicted"] for router in report["routers"]]
        _ = next(iter(report["routers"]))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError) as error:
        raise ConfigurationError(f"{path}: not the report.json of an evaluation") from error
    return dict(report)


def check_same_data(items: Sequence[Item], old: Mapping[str, Any], path: Path) -> None:
    """Refuse a report on other data, before anything slow happens.

    Raises:
        ConfigurationError: no item is in both.
    """
    if not {item.id for item in items} & {entry["id"] for entry in old["items"]}:
        raise ConfigurationError(f"{path}: it has no request in common with the data; compare runs on the same data")


def compare(done: Evaluation, old: Mapping[str, Any], path: Path) -> list[Comparison]:
    """Compare each router with the one of that name in the old report, or with its first."""
    names = list(old["routers"])
    return [_compare(done, router, old, router if router in names else names[0], path) for router in done.outcomes]


def _compare(done: Evaluation, router: str, old: Mapping[str, Any], old_router: str, path: Path) -> Comparison:
    before: dict[str, list[str | None]] = {}
    for entry in old["items"]:
        before.setdefault(entry["id"], []).append(entry["replies"][old_router]["predicted"])
    pairs = [
        Pair(item, before[item.id].pop(0), outcome.predicted)  # the same request may stand in the data twice
        for item, outcome in zip(done.items, done.outcomes[router], strict=True)
        if before.get(item.id)
    ]
    return Comparison(router, old_router, path, pairs, len(done.items) - len(pairs))


def _flip(pair: Pair) -> dict[str, Any]:
    item = pair.item
    return {"id": item.id, "line": item.line, "route": item.route, "before": pair.before, "after": pair.after}
