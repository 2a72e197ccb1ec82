"""The report of an evaluation in words: a summary for a terminal, and report.md."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omni_router.evaluation.data import Item
from omni_router.evaluation.formatting import (
    bullets,
    drop_empty_routes,
    interval,
    milliseconds,
    number,
    percent,
    quote,
    requests,
    table,
)
from omni_router.evaluation.metrics import COVERAGES, Outcome, at_coverage
from omni_router.evaluation.result import Evaluation
from omni_router.routers import OTHER

MISTAKES = 10  # shown in report.md: those with the highest confidence
PLOTS = {
    "confusion.png": "Right routes and predicted routes",
    "reliability.png": "How reliable the confidence is",
    "coverage.png": "Accuracy on the requests with the highest confidence",
}
PROBLEMS = {
    "unreadable": "without a readable route",
    "not_on_offer": "with a route that was not offered",
    "failed": "failed",
}


def summary(evaluation: Evaluation, router: str) -> str:
    """Return the main figures of a router in a few lines, for a terminal."""
    measures = evaluation.measures[router]
    width = max(map(len, measures["per_route"]))
    lines = [f"{router} on {requests(measures['n'])} of {evaluation.data}"]
    for name, value in _figures(measures):
        lines.append(f"  {name:<12} {value}")
    lines += ["", f"  {'route':<{width}}      n  precision  recall      F1"]
    for name, row in _used_routes(measures):
        scores = f"{number(row['precision']):>9}  {number(row['recall']):>6}  {number(row['f1']):>6}"
        lines.append(f"  {name:<{width}}  {row['n']:>5}  {scores}")
    for note in evaluation.notes:
        lines.append(f"  note: {note}")
    return "\n".join(lines)


def markdown(evaluation: Evaluation, plots: Sequence[str], comparison: str = "") -> str:
    """Return the text of report.md; `plots` are the files beside it."""
    return "\n\n".join(_paragraphs(evaluation, plots, comparison)) + "\n"


def _paragraphs(evaluation: Evaluation, plots: Sequence[str], comparison: str) -> Iterator[str]:
    yield "# How good the routing is"
    routes = len(evaluation.document.routes)
    yield f"{requests(len(evaluation.items))} of `{evaluation.data}`, on the {routes} routes of `{evaluation.policy}`."
    for note in evaluation.notes:
        yield f"Note: {note}."
    yield _overview(evaluation)
    if comparison:
        yield comparison
    for plot in plots:
        yield f"![{PLOTS[plot]}]({plot})"
    for router in evaluation.outcomes:
        yield from _section(evaluation, router)


def _figures(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each figure of a router, without those for which there are no data."""
    yield "accuracy", f"{number(measures['accuracy'])} (95 % interval {interval(measures['ci95'])})"
    yield "macro F1", number(measures["macro_f1"])
    yield from _parts_of_accuracy(measures)
    if measures["ece"] is not None:
        yield "calibration", f"{number(measures['ece'])} expected calibration error"
    yield from _when_sure(measures)
    yield from _decided_by(measures)
    yield "validity", _validity(measures["contract"])
    yield "latency", _latency(measures)


