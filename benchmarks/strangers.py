"""How often the embedded router is right on other people's requests, and whether its confidence can be believed.

python -m benchmarks.strangers --data ../shared/data
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from benchmarks import aurelio
from benchmarks.answer_tables import (
    HEAD,
    Answers,
    by_language,
    by_length,
    by_set,
    cells,
    figures,
    near_misses,
)
from benchmarks.encoder_costs import write_costs
from benchmarks.report import table, write_section
from benchmarks.request_forms import FORMS, LATER_FORMS, wrap
from benchmarks.request_sets import LabelledRequest, RequestSet, sets_of_others, shipped_sets
from benchmarks.same_vectors import Asked, Classifiers
from omni_router.config.routes import Document
from omni_router.evaluation.metrics import Outcome
from omni_router.evaluation.run import route_options
from omni_router.routers import OTHER, Turn
from omni_router.routers.semantic.language import ENGLISH
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import RouterQuery

SHORT = 60  # characters of the requests that are wrapped


def ask(router: MultilingualRouter, beside: Classifiers, requests: RequestSet) -> Answers:
    """Ask the embedded router, and whatever else is installed on the same vectors."""
    items = [request.item for request in requests.requests]
    options = route_options(items[0], requests.document)
    asked = _judge(router, requests)
    ours = [Outcome(item.route, view.route, view.confidence) for item, view in asked]
    others: dict[str, list[Outcome]] = {}
    for name, classifier in beside.fitted(options).items():
        others[name] = classifier.ask(asked)
    return Answers(requests.requests, ours, others)


def _judge(router: MultilingualRouter, requests: RequestSet) -> list[Asked]:
    items = [request.item for request in requests.requests]
    options = route_options(items[0], requests.document)
    queries: list[RouterQuery] = [(item.conversation, options) for item in items]
    return list(map(Asked, items, router.judge(queries)))


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
    names: dict[tuple[str, ...], list[str]] = {}  # of forms with the same figures: mostly, the request was found in all
    for name, form in {"bare": "{request}", **FORMS, **LATER_FORMS}.items():
        asked = _judge(router, wrapped(requests, form, own.document))
        row = cells([Outcome(item.route, view.route, view.confidence) for item, view in asked])
        names.setdefault(tuple(row), []).append(_marked(name))
    rows = [[", ".join(same), *row] for row, same in names.items()]
    text = f"{ABOUT_FORMS.format(n=len(requests), short=SHORT)}\n\n{table(['form', *HEAD], rows)}"
    write_section("Requests in the forms of frameworks", text)


def _marked(form: str) -> str:
    """Write the name of a form in italics if it is a later one."""
    return f"*{form}*" if form in LATER_FORMS else form


# ---- the sections


def main(data: Path) -> None:
    """Ask everything, and write the sections."""
    router = MultilingualRouter()
    beside = Classifiers(router)
    foreign, shipped = sets_of_others(data), shipped_sets()
    answers = {each.name: ask(router, beside, each) for each in [*foreign, *shipped]}
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
The first sets were written by other people and labelled by them or by hand. None of their requests is an example of
the default policy (but for "hi there" and "Yes"), yet the results on them were in view while it was written: BELLE
and Arena-Hard while the rule was written that divides a paragraph, and constants were chosen on parts of them: what
an unknown language keeps of the confidence (xSID), the score below which confidence falls (CLINC150 banking, ten
examples), and the confidence below which `other` is answered (ten domains of CLINC150). The last three sets are the
project's own; the 57 everyday requests in ten languages were written before the latest changes, and no result on one
of them was looked at. Without a policy of its own, a set is measured on the default one. xSID has nine routes with
twelve English examples each; CLINC150 banking has ten routes, requests of the same domain that none serves, and
requests from elsewhere. Requests with an image are left out. *Right* has its 95 % interval (Wilson), *right when
sure* is of answers with a confidence of 0.9 or more, *ECE* the expected calibration error of ten bins. Logistic
regression (scikit-learn, its C by cross-validation) is fitted on the same vectors of the same encoders, chosen by the
same rule. Arena-Hard does not state the language: a text of 97 % ASCII characters counts as English, and the router's
own detector tells the others apart."""
BESIDE = """\
semantic-router {version} with the same encoders (the published embeddings), chosen by the same rule, on the same texts,
with the sum of the five closest utterances. Its confidence is a sum of similarities and not a probability."""
ABOUT_FORMS = """\
The {n} English requests of the own set's test split with one turn, a route and less than {short} characters, bare (as
pydantic-ai and others send them) and in forms of frameworks (`benchmarks/request_forms.py`). The rule that reads
templates was written with these in view, except for those in italics, which were written after it."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder routes")
    main(parser.parse_args().data)
