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
# Examples are chosen to differ from each other, so one that is left out is harder than a new request. The temperature
# of those that are left out is multiplied by this: under it the train split of the shipped set is likeliest. CLINC150's
# requests are a little likelier under 1, and as well calibrated.
LEFT_OUT_FACTOR = 0.7
DESCRIBED_TEMPERATURE = 0.08  # for descriptions alone
LABEL_ERROR_RATE = 0.1  # in teacher labels: Arch-Router's authors report 7 %, and a teacher gets the hard requests
OUT_OF_SCOPE_SHARE = 0.05  # the assumed share of requests, before one is seen
PRIOR = (0.0, math.log((1 - OUT_OF_SCOPE_SHARE) / OUT_OF_SCOPE_SHARE))  # slope and offset, for every request
# A request of the same subject that no route serves is near the texts of a route, but no route scores it as high as its
# own requests. So the best score of a route says how credible a choice is, and the in-domain score, less. Chosen on the
# banking intents of CLINC150 and their near misses.
BEST_SCORE_WEIGHT = 0.6
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


def fit_logistic(inside: "Floats", outside: "Floats") -> tuple[float, float]:
    """Fit the probability of being in domain as a logistic function of a score: two normal laws of one width.

    Args:
        inside: the scores of requests of the routes.
        outside: those of requests that no route serves.

    Returns:
        Slope and offset. With too few scores of either kind, or with no difference between them, these are the
        prior, which knows only how many requests are in domain.
    """
    if min(len(inside), len(outside)) < MIN_EXAMPLES:
        return PRIOR
    spread = float(inside.var(ddof=1) + outside.var(ddof=1)) / 2
    if not spread > 0:
        return PRIOR
    slope = float(inside.mean() - outside.mean()) / spread
    if not slope > 0:  # true also if it is not a number
        return PRIOR
    return slope, PRIOR[1] - slope * float(inside.mean() + outside.mean()) / 2


def fit_in_domain(inside: "Floats", outside: "Floats") -> tuple[float, float]:
    """Fit the probability of being in domain to the logarithms of in-domain scores, as `fit_logistic` does."""
    return fit_logistic(_log(inside), _log(outside))


def in_domain_probability(parameters: tuple[float, float], scores: "Floats") -> "Floats":
    """Return the probability that requests with these in-domain scores are of a kind that the routes serve."""
    slope, offset = parameters
    return _logistic(slope * _log(scores) + offset)


def credibility(
    in_domain: tuple[float, float], best: tuple[float, float], in_domain_score: "Floats", best_score: "Floats"
) -> "Floats":
    """Return the probability that the route chosen for a request serves it, by two scores and the laws of each."""
    by_in_domain = in_domain[0] * _log(in_domain_score) + in_domain[1]
    by_best = best[0] * best_score + best[1]
    return _logistic((1 - BEST_SCORE_WEIGHT) * by_in_domain + BEST_SCORE_WEIGHT * by_best)


def softmax(scores: "Floats") -> "Floats":
    """Return the probabilities of each row."""
    powers: Floats = np.exp(scores - scores.max(1, keepdims=True))
    probabilities: Floats = powers / powers.sum(1, keepdims=True)
    return probabilities


def _log(scores: "Floats") -> "Floats":
    return np.log(np.maximum(scores, EPSILON))


def _logistic(logits: "Floats") -> "Floats":
    probabilities: Floats = 1 / (1 + np.exp(-logits))
    return probabilities
