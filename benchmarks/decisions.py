"""How often choices in words are right, and whether their probabilities can be believed.

python -m benchmarks.decisions --data ../shared/data
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import clinc
from benchmarks.confidence import summarize
from benchmarks.report import table, write_section
from benchmarks.request_sets import RequestSet, sets_of_others, shipped_sets
from omni_router.config.routes import Route
from omni_router.evaluation.metrics import Outcome
from omni_router.routers import OTHER, Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.choices import Choice, Option, choose
from omni_router.routers.semantic.multilingual_router import MultilingualRouter

CHOSEN_ON = "CLINC150, ten domains"
WITH_POLICY = ("xSID", "CLINC150 banking")  # sets that come with a policy of their own, and examples


class Question(NamedTuple):
    """A set of choices, and texts with the right one of each; OTHER: none of them."""

    name: str
    options: list[Option]
    texts: list[tuple[str, str]]


class Known:
    """A router whose answers for one set of choices were computed in one go."""

    def __init__(self, router: MultilingualRouter, question: Question) -> None:
        routes = [RouteOption(each.label, each.description, each.examples) for each in question.options]
        judgements = router.judge([(_talk(text), routes) for text, _ in question.texts])
        texts = [text for text, _ in question.texts]
        self._answers = dict(zip(texts, [each.probabilities for each in judgements], strict=True))

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return what was computed for this text."""
        return self._answers[conversation[-1]["content"]]

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Raise: only the probabilities are asked for."""
        raise NotImplementedError


def questions(data: Path) -> list[Question]:
    """Return other people's sets, CLINC150's domains, and those that ship."""
    asked: list[Question] = []
    for each in sets_of_others(data):
        if each.name.startswith(WITH_POLICY):
            name = each.name.partition(",")[0]
            if not each.name.endswith("50 examples"):
                asked.append(_question(f"{name}, described", each, with_examples=False))
            asked.append(_question(each.name, each, with_examples=True))
        else:
            asked.append(_by_default_policy(each))
    if queries := clinc.read(data, "val"):
        options = [Option(domain, description) for domain, description in clinc.DESCRIPTIONS.items()]
        asked.append(Question(CHOSEN_ON, options, [(query.text, query.domain) for query in queries]))
    return [*asked, *map(_by_default_policy, shipped_sets())]


def _by_default_policy(requests: RequestSet) -> Question:
    return _question(f"{requests.name}, default policy described", requests, with_examples=False)


def _question(name: str, requests: RequestSet, *, with_examples: bool) -> Question:
    options = [_option(route, with_examples=with_examples) for route in requests.document.routes]
    texts = [(each.item.text, each.item.route) for each in requests.requests if len(each.item.conversation) == 1]
    return Question(name, options, texts)


def _option(route: Route, *, with_examples: bool) -> Option:
    return Option(route.name, route.description, route.examples if with_examples else ())


def row(router: MultilingualRouter, question: Question) -> list[str]:
    """Ask one set of choices, without and with a choice for none of the others, and return its row."""
    known = Known(router, question)
    inside = [text for text in question.texts if text[1] != OTHER]
    closed = summarize([_ask(known, question.options, text) for text in inside])
    with_other = [_ask(known, [*question.options, Option(OTHER)], text) for text in question.texts]
    opened = summarize(with_other)
    kept = summarize([outcome for outcome in with_other if outcome.route != OTHER])
    outside = [outcome for outcome in with_other if outcome.route == OTHER]
    return [
        question.name,
        str(len(question.options)),
        str(closed.n),
        f"{closed.right / closed.n:.1%} ({closed.interval[0]:.1%} to {closed.interval[1]:.1%})",
        f"{closed.confidence:.1%}",
        f"{closed.calibration_error:.3f}",
        f"{kept.right / kept.n:.1%}",
        f"{sum(outcome.right for outcome in outside)} of {len(outside)}" if outside else "",
        f"{opened.calibration_error:.3f}",
    ]


def _ask(known: Known, options: Sequence[Option], text: tuple[str, str]) -> Outcome:
    chosen: Choice = choose(known, _talk(text[0]), options)
    return Outcome(text[1], chosen.label, chosen.confidence)


def _talk(text: str) -> list[Turn]:
    return [Turn(role="user", content=text)]


def main(data: Path) -> None:
    """Ask everything, and write the section."""
    router = MultilingualRouter()
    rows = [row(router, question) for question in questions(data)]
    write_section("Choices in words", f"{ABOUT}\n\n{table(HEAD, rows)}")


HEAD = ("choices", "n", "texts", "right", "mean confidence", "ECE", "right beside `other`", "noticed", "ECE")
ABOUT = """\
`OmniDecisions` over `semantic`, other people's texts first. *Described* is a name and a description for each choice and
no example; else the examples are those of the set's own policy. *Right* is of texts that one of the choices fits, with
its 95 % interval (Wilson), where every choice is one of them. The last three columns have a choice `other` beside them:
how many are still right, how many texts that none fits are noticed, and the calibration error of all. What a
description is worth was chosen on CLINC150 (`head.py`). That the probabilities are nearer to each other the less a text
is like any choice was decided on CLINC150's ten domains and the own set; the rule has no fitted number, but the results
on all sets were in view. The English descriptions of the default policy are of ten broad kinds of request; BELLE is in
Chinese, MGSM in eleven languages, xSID in thirteen, the everyday requests in ten. ECE is the expected calibration error
of ten bins."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder routes")
    main(parser.parse_args().data)
