"""What an evaluation is told as: a summary for a terminal, and report.md."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omni_router.evaluation.formatting import between, number, quoted, requests, table, without_empty
from omni_router.evaluation.metrics import COVERAGES, at_coverage
from omni_router.evaluation.result import Evaluation
from omni_router.routers import OTHER

MISTAKES = 10  # shown in report.md: those of which the router was surest
PLOTS = {
    "confusion.png": "Right routes and predicted routes",
    "reliability.png": "How reliable the confidence is",
    "coverage.png": "Accuracy on the requests of which the router is surest",
}


def summary(done: Evaluation, router: str) -> str:
    """Tell the main figures of a router in a few lines, for a terminal."""
    found = done.measures[router]
    width = max(len(name) for name in found["per_route"])
    lines = [f"{router} on {requests(found['n'])} of {done.data}"]
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
        f"{requests(len(done.items))} of `{done.data}`, on the {len(done.document.routes)} routes of `{done.policy}`.",
        *(f"Note: {note}." for note in done.notes),
        _overview(done),
    ]
    pictures = [f"![{PLOTS[plot]}]({plot})" for plot in plots]
    parts = [part for router in done.outcomes for part in _section(done, router)]
    return "\n\n".join([*head, *filter(None, [comparison]), *pictures, *parts]) + "\n"


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
    if "decided" in found:
        rows = _decided(found)
        yield "decided by", ", ".join(f"{tier} {part} (right in {accuracy})" for tier, part, _, accuracy in rows)
    yield "contract", _contract(found["contract"])
    yield "latency", _latency(found)


def _points(found: Mapping[str, Any]) -> list[dict[str, float]]:
    """Give the points of the coverage curve that are worth telling, each once: of few requests some fall together."""
    points = [point for wanted in COVERAGES if (point := at_coverage(found["coverage"], wanted))]
    return list({point["coverage"]: point for point in points}.values())


def _contract(found: Mapping[str, Any]) -> str:
    faults = {
        "unreadable": "without a readable route",
        "not_on_offer": "with a route that was not offered",
        "failed": "failed",
    }
    told = "".join(f", {found[key]} {text}" for key, text in faults.items() if found[key])
    return f"{number(found['valid'])} of replies are valid{told}"


def _latency(found: Mapping[str, Any]) -> str:
    def ms(key: str) -> str:
        value = found["latency_ms"][key]
        return "-" if value is None else f"{value:.0f} ms"

    told = f"p50 {ms('p50')}, p95 {ms('p95')}; the first call {ms('first')}"
    together = found["n"] - found["timed"]
    if together:
        told += f"; on {requests(found['timed'])} asked one by one; the other {together} were asked in batches"
    return told


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
    if "decided" in found:
        yield f"### Who decided\n\n{_of_the_rest(found)}"
        yield table(["decided by", "share", "n", "accuracy"], _decided(found))
    yield "### Per route"
    rows = [
        [name, str(row["n"]), number(row["precision"]), number(row["recall"]), number(row["f1"])]
        for name, row in found["per_route"].items()
        if row["n"] or row["predicted"]
    ]
    yield table(["route", "n", "precision", "recall", "F1"], rows)
    yield "### Confusion\n\nRows are the right routes, columns the predicted ones."
    yield _confusion(without_empty([found["confusion"]])[0])
    if found["coverage"]:
        yield "### Accuracy against coverage\n\nOnly requests at or above the threshold of confidence are routed."
        rows = [
            [f"{100 * point['coverage']:.0f} %", number(point["threshold"]), number(point["accuracy"])]
            for point in _points(found)
        ]
        yield table(["coverage", "threshold", "accuracy"], rows)
    if mistakes := _mistakes(done, router):
        yield f"### Mistakes with the highest confidence\n\n{mistakes}"


def _decided(found: Mapping[str, Any]) -> list[list[str]]:
    """Write a row for each tier of a cascade."""
    return [
        [tier, f"{100 * part['n'] / found['n']:.0f} %", str(part["n"]), number(part["accuracy"])]
        for tier, part in found["decided"].items()
    ]


def _of_the_rest(found: Mapping[str, Any]) -> str:
    told = "`semantic` decided alone where it was sure; `large` was asked about the rest."
    rest = found["n"] - sum(part["n"] for part in found["decided"].values())
    return f"{told} It did not reply to {requests(rest)}, which `semantic` decided." if rest else told


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
