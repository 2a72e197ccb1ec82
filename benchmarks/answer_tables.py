"""Tables of how often answers are right, by set, language and length, and of what the confidence is worth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from benchmarks.confidence import BANDS, CONFIDENT, LONGEST, RECALL, band_of, rejected, summarize
from benchmarks.report import table
from benchmarks.request_sets import NEAR_MISS, PARTS, LabelledRequest, part_of
from benchmarks.same_vectors import REGRESSION
from omni_router.evaluation.metrics import Outcome
from omni_router.routers import OTHER

IN_SCOPE, OUT_OF_SCOPE = "in scope", "out of scope"
HEAD = ("right", "mean confidence", f"sure ({CONFIDENT} or more)", "right when sure", "ECE")


class Answers(NamedTuple):
    """What each router answered to the requests of a set, in their order."""

    requests: list[LabelledRequest]
    ours: list[Outcome]
    others: dict[str, list[Outcome]]  # by the name of a router

    def only(self, key: Callable[[LabelledRequest], str], value: str) -> "Answers":
        """Return the answers to the requests whose key has this value."""
        places = [place for place, request in enumerate(self.requests) if key(request) == value]
        others: dict[str, list[Outcome]] = {}
        for name, outcomes in self.others.items():
            others[name] = [outcomes[place] for place in places]
        return Answers([self.requests[place] for place in places], [self.ours[place] for place in places], others)


def by_set(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each set, and its parts by what reads their languages."""
    for name, each in answers.items():
        yield name, each
        parts = set(map(_part, each.requests))
        if len(parts) > 1:
            for part in filter(parts.__contains__, PARTS):
                yield f"... {part}", each.only(_part, part)


def by_language(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each language of the sets in several languages."""
    for name, each in answers.items():
        languages = sorted({request.language for request in each.requests})
        if len(languages) > 1:
            for language in languages:
                yield f"{name}: {language}", each.only(attrgetter("language"), language)


def by_length(answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """Yield each band of length of each set."""
    for name, each in answers.items():
        for band in [*(name for _, name in BANDS), LONGEST]:
            part = each.only(_band, band)
            if part.requests:
                yield f"{name}: {band}", part


def figures(first: str, groups: Iterator[tuple[str, Answers]]) -> str:
    """Write a table of groups of answers."""
    rows: list[list[str]] = []
    names: list[str] = []
    for group, answers in groups:
        names = list(answers.others)
        row = [group, str(len(answers.requests)), *cells(answers.ours)]
        for outcomes in answers.others.values():
            row += _beside(outcomes)
        rows.append(row)
    head = [first, "n", *HEAD]
    for name in names:
        head.append(name)
        if name == REGRESSION:
            head.append("... right when sure")
    return table(head, rows)


def cells(outcomes: Sequence[Outcome]) -> list[str]:
    """Write the figures of some answers, in the order of HEAD."""
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
        inside = each.only(_scope, IN_SCOPE)
        for source in sorted({request.source for request in each.requests if request.item.route == OTHER}):
            outside = each.only(attrgetter("source"), source)
            refused = sum(outcome.right for outcome in outside.ours)
            row = [name, source, _share(*rejected(inside.ours, outside.ours))]
            row.append(_share(refused, len(outside.ours)))
            if REGRESSION in each.others:
                row.append(_share(*rejected(inside.others[REGRESSION], outside.others[REGRESSION])))
            rows.append(row)
    head = ["set", "requests", f"rejected at {RECALL:.0%} recall", "answered `other`", f"{REGRESSION}, rejected"]
    return table(head[: len(rows[0])], rows)


def _part(request: LabelledRequest) -> str:
    return part_of(request.language)


def _band(request: LabelledRequest) -> str:
    return band_of(request.item.text)


def _scope(request: LabelledRequest) -> str:
    return OUT_OF_SCOPE if request.item.route == OTHER else IN_SCOPE
