"""How often the embedded router is right on other people's requests, and whether its confidence can be believed.

python -m benchmarks.strangers --data ../shared/data
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks import aurelio
from benchmarks.confidence import BANDS, CONFIDENT, LONGEST, RECALL, band_of, rejected, summarize
from benchmarks.encoder_costs import write_costs
from benchmarks.report import table, write_section
from benchmarks.request_forms import FORMS, UNMARKED_FORMS, wrap
from benchmarks.request_sets import NEAR_MISS, LabelledRequest, RequestSet, part_of, sets_of_others, shipped_sets
from benchmarks.same_vectors import Asked, LogisticRegression, SemanticRouterLibrary
from omni_router.config.routes import Document
from omni_router.evaluation.metrics import Outcome
from omni_router.evaluation.run import route_options
from omni_router.routers import OTHER, Turn
from omni_router.routers.semantic.language import ENGLISH
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import RouterQuery

REGRESSION = "logistic regression"
SHORT = 60  # characters of the requests that are wrapped
HEAD = ("right", "mean confidence", f"sure ({CONFIDENT} or more)", "right when sure", "ECE")


class Answers(NamedTuple):
    """What each router answered to the requests of a set, in their order."""

    requests: list[LabelledRequest]
    ours: list[Outcome]
    others: dict[str, list[Outcome]]  # by the name of a router

    def only(self, keep: Callable[[LabelledRequest], bool]) -> "Answers":
        """Return the answers to some of the requests."""
        places = [place for place, request in enumerate(self.requests) if keep(request)]
        others: dict[str, list[Outcome]] = {}
        for name, outcomes in self.others.items():
            others[name] = [outcomes[place] for place in places]
        return Answers([self.requests[place] for place in places], [self.ours[place] for place in places], others)


def ask(router: MultilingualRouter, requests: RequestSet) -> Answers:
    """Ask the embedded router, and whatever else is installed on the same vectors."""
    items = [request.item for request in requests.requests]
    options = route_options(items[0], requests.document)
    asked = _judge(router, requests)
    ours = [Outcome(item.route, view.route, view.confidence) for item, view in asked]
    others: dict[str, list[Outcome]] = {}
    if find_spec("sklearn"):
        others[REGRESSION] = LogisticRegression(router, options).ask(asked)
    if aurelio.installed():
        others[aurelio.NAME] = SemanticRouterLibrary(router, options).ask(asked)
    return Answers(requests.requests, ours, others)


def _judge(router: MultilingualRouter, requests: RequestSet) -> list[Asked]:
    items = [request.item for request in requests.requests]
    options = route_options(items[0], requests.document)
    queries: list[RouterQuery] = [(item.conversation, options) for item in items]
    return list(map(Asked, items, router.judge(queries)))


# ---- the tables


def by_set(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each set, and its parts by what reads their languages."""
    for name, each in answers.items():
        yield name, each
        parts = dict.fromkeys(part_of(request.language) for request in each.requests)
        if len(parts) > 1:
            for part in parts:
                yield f"... {part}", each.only(lambda request, part=part: part_of(request.language) == part)


