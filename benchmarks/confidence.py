"""How often answers are right, and how far their confidence can be believed: pure functions of outcomes."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from omni_router.evaluation.metrics import Outcome, calibration_error, reliability, wilson
from omni_router.tasks import OTHER

CONFIDENT = 0.9
RECALL = 0.95
BANDS = ((60, "below 60"), (200, "60 to 200"), (1_000, "200 to 1,000"))  # characters, and how they are called
LONGEST = "1,000 and more"


class Summary(NamedTuple):
    """The figures of a group of answers; None where there is nothing to divide."""

    n: int
    right: int
    interval: tuple[float, float]
    confidence: float  # the mean
    confident: int  # answers with a confidence of CONFIDENT or more
    confident_right: int
    calibration_error: float


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """Return the figures of some answers.

    Raises:
        ValueError: there are no answers.
    """
    if not outcomes:
        raise ValueError("There are no answers to summarize.")
    right = [outcome.right for outcome in outcomes]
    confidences = [outcome.confidence or 0.0 for outcome in outcomes]
    confident = [outcome.right for outcome in outcomes if (outcome.confidence or 0.0) >= CONFIDENT]
    low, high = wilson(sum(right), len(right)) or (0.0, 1.0)
    return Summary(
        n=len(right),
        right=sum(right),
        interval=(low, high),
        confidence=statistics.fmean(confidences),
        confident=len(confident),
        confident_right=sum(confident),
        calibration_error=calibration_error(reliability(outcomes)) or 0.0,
    )


def band_of(text: str) -> str:
    """Return the band of length of a text."""
    for end, name in BANDS:
        if len(text) < end:
            return name
    return LONGEST


def rejected(inside: Sequence[Outcome], outside: Sequence[Outcome], recall: float = RECALL) -> tuple[int, int]:
    """Count requests without a route that a threshold on the confidence rejects, and all of them.

    The threshold is the highest that at least `recall` of the requests with a route reach, right or wrong. An answer
    `other` counts as a confidence of 0.
    """
    reached = sorted(map(_score, inside))
    threshold = reached[int((1 - recall) * len(reached) + 1e-9)]
    return sum(_score(outcome) < threshold for outcome in outside), len(outside)


def _score(outcome: Outcome) -> float:
    if outcome.predicted in {None, OTHER}:
        return 0.0
    return outcome.confidence or 0.0
