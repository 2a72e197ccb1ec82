"""The cascade on a stream of requests: what share the embedded router decides alone, and how often it is right.

python -m benchmarks.cascade --data ../shared/data
"""

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from benchmarks import clinc
from benchmarks.report import IMAGES, table, write_section
from benchmarks.semantic_times import Remembering
from omni_router.routers import OTHER, Reply, RouteOption, Turn, parse_reply
from omni_router.routers.cascade.labels import MAX_LABELS, TeacherLabel
from omni_router.routers.cascade.router import TARGET, CascadeRouter
from omni_router.routers.semantic.router import SemanticRouter, default_encoder

RIGHT = 0.93  # of the teacher's answers: what Arch-Router's authors report for it (arXiv 2506.16655)
LENGTH, WINDOW = 5000, 500
SEEDS = (0, 1, 2)
# Of the last 500 of the first 1,000: at least 60 % decided alone, right in 97 %; of the last 500 of all 80 %.
EARLY, EARLY_SHARE, SHARE, ACCURACY = slice(500, 1000), 0.6, 0.8, 0.97


class Decided(NamedTuple):
    """What became of a request."""

    alone: bool
    right: bool


class Teacher:
    """A large router as good as it is said to be; what it says wrong is any of the other names."""

    def __init__(self, names: Sequence[str], chance: random.Random) -> None:
        self._names, self._chance = names, chance
        self.truth = ""
        self.asked = False

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer, and remember that it was asked."""
        self.asked = True
        wrong = [name for name in self._names if name != self.truth]
        said = self.truth if self._chance.random() < RIGHT else self._chance.choice(wrong)
        return Reply(json.dumps({"route": said}))


class MemoryLabelStore:
    """Labels of this process alone, as many as a file keeps."""

    def __init__(self) -> None:
        self._labels: list[TeacherLabel] = []

    def read(self) -> Sequence[TeacherLabel]:
        """Return the labels, oldest first."""
        return list(self._labels)

    def add(self, label: TeacherLabel) -> None:
        """Keep a label, and drop the oldest one."""
        self._labels = [*self._labels, label][-MAX_LABELS:]


def stream(student: SemanticRouter, queries: Sequence[clinc.Query], seed: int) -> list[Decided]:
    """Send the queries through a cascade that starts with the descriptions alone."""
    chance = random.Random(seed)
    drawn = chance.sample(list(queries), LENGTH)
    routes = clinc.offered([])
    teacher = Teacher([*(route.name for route in routes), OTHER], chance)
    cascade = CascadeRouter(student, teacher, MemoryLabelStore())
    decided = []
    for query in tqdm(drawn, desc=f"stream {seed}", unit=" requests", leave=False):
        teacher.truth, teacher.asked = query.domain, False
        reply = cascade.reply([Turn(role="user", content=query.text)], routes)
        cascade.settle()  # requests come much faster here than they would
        decided.append(Decided(not teacher.asked, parse_reply(reply.text).route == query.domain))
    return decided


def share(decided: Sequence[Decided]) -> float:
    """Return the share that was decided alone."""
    return sum(each.alone for each in decided) / len(decided)


def accuracy(decided: Sequence[Decided]) -> float:
    """Return the share of the requests decided alone that is right."""
    alone = [each.right for each in decided if each.alone]
    return sum(alone) / max(1, len(alone))


def as_text(values: Sequence[float]) -> str:
    """Write the median of the streams, and the lowest and highest."""
    return f"{statistics.median(values):.1%} ({min(values):.1%} to {max(values):.1%})"


def measure(data: Path) -> None:
    """Run the streams, and write table and plot."""
    queries = [*clinc.read(data, "train"), *clinc.read(data, "val")]
    if not queries:
        print(f"The cascade was not measured: there is no {data}/clinc150_train.jsonl.")
        return
    encoder = Remembering(default_encoder())
    encoder.encode([query.text for query in queries])  # in one batch, a third of the time
    streams = [stream(SemanticRouter(encoder), queries, seed) for seed in SEEDS]
    parts = [slice(start, start + WINDOW) for start in range(0, LENGTH, WINDOW)]
    rows = [
        [
            f"{part.start + 1:,} to {part.stop:,}",
            as_text([share(each[part]) for each in streams]),
            as_text([accuracy(each[part]) for each in streams]),
            as_text([sum(one.right for one in each[part]) / WINDOW for each in streams]),
        ]
        for part in (parts[i] for i in (0, 1, 2, 4, 6, 9))
    ]
    early = [(share(each[EARLY]), accuracy(each[EARLY])) for each in streams]
    late = [(share(each[-WINDOW:]), accuracy(each[-WINDOW:])) for each in streams]
    met = {
        f"{EARLY_SHARE:.0%} alone at {ACCURACY:.0%} in the second {WINDOW}": all(
            s >= EARLY_SHARE and a >= ACCURACY for s, a in early
        ),
        f"{SHARE:.0%} alone at {ACCURACY:.0%} in the last {WINDOW}": all(s >= SHARE and a >= ACCURACY for s, a in late),
    }
    verdict = "; ".join(f"{what}, in every stream: {'yes' if done else 'no'}" for what, done in met.items())
    asked = as_text([1 - share(each) for each in streams])
    text = f"""\
{len(SEEDS)} streams of {LENGTH:,} queries drawn from CLINC150 (train and validation, queries out of scope among them),
ten domain routes with only their descriptions at the start, a large router that is right in {RIGHT:.0%}; target
{TARGET}. Median of the streams, lowest and highest in brackets. The large router decided {asked} of all requests.

{table(["requests", "decided alone", "right, of those", "right, all"], rows)}

{verdict}.

![The share decided alone and its accuracy over {LENGTH:,} requests](images/cascade.png)"""
    write_section("The cascade", text)
    draw(streams, IMAGES / "cascade.png")


def draw(streams: Sequence[Sequence[Decided]], path: Path) -> None:
    """Draw share and accuracy over time, a band from the lowest to the highest stream."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    step = WINDOW // 5
    ends = range(WINDOW, LENGTH + 1, step)
    for name, colour, of in (
        ("right, of what it decided alone", "#4c9a6a", accuracy),
        ("decided by the embedded router alone", "#3b6fb6", share),
    ):
        lines = [[of(each[end - WINDOW : end]) for end in ends] for each in streams]
        middle = [statistics.median(values) for values in zip(*lines, strict=True)]
        low, high = ([end(values) for values in zip(*lines, strict=True)] for end in (min, max))
        axes.fill_between(ends, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(ends, middle, color=colour, linewidth=2, label=name)
    axes.axhline(RIGHT, color="#d9822b", linestyle="--", linewidth=1, label=f"the large router is right in {RIGHT:.0%}")
    axes.set(xlim=(WINDOW, LENGTH), ylim=(0, 1.02), xlabel=f"requests (each point: the last {WINDOW})", ylabel="share")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with clinc150_*.jsonl")
    measure(parser.parse_args().data)
