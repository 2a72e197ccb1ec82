"""What an evaluation is told as: a summary, report.md and report.json."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from omni_router.config.policy import Document, Route
from omni_router.evaluation.data import Item
from omni_router.evaluation.metrics import COVERAGES, Outcome, at_coverage, measure
from omni_router.offered import offered_routes
from omni_router.routers import OTHER

MISTAKES = 10  # shown in report.md: those of which the router was surest
PLOTS = {
    "confusion.png": "What was told instead of what",
    "reliability.png": "How far the confidence can be believed",
    "coverage.png": "What is gained by asking back when the router is unsure",
}


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated on what, and what came of it."""

    data: Path
    policy: Path
    document: Document  # of the policy
    items: Sequence[Item]
    outcomes: Mapping[str, Sequence[Outcome]]  # by router, each aligned with the items

    @cached_property
    def measures(self) -> dict[str, dict[str, Any]]:
        """Give the metrics of each router."""
        names = [route.name for route in self.document.routes]
        return {router: measure(outcomes, names) for router, outcomes in self.outcomes.items()}

    @property
    def first(self) -> str:
        """Give the name of the router that was named first."""
        return next(iter(self.outcomes))

    @property
    def notes(self) -> list[str]:
        """Say what has to be known to read the figures."""
        taking = sum(item.picture_before and not item.has_picture for item in self.items)
        beyond = sum(not _reachable(item, self.document.routes) for item in self.items)
        known = _examples(self.document)
        seen = sum(item.text.strip().casefold() in known for item in self.items)
        notes = []
        if seen:
            notes.append(
                f"{_requests(seen)} are examples of the policy as well: on those a router is better than on new ones"
            )
        if taking:
            notes.append(
                f"{_requests(taking)} without a picture should take a route for pictures: a picture is taken to be "
                'further up in the conversation, and all routes are on offer ("image": true attaches one)'
            )
        if beyond:
            notes.append(f"{_requests(beyond)} should take a route that is not on offer there: no router can be right")
        return notes


def as_json(done: Evaluation) -> dict[str, Any]:
    """Give the report as one object: the metrics of the first router on top, those of all below `routers`."""
    return {
        "router": done.first,
        **done.measures[done.first],
        "routers": done.measures,
        "data": str(done.data),
        "policy": str(done.policy),
        "notes": done.notes,
        "made": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "version": version("omni-router"),
    }


def items_as_json(done: Evaluation) -> list[dict[str, Any]]:
    """Give what each router made of each item, for a later comparison; the text stays in the data."""
    return [
        {
            "id": item.id,
            "line": item.line,
            "route": item.route,
            "replies": {
                router: {
                    "predicted": outcomes[number].predicted,
                    "confidence": outcomes[number].confidence,
                    "ms": round(outcomes[number].seconds * 1000, 1),
                }
                for router, outcomes in done.outcomes.items()
            },
        }
        for number, item in enumerate(done.items)
    ]


def summary(done: Evaluation, router: str) -> str:
    """Tell the main figures of a router in a few lines, for a terminal."""
    found = done.measures[router]
    width = max(len(name) for name in found["per_route"])
    lines = [f"{router} on {_requests(found['n'])} of {done.data}"]
    lines += [f"  {name:<12} {value}" for name, value in _figures(found)]
    lines += ["", f"  {'route':<{width}}      n  precision  recall      F1"]
    for name, row in found["per_route"].items():
        if row["n"] or row["predicted"]:
            told = f"{number(row['precision']):>9}  {number(row['recall']):>6}  {number(row['f1']):>6}"
            lines.append(f"  {name:<{width}}  {row['n']:>5}  {told}")
    return "\n".join([*lines, *(f"  note: {note}" for note in done.notes)])


