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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from omni_router.routers.semantic.calibration import (
    DESCRIBED_TEMPERATURE,
    LABEL_ERROR_RATE,
    LEFT_OUT_FACTOR,
    MIN_EXAMPLES,
    OUT_OF_SCOPE_SHARE,
    PRIOR,
    credibility,
    fit_in_domain,
    fit_logistic,
    fit_temperature,
    in_domain_probability,
    softmax,
)
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.features import Embed, Vocabulary, Words, stack_rows
from omni_router.routers.semantic.regression import Regression, one_hot
from omni_router.routers.semantic.training_set import ClassData

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


Law = Callable[[Vectors, Vectors], tuple[float, float]]


class Scores(NamedTuple):
    """The scores of a head for requests."""

    classes: Vectors  # (requests, classes): the higher, the likelier
    in_domain_score: Vectors  # (requests,): 0 for what is unlike everything, about 1 for a text of the training set
    likeness: Vectors  # (requests, texts): cosines


class Fit(NamedTuple):
    """What is fitted to the texts: all of a head that takes time."""

    broad: Vectors  # (texts, classes)
    narrow: Vectors  # (texts, classes)
    temperature: float
    in_domain: tuple[float, float]  # slope and offset, by the in-domain score
    best: tuple[float, float]  # slope and offset, by the best score of a route
    words: Words


