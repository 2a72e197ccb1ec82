"""The calibration of a head's scores: the temperature of its probabilities, and the probability of being in domain.

Both are fitted on scores that each text gets as if it had been left out of the training set.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

TEMPERATURES = tuple(0.02 * 1.15**i for i in range(24))  # to choose from: 0.02 to 0.5
DESCRIBED_TEMPERATURE = 0.08  # for descriptions alone
LABEL_ERROR_RATE = 0.1  # in teacher labels: Arch-Router's authors report 7 %, and a teacher gets the hard requests
OUT_OF_SCOPE_SHARE = 0.05  # the assumed share of requests, before one is seen
PRIOR = (0.0, math.log((1 - OUT_OF_SCOPE_SHARE) / OUT_OF_SCOPE_SHARE))  # slope and offset, for every request
MIN_EXAMPLES = 30  # examples needed before the in-domain score is used
EPSILON = 1e-6  # lower bound of what a logarithm is taken of


def fit_temperature(scores: "Floats", owners: "NDArray[np.int64]", doubt: "Floats") -> float:
    """Choose the temperature under which the right classes are likeliest.

    Args:
        scores: of requests that were left out, (requests, classes).
        owners: the class of each request.
        doubt: the probability that an owner is wrong, and any other class right: else every wrong label, however
            plainly its neighbours contradict it, would count against confidence.
    """

    def surprise(temperature: float) -> float:
        right = np.take_along_axis(softmax(scores / temperature), owners[:, None], 1)[:, 0]
        likelihood = (1 - doubt) * right + doubt * (1 - right) / (scores.shape[1] - 1)
        return -float(np.log(np.maximum(likelihood, EPSILON)).mean())

    return min(TEMPERATURES, key=surprise)


def fit_in_domain(inside: "Floats", outside: "Floats") -> tuple[float, float]:
    """Fit the in-domain probability as a logistic function of the score's logarithm: two normal laws of one width.

    Args:
        inside: the in-domain scores of requests of the routes.
        outside: those of requests that no route serves.

    Returns:
        Slope and offset. With too few scores of either kind, or with no difference between them, these are the
        prior, which knows only how many requests are in domain.
    """
    if min(len(inside), len(outside)) < MIN_EXAMPLES:
        return PRIOR
    a, b = _log(inside), _log(outside)
    spread = float(a.var(ddof=1) + b.var(ddof=1)) / 2
    if not spread > 0:
        return PRIOR
    slope = float(a.mean() - b.mean()) / spread
    if not slope > 0:  # true also if it is not a number
        return PRIOR
    return slope, PRIOR[1] - slope * float(a.mean() + b.mean()) / 2


def in_domain_probability(parameters: tuple[float, float], scores: "Floats") -> "Floats":
    """Return the probability that requests with these in-domain scores are of a kind that the routes serve."""
    slope, offset = parameters
    probabilities: Floats = 1 / (1 + np.exp(-(slope * _log(scores) + offset)))
    return probabilities


def softmax(scores: "Floats") -> "Floats":
    """Return the probabilities of each row."""
    powers: Floats = np.exp(scores - scores.max(1, keepdims=True))
    probabilities: Floats = powers / powers.sum(1, keepdims=True)
    return probabilities


def _log(scores: "Floats") -> "Floats":
    return np.log(np.maximum(scores, EPSILON))