def markdown(done: Evaluation, plots: Sequence[str], comparison: str = "") -> str:
    """Write report.md; `plots` are the files that lie beside it."""
    head = [
        "# How good the routing is",
        f"{_requests(len(done.items))} of `{done.data}`, on the {len(done.document.routes)} routes of `{done.policy}`.",
        *(f"Note: {note}." for note in done.notes),
        _overview(done),
    ]
    pictures = [f"![{PLOTS[plot]}]({plot})" for plot in plots]
    parts = [part for router in done.outcomes for part in _section(done, router)]
    return "\n\n".join([*head, *filter(None, [comparison]), *pictures, *parts]) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table: the first column is text, the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def without_empty(squares: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out of confusion matrices the routes for which none of them counts anything."""
    routes = squares[0]["routes"]
    kept = [place for place in range(len(routes)) if any(_counts(square, place) for square in squares)]
    return [
        {
            "routes": [routes[place] for place in kept],
            "counts": [[square["counts"][row][column] for column in (*kept, -1)] for row in kept],
        }
        for square in squares
    ]


def _counts(square: Mapping[str, Any], place: int) -> bool:
    return any(square["counts"][place]) or any(row[place] for row in square["counts"])


def number(value: float | None) -> str:
    """Write a share with three digits, a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def between(ends: Sequence[float] | None) -> str:
    """Write an interval."""
    return "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def quoted(text: str) -> str:
    """Write what was asked so that it breaks neither a line nor a list of Markdown."""
    short = textwrap.shorten(text, 100, placeholder="...") or "(a picture)"
    return f'"{short.replace("`", chr(39))}"'.encode("utf-8", "replace").decode()


def _figures(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and tell the figures of a router, those left out for which there are no data."""
    yield "accuracy", f"{number(found['accuracy'])} (95 % interval {between(found['ci95'])})"
    yield "macro F1", number(found["macro_f1"])
    for key, name in (("first_turn", "first turns"), ("follow_up", "follow-ups")):
        part = found[key]
        if part["n"]:
            yield name, f"{number(part['accuracy'])} ({between(part['ci95'])}; n = {part['n']})"
    other = found["irrelevance"]
    if other["n"]:
        yield OTHER, f"recall {number(other['recall'])}, precision {number(other['precision'])}; n = {other['n']}"
    if found["ece"] is not None:
        yield "calibration", f"{number(found['ece'])} expected calibration error"
    if points := [point for point in _points(found) if point["coverage"] < 1]:
        told = (f"{number(point['accuracy'])} on the surest {100 * point['coverage']:.0f} %" for point in points)
        yield "when sure", ", ".join(told)
    yield "contract", _contract(found["contract"])
    yield "latency", _latency(found["latency_ms"])


def _points(found: Mapping[str, Any]) -> list[dict[str, float]]:
    """Give the points of the coverage curve that are worth telling, each once: of few requests some fall together."""
    points = [point for wanted in COVERAGES if (point := at_coverage(found["coverage"], wanted))]
    return list({point["coverage"]: point for point in points}.values())


def _contract(found: Mapping[str, Any]) -> str:
    faults = {"unreadable": "without a readable route", "not_on_offer": "naming none on offer", "failed": "failed"}
    told = "".join(f", {found[key]} {text}" for key, text in faults.items() if found[key])
    return f"{number(found['valid'])} of replies are valid{told}"


def _latency(found: Mapping[str, float | None]) -> str:
    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f} ms"

    return f"p50 {ms(found['p50'])}, p95 {ms(found['p95'])}; the first call {ms(found['first'])}"


def _overview(done: Evaluation) -> str:
    head = ["router", "accuracy", "95 % interval", "macro F1", "ECE", "valid", "p50 ms", "p95 ms"]
    rows = []
    for router, found in done.measures.items():
        shares = [number(found["accuracy"]), between(found["ci95"]), number(found["macro_f1"]), number(found["ece"])]
        times = ["-" if (ms := found["latency_ms"][key]) is None else f"{ms:.0f}" for key in ("p50", "p95")]
        rows.append([router, *shares, number(found["contract"]["valid"]), *times])
    return table(head, rows)


def _section(done: Evaluation, router: str) -> Iterator[str]:
    """Write what is told of one router."""
    found = done.measures[router]
    yield f"## {router}"
    yield "\n".join(f"- {name}: {value}" for name, value in _figures(found))
    yield "### Per route"
    rows = [
        [name, str(row["n"]), number(row["precision"]), number(row["recall"]), number(row["f1"])]
        for name, row in found["per_route"].items()
        if row["n"] or row["predicted"]
    ]
    yield table(["route", "n", "precision", "recall", "F1"], rows)
    yield "### Confusion\n\nRows are the right routes, columns what was told."
    yield _confusion(without_empty([found["confusion"]])[0])
    if found["coverage"]:
        yield "### Accuracy against coverage\n\nOnly requests at or above the threshold of confidence are routed."
        rows = [
            [f"{100 * point['coverage']:.0f} %", number(point["threshold"]), number(point["accuracy"])]
            for point in _points(found)
        ]
        yield table(["coverage", "threshold", "accuracy"], rows)
    if mistakes := _mistakes(done, router):
        yield f"### Mistakes of which it was surest\n\n{mistakes}"


def _confusion(found: Mapping[str, Any]) -> str:
    """Number the columns: ten names side by side are wider than any page."""
    head = ["right route", *(str(place) for place in range(1, len(found["routes"]) + 1)), "none"]
    rows = [
        [f"{place} {name}", *(str(count or "") for count in counts)]
        for place, (name, counts) in enumerate(zip(found["routes"], found["counts"], strict=True), 1)
    ]
    return table(head, rows)


def _mistakes(done: Evaluation, router: str) -> str:
    wrong = [(o, item) for o, item in zip(done.outcomes[router], done.items, strict=True) if not o.right]
    wrong.sort(key=lambda pair: -(pair[0].confidence or 0.0))
    return "\n".join(
        f"- line {item.line}, {item.route} taken for {outcome.predicted or 'no route'}"
        f"{'' if outcome.confidence is None else f' ({outcome.confidence:.2f})'}: {quoted(item.text)}"
        for outcome, item in wrong[:MISTAKES]
    )


def _examples(document: Document) -> set[str]:
    texts = chain(*(route.examples for route in document.routes), *document.learned.values())
    return {text.strip().casefold() for text in texts}


def _reachable(item: Item, routes: Sequence[Route]) -> bool:
    offered = offered_routes(routes, picture_now=item.picture_now, picture_before=item.picture_before)
    return item.route == OTHER or item.route in (route.name for route in offered)


def _requests(n: int) -> str:
    return f"{n} request{'' if n == 1 else 's'}"