class Head:
    """Fitted on what is known about each class; the last class is for requests that no route serves.

    The last class is never the likeliest where no request of it is known. `complete` is true where requests of every
    route are known: else a request that is unlike them may still be for a route that has a description alone.
    """

    def __init__(self, classes: Sequence[ClassData], embed: Embed, fit: Fit | None = None) -> None:
        """Fit the head.

        Args:
            classes: the routes in their order, and the last class; at least one text in all.
            embed: returns the embeddings of texts, shape (texts, dimensions), each of length one.
            fit: the fit of an earlier head for the same classes and embeddings.
        """
        rows = stack_rows(classes, embed)
        self.texts, self.vectors, self.slices = rows.texts, rows.vectors, rows.slices
        sizes = [part.stop - part.start for part in self.slices]
        owners = np.repeat(np.arange(len(sizes)), sizes)
        of_routes = owners[rows.is_request & (owners < len(classes) - 1)]
        self._has_requests = len(of_routes) > 0
        # A hundred requests for one route of ten say nothing of how others look.
        covered = len(np.unique(of_routes))
        self._too_few = len(of_routes) < MIN_EXAMPLES or 2 * covered < len(classes) - 1
        self._set_bonus(rows.is_request)
        if fit is None:
            requests = [text if known else None for text, known in zip(self.texts, rows.is_request, strict=True)]
            self._vocabulary = Vocabulary.of(requests)  # the words of a phrase are not those of requests
            self.fit = self._fit(owners, rows.is_request, rows.trust)
        else:
            self._vocabulary, self.fit = Vocabulary(fit.words, len(self.texts)), fit

    def score(self, vectors: Vectors, texts: Sequence[str]) -> Scores:
        """Score requests by their embeddings, shape (requests, dimensions), and their texts."""
        likeness, shared = vectors @ self.vectors.T, self._vocabulary.shared(texts)
        classes = self.broad_scores(likeness, shared)
        classes += NEAR_WEIGHT * self._nearest(likeness + WORDS_NEAR * shared)
        classes += self._bonus
        narrow = self.narrow_scores(likeness, shared)
        return Scores(classes, narrow[:, :-1].max(1), likeness)

    def broad_scores(self, likeness: Vectors, shared: Vectors) -> Vectors:
        """Return the scores of the broad regression, (requests, classes), for likeness and shared words by text."""
        return self._kernel(likeness, shared, BROAD, WORDS_BROAD) @ self.fit.broad

    def narrow_scores(self, likeness: Vectors, shared: Vectors) -> Vectors:
        """Return the scores of the narrow regression, (requests, classes), for likeness and shared words by text."""
        return self._kernel(likeness, shared, NARROW, WORDS_NARROW) @ self.fit.narrow

    def probabilities(self, classes: Vectors) -> Vectors:
        """Return the probability of each class by its score, for requests that are in domain."""
        return softmax(classes / self.fit.temperature)

    def in_domain_probability(self, in_domain_score: Vectors) -> Vectors:
        """Return the probability that a request is of a kind that the routes serve."""
        return in_domain_probability(self.fit.in_domain, in_domain_score)

    def credibility(self, scores: Scores) -> Vectors:
        """Return for each route, shape (routes,), the probability that the request it was chosen for has a route.

        `scores` are those of one request by itself and of the request read with the earlier ones.
        """
        likeness = scores.likeness[0]
        closest = np.array([likeness[part].max(initial=-1.0) for part in self.slices[:-1]], np.float32)
        by_description = np.clip(closest + DESCRIBED_CREDIBILITY, 0, 1 - OUT_OF_SCOPE_SHARE)
        best = scores.classes[:, :-1].max()
        by_requests = credibility(self.fit.in_domain, self.fit.best, scores.in_domain_score.max(), best)
        return np.where(self._described, by_description, by_requests)

    def _set_bonus(self, is_request: "NDArray[np.bool_]") -> None:
        """Determine the routes that have a description alone, and what is added to the score of each class."""
        with_requests = np.array([is_request[part].any() for part in self.slices])
        with_texts = np.array([part.stop > part.start for part in self.slices])
        self._described = (with_texts & ~with_requests)[:-1]
        self.complete = not self._described.any()
        self._bonus = np.zeros(len(self.slices), np.float32)
        if with_requests.any():
            self._bonus[:-1][self._described] = DESCRIBED_BONUS
        self._bonus[-1] = -OUT_OF_SCOPE_LEAD if with_requests[-1] else -math.inf

    def _fit(self, owners: "NDArray[np.int64]", is_request: "NDArray[np.bool_]", trust: Vectors) -> Fit:
        """Fit both regressions, and the calibration of their scores."""
        likeness, shared = self.vectors @ self.vectors.T, self._vocabulary.rows()
        shared = shared @ shared.T
        near = likeness + np.float32(WORDS_NEAR) * shared
        np.fill_diagonal(near, -math.inf)
        nearest = self._nearest(near)
        del near  # it has the size of a kernel, of which there are enough below
        targets = one_hot(owners, len(self.slices))
        phrase = RIDGE_PHRASE if self._has_requests and self.complete else RIDGE_BROAD

        ridge: Vectors = np.where(is_request, RIDGE_BROAD, phrase).astype(np.float32) / trust
        broad = Regression(self._kernel(likeness, shared, BROAD, WORDS_BROAD), ridge, targets)
        added = NEAR_WEIGHT * nearest + self._bonus
        doubt = np.where(trust < 1, LABEL_ERROR_RATE, 0.0)[is_request]
        temperature = self._temperature((broad.without_each() + added)[is_request], owners[is_request], doubt)
        best = self._law(fit_logistic, *self._left_out(broad, added, owners, is_request))
        weights = broad.weights
        del broad

        ridge = np.where(is_request, RIDGE_NARROW, phrase).astype(np.float32) / trust
        narrow = Regression(self._kernel(likeness, shared, NARROW, WORDS_NARROW), ridge, targets)
        in_domain = self._law(fit_in_domain, *self._left_out(narrow, np.zeros_like(added), owners, is_request))
        return Fit(weights, narrow.weights, temperature, in_domain, best, self._vocabulary.words)

    def _temperature(self, scores: Vectors, owners: "NDArray[np.int64]", doubt: "NDArray[np.float64]") -> float:
        if not self._has_requests:
            return DESCRIBED_TEMPERATURE
        temperature = LEFT_OUT_FACTOR * fit_temperature(scores, owners, doubt)
        if self._too_few:  # random words are easy to recognise, which says nothing about the routes
            return max(temperature, DESCRIBED_TEMPERATURE)
        return temperature

    def _law(self, fit: Law, inside: Vectors, outside: Vectors) -> tuple[float, float]:
        if self._too_few:
            return PRIOR
        return fit(inside, outside)

    def _left_out(
        self, regression: Regression, added: Vectors, owners: "NDArray[np.int64]", is_request: "NDArray[np.bool_]"
    ) -> tuple[Vectors, Vectors]:
        """Return the best scores of requests that are left out, and of those whose route is, or that have none."""
        routes = owners < len(self.slices) - 1
        best = (regression.without_each() + added)[:, :-1].max(1)
        outside: list[Vectors] = []
        for index, part in enumerate(self.slices[:-1]):
            others = [other for other in range(len(self.slices) - 1) if other != index]
            if others and is_request[part].any():
                scores = regression.without_class(part, others) + added[part][:, others]
                outside.append(scores[is_request[part]].max(1))
        return best[is_request & routes], np.concatenate([*outside, best[~routes]])

    def _kernel(self, likeness: Vectors, shared: Vectors, fall: float, words: float) -> Vectors:
        """Return exp(-fall * squared distance), in embeddings and, once requests are known, in words."""
        if not self._has_requests:
            words = 0.0
        distance = likeness + np.float32(words) * shared
        distance -= np.float32(1 + words)  # minus half of the squared distance
        distance *= np.float32(2 * fall)
        return np.exp(distance, out=distance)

    def _nearest(self, likeness: Vectors) -> Vectors:
        """Average over the closest texts of each class."""
        most = NEAR if self._has_requests else NEAR_DESCRIBED
        means = np.full((len(likeness), len(self.slices)), -1.0, np.float32)  # of a class without a text
        for index, part in enumerate(self.slices):
            count = min(most, part.stop - part.start)
            if not count:
                continue
            closest = np.partition(likeness[:, part], -count, axis=1)[:, -count:]
            known = np.isfinite(closest)  # a left-out text is skipped
            sums = np.where(known, closest, 0).sum(1)
            np.divide(sums, known.sum(1), out=means[:, index], where=known.any(1), casting="unsafe")
        return means