def by_language(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each language of the sets in several languages."""
    for name, each in answers.items():
        languages = sorted({request.language for request in each.requests})
        if len(languages) > 1:
            for language in languages:
                yield f"{name}: {language}", each.only(lambda request, language=language: request.language == language)


def by_length(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each band of length of each set."""
    for name, each in answers.items():
        for band in [*(name for _, name in BANDS), LONGEST]:
            part = each.only(lambda request, band=band: band_of(request.item.text) == band)
            if part.requests:
                yield f"{name}: {band}", part


def figures(first: str, groups: Iterator[tuple[str, Answers]]) -> str:
    """Write a table of groups of answers."""
    rows: list[list[str]] = []
    names: list[str] = []
    for group, answers in groups:
        names = list(answers.others)
        row = [group, str(len(answers.requests)), *_cells(answers.ours)]
        for outcomes in answers.others.values():
            row += _beside(outcomes)
        rows.append(row)
    head = [first, "n", *HEAD]
    for name in names:
        head.append(name)
        if name == REGRESSION:
            head.append("... right when sure")
    return table(head, rows)


def _cells(outcomes: Sequence[Outcome]) -> list[str]:
    summary = summarize(outcomes)
    low, high = summary.interval
    return [
        f"{summary.right / summary.n:.1%} ({low:.1%} to {high:.1%})",
        f"{summary.confidence:.2f}",
        f"{summary.confident / summary.n:.0%}",
        _share(summary.confident_right, summary.confident),
        f"{summary.calibration_error:.3f}",
    ]


def _beside(outcomes: Sequence[Outcome]) -> list[str]:
    """Write how often another classifier is right, and how often where it is sure, if it says how sure it is."""
    summary = summarize(outcomes)
    right = f"{summary.right / summary.n:.1%}"
    if outcomes[0].confidence is None:
        return [right]
    return [right, _share(summary.confident_right, summary.confident)]


def _share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    return f"{part / whole:.1%} of {whole}"


def near_misses(answers: Mapping[str, Answers]) -> str:
    """Write how many requests that no route serves a threshold rejects."""
    rows: list[list[str]] = []
    for name, each in answers.items():
        if not any(request.source == NEAR_MISS for request in each.requests):
            continue
        inside = each.only(lambda request: request.item.route != OTHER)
        for source in sorted({request.source for request in each.requests if request.item.route == OTHER}):
            outside = each.only(lambda request, source=source: request.source == source)
            refused = sum(outcome.right for outcome in outside.ours)
            row = [name, source, str(len(outside.ours)), _share(*rejected(inside.ours, outside.ours))]
            row.append(_share(refused, len(outside.ours)))
            if REGRESSION in each.others:
                row.append(_share(*rejected(inside.others[REGRESSION], outside.others[REGRESSION])))
            rows.append(row)
    head = ["set", "requests", "n", f"rejected at {RECALL:.0%} recall", "answered `other`", f"{REGRESSION}, rejected"]
    return table(head[: len(rows[0])], rows)


# ---- the forms of frameworks


def short_requests(own: RequestSet) -> list[LabelledRequest]:
    """Return the short English requests of the own set that have a route and one turn."""
    return [
        request
        for request in own.requests
        if len(request.item.text) < SHORT
        and request.language == ENGLISH
        and request.item.route != OTHER
        and len(request.item.conversation) == 1
    ]


def wrapped(requests: Sequence[LabelledRequest], form: str, document: Document) -> RequestSet:
    """Return requests in a form."""
    result: list[LabelledRequest] = []
    for request in requests:
        text = wrap(form, request.item.text)
        turn: Turn = {"role": "user", "content": text}
        result.append(request._replace(item=replace(request.item, conversation=(turn,), text=text)))
    return RequestSet(form, document, result)


def write_forms(router: MultilingualRouter, own: RequestSet) -> None:
    """Ask for the same requests in all forms, and write how often the answers are right."""
    requests = short_requests(own)
    rows: list[list[str]] = []
    for name, form in {"bare": "{request}", **FORMS, **UNMARKED_FORMS}.items():
        asked = _judge(router, wrapped(requests, form, own.document))
        outcomes = [Outcome(item.route, view.route, view.confidence) for item, view in asked]
        rows.append([name, *_cells(outcomes)])
    text = f"{ABOUT_FORMS.format(n=len(requests), short=SHORT)}\n\n{table(['form', *HEAD], rows)}"
    write_section("Requests in the forms of frameworks", text)


# ---- the sections


def main(data: Path) -> None:
    """Ask everything, and write the sections."""
    router = MultilingualRouter()
    foreign, shipped = sets_of_others(data), shipped_sets()
    answers = {each.name: ask(router, each) for each in [*foreign, *shipped]}
    about = ABOUT if foreign else f"{ABOUT}\n\nSets of others were not measured: there is no {data}/routes."
    parts = [about, figures("set", by_set(answers))]
    if foreign:
        parts += ["Requests that no route serves:", near_misses(answers)]
    parts += ["By language:", figures("set and language", by_language(answers))]
    parts += ["By length in characters:", figures("set and length", by_length(answers))]
    name = "The embedded router on other people's requests"
    if aurelio.installed():
        name += ", beside semantic-router"
        parts.append(BESIDE.format(version=version("semantic-router")))
    write_section(name, "\n\n".join(parts))
    write_forms(router, shipped[0])
    write_costs(router, shipped[0])
    if not aurelio.installed():
        print(f"\n{aurelio.MISSING}")


ABOUT = """\
The first sets were written by other people and labelled by them or by hand; none of their texts is an example of the
policy. Constants and examples were chosen on other sets, but these results were in view. The last two are the project's
own. Without a policy of its own, a set is measured on the default one. xSID has nine routes with twelve English
examples each; CLINC150 banking has ten routes, requests of the same domain that none serves, and requests from
elsewhere. Requests with an image are left out. *Right* has its 95 % interval (Wilson), *right when sure* is of answers
with a confidence of 0.9 or more, *ECE* the expected calibration error of ten bins. Logistic regression (scikit-learn,
its C by cross-validation) is fitted on the same vectors of the same encoders, chosen by the same rule. Arena-Hard does
not state the language: a text of 97 % ASCII characters counts as English."""
BESIDE = """\
semantic-router {version} with the same encoders (the published embeddings), chosen by the same rule, on the same texts,
with the sum of the five closest utterances. Its confidence is a sum of similarities and not a probability."""
ABOUT_FORMS = """\
The {n} English requests of the own set's test split with one turn, a route and less than {short} characters, bare (as
pydantic-ai and others send them) and in forms of frameworks (`benchmarks/request_forms.py`). The rule that reads
templates was written with all but the last two forms in view."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder routes")
    main(parser.parse_args().data)
