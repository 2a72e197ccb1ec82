"""The requests that the embedded router is measured on, and what is on offer for each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import omni_router
from benchmarks import aurelio, clinc
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.evaluation.data import read_items
from omni_router.evaluation.run import route_options
from omni_router.routers import OTHER, RouteOption, Turn

OWN = Path(omni_router.__file__).parent / "evaluation/data/default_policy.jsonl"
SMOKE = Path(__file__).parents[1] / "tests/data/routing_smoke.jsonl"
SEEDS = (0, 1, 2)  # of the draws of examples
LABELLED = 10  # requests an intent, for the calibration of semantic-router alone


class Case(NamedTuple):
    """A request, what is on offer for it, and what is right."""

    conversation: Sequence[Turn]
    text: str  # of the newest turn
    routes: list[RouteOption]
    right: str
    kind: str = ""

    @property
    def plain(self) -> bool:
        """Return whether it is one turn without an image."""
        return [turn["content"] for turn in self.conversation] == [self.text]


class Run(NamedTuple):
    """What is asked in one go, and labelled requests beside it that our router does not get."""

    cases: list[Case]
    labelled: aurelio.Labelled


def own_data(path: Path, split: str | None = "test") -> Run:
    """Read requests labelled for the default policy; those of the train split are labelled ones."""
    document = RouteFile(DEFAULT_POLICY).document()
    lines = path.read_text(encoding="utf-8").split("\n")
    cases: dict[str | None, list[Case]] = {None: [], "test": [], "train": []}
    for item in read_items(path, document.routes):
        given = json.loads(lines[item.line - 1])
        case = Case(item.conversation, item.text, route_options(item, document), item.route, given.get("kind", ""))
        cases[given.get("split")].append(case)
    return Run(cases[split], [(case.text, case.right) for case in cases["train"] if case.plain])


def clinc_data(data: Path, per_intent: int, seed: int) -> Run:
    """Read CLINC150's validation queries, with ten routes of so many examples an intent out of its train queries."""
    train = clinc.read(data, "train")
    routes = clinc.offered(clinc.draw(train, per_intent, seed))
    outside = [query for query in train if query.domain == OTHER]
    labelled = [*clinc.draw(train, LABELLED, seed, skip=per_intent), *outside]
    return Run(
        [
            Case([{"role": "user", "content": query.text}], query.text, routes, query.domain)
            for query in clinc.read(data, "val")
        ],
        [(query.text, query.domain) for query in labelled],
    )


def all_data(data: Path) -> dict[str, list[Run]]:
    """Return every set of requests; CLINC150 if it is available, once for each of SEEDS."""
    own = own_data(OWN)
    runs = {"own": [own], "smoke": [Run(own_data(SMOKE, None).cases, own.labelled)]}
    if clinc.read(data, "val"):
        runs |= {f"clinc {n}": [clinc_data(data, n, seed) for seed in (SEEDS if n else SEEDS[:1])] for n in (0, 3, 10)}
    return runs