def _parts_of_accuracy(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in (("first_turn", "first turns"), ("follow_up", "follow-ups")):
        part = measures[key]
        if part["n"]:
            yield name, f"{number(part['accuracy'])} ({interval(part['ci95'])}; n = {part['n']})"
    other = measures["irrelevance"]
    if other["n"]:
        yield OTHER, f"recall {number(other['recall'])}, precision {number(other['precision'])}; n = {other['n']}"


def _when_sure(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    points = [point for point in _coverage_points(measures) if point["coverage"] < 1]
    if points:
        yield "if confident", ", ".join(map(_accuracy_at, points))


def _accuracy_at(point: Mapping[str, float]) -> str:
    return f"{number(point['accuracy'])} on the most confident {percent(point['coverage'])}"


def _coverage_points(measures: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return the points of the coverage curve that are shown, each once: with few requests some coincide."""
    points = {}
    for coverage in COVERAGES:
        point = at_coverage(measures["coverage"], coverage)
        if point is not None:
            points[point["coverage"]] = point
    return list(points.values())


def _decided_by(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    texts = []
    for tier, part, _, accuracy in _tiers(measures):
        texts.append(f"{tier} {part} (right in {accuracy})")
    if texts:
        yield "decided by", ", ".join(texts)


def _tiers(measures: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row for each tier of a cascade."""
    for tier, part in measures.get("decided", {}).items():
        yield [tier, percent(part["n"] / measures["n"]), str(part["n"]), number(part["accuracy"])]


def _validity(validity: Mapping[str, Any]) -> str:
    text = f"{number(validity['valid'])} of replies are valid"
    for problem, description in PROBLEMS.items():
        if validity[problem]:
            text += f", {validity[problem]} {description}"
    return text


def _latency(measures: Mapping[str, Any]) -> str:
    times = dict.fromkeys(("p50", "p95", "first"), "-")
    for key, value in measures["latency_ms"].items():
        if value is not None:
            times[key] = f"{value:.0f} ms"
    text = f"p50 {times['p50']}, p95 {times['p95']}; the first call {times['first']}"
    in_batches = measures["n"] - measures["timed"]
    if in_batches:
        text += f"; on {requests(measures['timed'])} asked one by one; the other {in_batches} were asked in batches"
    return text


def _used_routes(measures: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the routes that have requests, or were predicted for some."""
    for name, row in measures["per_route"].items():
        if row["n"] or row["predicted"]:
            yield name, row


def _overview(evaluation: Evaluation) -> str:
    head = ["router", "accuracy", "95 % interval", "macro F1", "ECE", "valid", "p50 ms", "p95 ms"]
    rows = []
    for router, measures in evaluation.measures.items():
        times = measures["latency_ms"]
        rows.append(
            [
                router,
                number(measures["accuracy"]),
                interval(measures["ci95"]),
                number(measures["macro_f1"]),
                number(measures["ece"]),
                number(measures["contract"]["valid"]),
                milliseconds(times["p50"]),
                milliseconds(times["p95"]),
            ]
        )
    return table(head, rows)


def _section(evaluation: Evaluation, router: str) -> Iterator[str]:
    """Yield the paragraphs about one router."""
    measures = evaluation.measures[router]
    yield f"## {router}"
    yield bullets(map(": ".join, _figures(measures)))
    if "decided" in measures:
        yield f"### Who decided\n\n{_about_tiers(measures)}"
        yield table(["decided by", "share", "n", "accuracy"], _tiers(measures))
    yield "### Per route"
    yield _route_table(measures)
    yield "### Confusion\n\nRows are the right routes, columns the predicted ones."
    yield _confusion_table(measures["confusion"])
    if measures["coverage"]:
        yield "### Accuracy against coverage\n\nOnly requests at or above the threshold of confidence are routed."
        yield _coverage_table(measures)
    if mistakes := _mistakes(evaluation.outcomes[router], evaluation.items):
        yield f"### Mistakes with the highest confidence\n\n{mistakes}"


def _about_tiers(measures: Mapping[str, Any]) -> str:
    text = "`semantic` decided alone where it was sure; `large` was asked about the rest."
    unanswered = measures["n"]
    for part in measures["decided"].values():
        unanswered -= part["n"]
    if unanswered:
        text += f" It did not reply to {requests(unanswered)}, which `semantic` decided."
    return text


def _route_table(measures: Mapping[str, Any]) -> str:
    rows = []
    for name, row in _used_routes(measures):
        rows.append([name, str(row["n"]), number(row["precision"]), number(row["recall"]), number(row["f1"])])
    return table(["route", "n", "precision", "recall", "F1"], rows)


def _confusion_table(confusion: Mapping[str, Any]) -> str:
    """Return the confusion with numbers for columns: ten names side by side are wider than any page."""
    [matrix] = drop_empty_routes([confusion])
    numbers = map(str, range(1, len(matrix["routes"]) + 1))
    rows = []
    for place, (name, counts) in enumerate(zip(matrix["routes"], matrix["counts"], strict=True), 1):
        rows.append([f"{place} {name}", *(str(count or "") for count in counts)])
    return table(["right route", *numbers, "none"], rows)


def _coverage_table(measures: Mapping[str, Any]) -> str:
    return table(["coverage", "threshold", "accuracy"], map(_coverage_row, _coverage_points(measures)))


def _coverage_row(point: Mapping[str, float]) -> list[str]:
    return [percent(point["coverage"]), number(point["threshold"]), number(point["accuracy"])]


def _mistakes(outcomes: Sequence[Outcome], items: Sequence[Item]) -> str:
    mistakes = [(outcome, item) for outcome, item in zip(outcomes, items, strict=True) if not outcome.right]
    mistakes.sort(key=lambda mistake: mistake[0].confidence or 0.0, reverse=True)
    lines = []
    for outcome, item in mistakes[:MISTAKES]:
        confidence = "" if outcome.confidence is None else f" ({outcome.confidence:.2f})"
        prediction = f"{outcome.predicted or 'no route'}{confidence}"
        lines.append(f"line {item.line}, {item.route} mistaken for {prediction}: {quote(item.text)}")
    return bullets(lines)
