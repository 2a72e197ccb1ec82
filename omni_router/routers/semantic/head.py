"""The trained head of the embedded router: kernel ridge regression over frozen embeddings, in closed form.

A text is its embedding beside its weighted words. Two regressions are fitted over the same texts. The broad one, almost
linear, tells the routes apart; the closest texts of a route are added to it, which lifts routes made of many small
intents. The narrow one gives nearly nothing away from all texts: its best score is the in-domain score of a request.

The meaning of the scores is learned from the texts themselves. Each is scored as if it had been left out: this gives
the temperature that turns scores into probabilities, and the in-domain scores of the requests of the routes. Each
route is left out as a whole: this gives the in-domain scores of requests that no route serves. Nothing is fitted
twice for it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.semantic.calibration import (
    DESCRIBED_TEMPERATURE,
    LABEL_ERROR_RATE,
    MIN_EXAMPLES,
    OUT_OF_SCOPE_SHARE,
    PRIOR,
    fit_in_domain,
    fit_temperature,
    in_domain_probability,
)
from omni_router.routers.semantic.features import Embed, TrainingRows, Vocabulary, stack_rows
from omni_router.routers.semantic.training_set import ClassData

if TYPE_CHECKING:
    from torch import Tensor

# Chosen on CLINC150 with ten domain routes and on the shipped set, both splits in view; flat around each value.
BROAD, NARROW = 0.4, 6.0  # how fast a kernel falls with the squared distance
WORDS_BROAD, WORDS_NARROW, WORDS_NEAR = 0.4, 0.3, 0.2  # the weight of shared words beside the embedding
RIDGE_BROAD, RIDGE_NARROW = 0.1, 0.2
RIDGE_PHRASE = 1.0  # a phrase of a description says little beside requests of the same route
# Requests are more like each other than like a phrase, whatever they are about. Of a mixed policy, the routes with a
# description alone get this much: with half of the routes so, 88 % of CLINC150 are right, 50 % without it.
DESCRIBED_BONUS = 0.4
NEAR, NEAR_WEIGHT = 3, 1.0  # the closest texts of a route, and the weight of their likeness
NEAR_DESCRIBED = 1  # for descriptions alone
# Where descriptions alone are known, the credibility of a choice is the likeness of its closest phrase and this much
# more: on CLINC150 and the shipped set, of requests with 0.3 of likeness about six in ten had a route at all, with 0.65
# all.
DESCRIBED_CREDIBILITY = 0.3
OUT_OF_SCOPE_LEAD = 0.15  # `other` must lead by this much: its examples are many, its requests few


class Scores(NamedTuple):
    """The scores of a head for requests."""

    classes: "Tensor"  # (requests, classes): the higher, the likelier
    in_domain_score: "Tensor"  # (requests,): 0 for what is unlike everything, about 1 for a text of the training set
    likeness: "Tensor"  # (requests, texts): cosines


class Head:
    """Fitted on what is known about each class; the last class is for requests that no route serves.

    The last class is never the likeliest where no request of it is known. `complete` is true where requests of every
    route are known: else a request that is unlike them may still be for a route that has a description alone.
    """

    def __init__(self, classes: Sequence[ClassData], embed: Embed) -> None:
        """Fit the head.

        Args:
            classes: the routes in their order, and the last class; at least one text in all.
            embed: returns the embeddings of texts, shape (texts, dimensions), each of length one.
        """
        import torch

        rows = stack_rows(classes, embed)
        self.texts, self.vectors, self.slices = rows.texts, rows.vectors, rows.slices
        sizes = [part.stop - part.start for part in self.slices]
        owners = torch.repeat_interleave(torch.tensor(sizes))
        of_routes = owners[rows.is_request & (owners < len(classes) - 1)]
        self._has_requests = len(of_routes) > 0
        # A hundred requests for one route of ten say nothing of how others look.
        covered = len(set(of_routes.tolist()))
        self._too_few = len(of_routes) < MIN_EXAMPLES or 2 * covered < len(classes) - 1
        self._set_bonus(rows.is_request)
        requests = list(self.texts)
        for index in (~rows.is_request).nonzero()[:, 0].tolist():
            requests[index] = None  # a phrase, whose words are not those of requests
        self._vocabulary = Vocabulary(list(filter(None, requests)))
        words = self._vocabulary.rows(requests)
        self._words = words.T.contiguous()
        self._fit(rows, owners, self.vectors @ self.vectors.T, words @ words.T)

    def score(self, vectors: "Tensor", texts: Sequence[str]) -> Scores:
        """Score requests by their embeddings, shape (requests, dimensions), and their texts."""
        words = self._vocabulary.rows(texts)
        used = words.any(0).nonzero()[:, 0]  # a request has a handful of the two thousand
        likeness, shared = vectors @ self.vectors.T, words[:, used] @ self._words[used]
        classes = self.broad_scores(likeness, shared)
        classes += NEAR_WEIGHT * self._nearest(likeness + WORDS_NEAR * shared)
        classes += self._bonus
        narrow = self.narrow_scores(likeness, shared)
        return Scores(classes, narrow[:, :-1].amax(1), likeness)

    def broad_scores(self, likeness: "Tensor", shared: "Tensor") -> "Tensor":
        """Return the scores of the broad regression, (requests, classes), for likeness and shared words by text."""
        return self._kernel(likeness, shared, BROAD, WORDS_BROAD) @ self._broad

    def narrow_scores(self, likeness: "Tensor", shared: "Tensor") -> "Tensor":
        """Return the scores of the narrow regression, (requests, classes), for likeness and shared words by text."""
        return self._kernel(likeness, shared, NARROW, WORDS_NARROW) @ self._narrow

    def probabilities(self, classes: "Tensor") -> "Tensor":
        """Return the probability of each class by its score, for requests that are in domain."""
        return (classes / self.temperature).softmax(1)

    def in_domain_probability(self, in_domain_score: "Tensor") -> "Tensor":
        """Return the probability that a request is of a kind that the routes serve."""
        return in_domain_probability(self.in_domain_fit, in_domain_score)

    def credibility(self, scores: Scores) -> "Tensor":
        """Return for each route, shape (routes,), the probability that the request it was chosen for has a route.

        `scores` are those of one request by itself and of the request read with the earlier ones.
        """
        import torch

        likeness = scores.likeness[0]
        closest = torch.stack([likeness[part].amax() for part in self.slices[:-1]])
        by_description = (closest + DESCRIBED_CREDIBILITY).clamp(0, 1 - OUT_OF_SCOPE_SHARE)
        return by_description.where(self._described, self.in_domain_probability(scores.in_domain_score.max()))

    def _set_bonus(self, is_request: "Tensor") -> None:
        """Determine the routes that have a description alone, and what is added to the score of each class."""
        import torch

        with_requests, with_texts = torch.zeros(2, len(self.slices), dtype=torch.bool)
        for index, part in enumerate(self.slices):
            with_requests[index] = is_request[part].any()
            with_texts[index] = len(is_request[part]) > 0
        self._described = (with_texts & ~with_requests)[:-1]
        self.complete = not self._described.any()
        self._bonus = torch.zeros(len(self.slices))
        if with_requests.any():
            self._bonus[:-1][self._described] = DESCRIBED_BONUS
        self._bonus[-1] = -OUT_OF_SCOPE_LEAD if with_requests[-1] else -math.inf

    def _fit(self, rows: TrainingRows, owners: "Tensor", likeness: "Tensor", shared: "Tensor") -> None:
        """Fit both regressions, and the calibration of their scores."""
        import torch

        is_request, trust = rows.is_request, rows.trust
        targets = torch.nn.functional.one_hot(owners, len(self.slices)).float()
        phrase = RIDGE_BROAD
        if self._has_requests and self.complete:
            phrase = RIDGE_PHRASE

        kernel = self._kernel(likeness, shared, BROAD, WORDS_BROAD)
        inverse = _inverse(kernel, torch.where(is_request, RIDGE_BROAD, phrase) / trust)
        self._broad = inverse @ targets
        near = (likeness + WORDS_NEAR * shared).fill_diagonal_(-math.inf)
        left_out = targets - self._broad / inverse.diagonal()[:, None] + NEAR_WEIGHT * self._nearest(near)
        left_out += self._bonus
        doubt = torch.where(trust < 1, LABEL_ERROR_RATE, 0.0)[is_request]
        self.temperature = self._temperature(left_out[is_request], owners[is_request], doubt)

        kernel = self._kernel(likeness, shared, NARROW, WORDS_NARROW)
        inverse = _inverse(kernel, torch.where(is_request, RIDGE_NARROW, phrase) / trust)
        self._narrow = inverse @ targets
        left_out = targets - self._narrow / inverse.diagonal()[:, None]
        routes = owners < len(self.slices) - 1
        without_route = [self._scores_without(part, inverse, is_request) for part in self.slices[:-1]]
        inside, outside = left_out[is_request & routes, :-1].amax(1), left_out[~routes, :-1].amax(1)
        self.in_domain_fit = PRIOR
        if not self._too_few:
            self.in_domain_fit = fit_in_domain(inside, torch.cat([*without_route, outside]))

    def _temperature(self, scores: "Tensor", owners: "Tensor", doubt: "Tensor") -> float:
        if not self._has_requests:
            return DESCRIBED_TEMPERATURE
        temperature = fit_temperature(scores, owners, doubt)
        if self._too_few:  # random words are easy to recognise, which says nothing about the routes
            return max(temperature, DESCRIBED_TEMPERATURE)
        return temperature

    def _scores_without(self, part: slice, inverse: "Tensor", is_request: "Tensor") -> "Tensor":
        """Return the in-domain scores that the requests of a route get from a head without the route."""
        import torch

        others = [index for index, other in enumerate(self.slices[:-1]) if other != part]
        if not others or not is_request[part].any():
            return torch.empty(0)
        change: Tensor = torch.linalg.solve(inverse[part, part], self._narrow[part][:, others])
        return (-change[is_request[part]]).amax(
            1
        )  # the other routes score zero here, so what is left is minus the change

    def _kernel(self, likeness: "Tensor", shared: "Tensor", fall: float, words: float) -> "Tensor":
        """Return exp(-fall * squared distance), in embeddings and, once requests are known, in words."""
        import torch

        half = 1 - likeness
        if self._has_requests:
            half = half + words * (1 - shared)
        return torch.exp(-fall * (2 * half))

    def _nearest(self, likeness: "Tensor") -> "Tensor":
        """Average over the closest texts of each class."""
        import torch

        most = NEAR if self._has_requests else NEAR_DESCRIBED
        means: list[Tensor] = []
        for part in self.slices:
            closest = likeness[:, part].topk(min(most, part.stop - part.start), 1).values
            means.append(closest.where(closest.isfinite(), math.nan).nanmean(1))  # a left-out text is skipped
        return torch.stack(means, 1).nan_to_num(-1.0)  # a class without a text is the mean of nothing


def _inverse(kernel: "Tensor", ridge: "Tensor") -> "Tensor":
    import torch

    return torch.cholesky_inverse(torch.linalg.cholesky(kernel + torch.diag(ridge)))
