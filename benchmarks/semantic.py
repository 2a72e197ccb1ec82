"""The embedded router: how often it is right, how long it takes, and both beside Aurelio's semantic-router.

python -m benchmarks.semantic --data ../shared/data
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks import aurelio
from benchmarks.cases import Case, Run, all_data
from benchmarks.report import IMAGES, table, write_section
from benchmarks.semantic_times import OURS, Remembering, times
from omni_router.evaluation.metrics import wilson
from omni_router.evaluation.run import read_route
from omni_router.routers import OTHER
from omni_router.routers.semantic.encoder import Encoder
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import default_encoder
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

KINDS = ("first", "follow_up", "near_miss", "language", "other")
RECALL = 0.95
COLOURS = ("#3b6fb6", "#d9822b", "#e3b587", "#8a8f98")  # of the routers


class Answer(NamedTuple):
    """The route for a case, and how sure it is that a route is right: 0 where `other` was said."""

    case: Case
    route: str | None
    score: float


class Line(NamedTuple):
    """A line of the tables: what is counted (hits, n), in which data, and the target."""

    name: str
    data: str
    counted: Callable[[Sequence[Answer]], tuple[int, int]]
    target: float | None = None
    drawn: bool = False


def ask_ours(encoder: Encoder, run: Run) -> list[Answer]:
    """Ask the embedded router as it ships: this encoder reads English, the second one all other languages."""
    replies = MultilingualRouter(encoder).replies([(case.conversation, case.routes) for case in run.cases])
    answers = []
    for case, reply in zip(run.cases, replies, strict=True):
        route, _ = read_route(reply, case.routes)
        answers.append(Answer(case, route, 0.0 if route in {None, OTHER} else reply.confidence or 0.0))
    return answers


def ask_theirs(encoder: Encoder, run: Run, aggregation: str, *, calibrated: bool) -> list[Answer]:
    """Ask semantic-router, which reads the newest turn alone; where it names no route that is `other`."""
    fitted = aurelio.calibrator(encoder, run.cases[0].routes, aggregation, run.labelled) if calibrated else None
    routers = {}
    answers = []
    for case in run.cases:
        key = tuple(route.name for route in case.routes)
        if key not in routers:
            routers[key] = aurelio.indexed_router(encoder, case.routes, aggregation, fitted, calibrated=calibrated)
        choice = routers[key](case.text)
        answers.append(Answer(case, choice.name or OTHER, choice.confidence or 0.0))
    return answers


def right(keep: Callable[[Case], bool]) -> Callable[[Sequence[Answer]], tuple[int, int]]:
    """Count right answers to some of the cases."""

    def count(answers: Sequence[Answer]) -> tuple[int, int]:
        kept = [answer.route == answer.case.right for answer in answers if keep(answer.case)]
        return sum(kept), len(kept)

    return count


def anything(_: Case) -> bool:
    """Return true."""
    return True


def in_scope(case: Case) -> bool:
    """Return whether a route is right for a case."""
    return case.right != OTHER


def of_kind(kind: str) -> Callable[[Case], bool]:
    """Make a test for one kind of case."""
    return lambda case: case.kind == kind


def answered(answers: Sequence[Answer]) -> tuple[int, int]:
    """Count requests in scope that got a route, the right one or not."""
    routes = [answer.route for answer in answers if in_scope(answer.case)]
    return sum(route != OTHER for route in routes), len(routes)


def rejected(answers: Sequence[Answer]) -> tuple[int, int]:
    """Count requests out of scope below the highest threshold that at least RECALL of those in scope reach."""
    inside = sorted(answer.score for answer in answers if in_scope(answer.case))
    threshold = inside[int((1 - RECALL) * len(inside) + 1e-9)]
    outside = [answer.score for answer in answers if not in_scope(answer.case)]
    return sum(score < threshold for score in outside), len(outside)


def lines() -> Iterator[Line]:
    """Return what is counted."""
    yield Line("own set, test split", "own", right(anything), 0.95, drawn=True)
    yield Line("own set, without `other`", "own", right(in_scope))
    for kind in KINDS:
        yield Line(f"own set, {kind}".replace("_", "-"), "own", right(of_kind(kind)))
    yield Line("smoke set", "smoke", right(anything), drawn=True)
    yield Line("CLINC150, descriptions alone", "clinc 0", right(in_scope), 0.80, drawn=True)
    yield Line("CLINC150, 3 examples an intent", "clinc 3", right(in_scope), 0.93, drawn=True)
    yield Line("CLINC150, 10 examples an intent", "clinc 10", right(in_scope), drawn=True)
    yield Line("... in scope answered with a route, right or wrong", "clinc 10", answered)
    yield Line("... out of scope answered `other`", "clinc 10", right(lambda case: not in_scope(case)))
    yield Line(f"... out of scope rejected at {RECALL:.0%} recall", "clinc 10", rejected, 0.90, drawn=True)


def as_text(counts: Sequence[tuple[int, int]]) -> str:
    """Write a share with its 95 % interval; of several draws their mean, its interval, and the lowest and highest."""
    n = counts[0][1]
    hits = statistics.fmean(hits for hits, _ in counts)
    low, high = wilson(round(hits), n) or (0.0, 1.0)
    draws = [hits / n for hits, _ in counts]
    several = f"; draws {min(draws):.1%} to {max(draws):.1%}" if len(draws) > 1 else ""
    return f"{hits / n:.1%} ({low:.1%} to {high:.1%}{several})"


def met(line: Line, counts: Sequence[tuple[int, int]]) -> str:
    """Write the target and whether it is reached."""
    if line.target is None:
        return ""
    share = statistics.fmean(hits / n for hits, n in counts)
    return f"{line.target:.0%}: {'yes' if share >= line.target else 'no'}"


def accuracy(data: Path) -> None:
    """Ask both routers everything, and write the two tables of how often they are right."""
    runs = all_data(data)
    encoder, published = Remembering(default_encoder()), Remembering(SentenceEncoder())
    asked: dict[str, Callable[[Run], list[Answer]]] = {OURS: lambda run: ask_ours(encoder, run)}
    if aurelio.installed():
        asked[aurelio.NAME] = lambda run: ask_theirs(published, run, "mean", calibrated=False)
        asked["with `sum`"] = lambda run: ask_theirs(published, run, "sum", calibrated=False)
        asked["with `sum`, calibrated"] = lambda run: ask_theirs(published, run, "sum", calibrated=True)
    texts = [case.text for several in runs.values() for run in several for case in run.cases]
    encoder.encode(texts)  # in one batch
    if aurelio.installed():
        published.encode(texts)
    measured = [line for line in lines() if line.data in runs]
    answers = {(name, key): [ask(run) for run in runs[key]] for key in runs for name, ask in asked.items()}
    counts = {
        (line.name, name): [line.counted(each) for each in answers[name, line.data]]
        for line in measured
        for name in asked
    }
    starts = [[line.name, str(counts[line.name, OURS][0][1])] for line in measured]
    note = "" if "clinc 0" in runs else f" CLINC150 was not measured: there is no {data}/clinc150_val.jsonl."
    rows = [
        [*start, as_text(counts[line.name, OURS]), met(line, counts[line.name, OURS])]
        for start, line in zip(starts, measured, strict=True)
    ]
    write_section(
        "The embedded router: accuracy", f"{SETS}{note}\n\n{table(['requests', 'n', 'share', 'target'], rows)}"
    )
    if aurelio.installed():
        rows = [
            [*start, *(as_text(counts[line.name, name]) for name in asked)]
            for start, line in zip(starts, measured, strict=True)
        ]
        text = f"{aurelio.ABOUT.format(version=version('semantic-router'))}\n\n{table(['requests', 'n', *asked], rows)}"
        write_section("The embedded router against semantic-router: accuracy", text)
        draw({line: [counts[line.name, name] for name in asked] for line in measured}, list(asked))


def draw(counts: Mapping[Line, Sequence[Sequence[tuple[int, int]]]], names: Sequence[str]) -> None:
    """Draw the share of each set as bars side by side, with their 95 % intervals and the targets."""
    from matplotlib.figure import Figure

    drawn = [line for line in counts if line.drawn]
    figure = Figure(figsize=(8, 0.75 * len(drawn) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    high = 0.8 / len(names)
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        shares = [statistics.fmean(hits / n for hits, n in counts[line][place]) for line in drawn]
        ends = [wilson(round(share * counts[line][place][0][1]), counts[line][place][0][1]) or [share, share]
                for share, line in zip(shares, drawn, strict=True)]  # fmt: skip
        errors = [
            [max(0.0, share - low) for share, (low, _) in zip(shares, ends, strict=True)],
            [max(0.0, up - share) for share, (_, up) in zip(shares, ends, strict=True)],
        ]
        rows = [row + (place - (len(names) - 1) / 2) * high for row in range(len(drawn))]
        axes.barh(rows, shares, height=high * 0.9, color=colour, label=name, xerr=errors, error_kw={"alpha": 0.5})
    for row, line in enumerate(drawn):
        if line.target is not None:
            label = "target" if row == 0 else None
            axes.plot([line.target] * 2, [row - 0.45, row + 0.45], color="#222222", linewidth=1.5, label=label)
    axes.set_yticks(range(len(drawn)), [line.name.removeprefix("... ") for line in drawn])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="right, with its 95 % interval")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="x", alpha=0.25)
    figure.legend(loc="outside upper center", ncols=len(names) + 1, frameon=False)
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / "semantic.png", dpi=130)


SETS = """\
Each share with its 95 % interval (Wilson). Own set: the requests that ship with `omni-router eval`, on the default
policy with its examples; the smoke set is `tests/data/routing_smoke.jsonl`. Requests in other languages go to the
second encoder, as always. CLINC150: its validation split, a route for each of the ten domains, its description
written once, from the intents' names and two train queries of each (`benchmarks/clinc.py`); 3000 queries in scope,
100 out of scope; examples are drawn from its train split three times, and the table shows the mean. The threshold at
95 % recall is the highest confidence that at least 95 % of the queries in scope reach, right or wrong, determined on
these same queries; an answer `other` counts as confidence 0, so if more than 5 % of those in scope got it, no
threshold rejects anything."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with clinc150_*.jsonl")
    parser.add_argument("--only", choices=("time", "accuracy"))
    given = parser.parse_args()
    if given.only != "accuracy":
        times()  # first: a process starts with the peak of memory of the one that starts it
    if given.only != "time":
        accuracy(given.data)
    if not aurelio.installed():
        print(f"\n{aurelio.MISSING}")
