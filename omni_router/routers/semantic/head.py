"""The trained head of the embedded router: kernel ridge regression over frozen embeddings, in closed form.

A text is its embedding beside its weighted words. Two regressions are fitted over the same texts. The broad one, almost
linear, tells the routes apart; the closest texts of a route are added to it, which lifts routes made of many small
intents. The narrow one gives nearly nothing away from all texts: its best score tells how familiar a request is.

What scores mean is learnt from the texts themselves. Each is scored as if it had been left out: this gives the
temperature that makes shares into probabilities, and how familiar the requests of the routes are. Each route is left
out as a whole: this gives how familiar requests are that no route is for. Nothing is fitted twice for it.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.semantic.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

# Chosen on CLINC150 with ten domain routes and on the shipped set, both splits in view; flat around each value.
BROAD, NARROW = 0.4, 6.0  # how fast a kernel falls with the squared distance
WORDS_BROAD, WORDS_NARROW, WORDS_NEAR = 0.4, 0.3, 0.2  # what shared words count beside the embedding
RIDGE_BROAD, RIDGE_NARROW = 0.1, 0.2
RIDGE_PHRASE = 1.0  # beside requests of the same route, a phrase of its description says little
# Requests are more like each other than like a phrase, whatever they are about. Of a mixed policy, the routes with a
# description alone get this much: with half of the routes so, 88 % of CLINC150 are right, 50 % without it.
DESCRIBED = 0.4
NEAR, NEAR_WEIGHT = 3, 1.0  # the closest texts of a route, and what their likeness counts
NEAR_ALONE, TEMPERATURE_ALONE = 1, 0.08  # with descriptions alone
LESSON = 0.3  # of the trust in an example goes to what another router decided: it is wrong more often
WRONG = 0.1  # of these decisions: Arch-Router's authors report 7 % in all, and it is asked what is hard
# Where descriptions alone are known, a choice is believed by the likeness of its closest phrase and this much more: on
# CLINC150 and the shipped set, of requests with 0.3 of likeness about six in ten had a route at all, with 0.65 all.
BELIEVED_ALONE = 0.3
LEAD = 0.15  # by which what no route serves must lead: its examples are many, its requests few
TEMPERATURES = tuple(0.02 * 1.15**i for i in range(24))  # to choose from: 0.02 to 0.5
OTHERS = 0.05  # the share of requests that no route is for, before one is seen
PRIOR = (0.0, math.log((1 - OTHERS) / OTHERS))  # of the logistic function: whatever a request is like
ENOUGH = 30  # examples, before what they say of familiarity is believed
LEAST = 1e-6  # of familiarity, whose logarithm is taken


class Column(NamedTuple):
    """What is known of a route."""

    phrases: Sequence[str] = ()  # of its description
    examples: Sequence[str] = ()  # requests as people write them
    lessons: "Tensor | None" = None  # embeddings of requests that another router decided, (requests, dimensions)
    weights: "Tensor | None" = None  # of the lessons: 1 for a fresh one, less for an old one


class Scores(NamedTuple):
    """What a head says of requests."""

    columns: "Tensor"  # (requests, columns): the higher, the likelier
    familiar: "Tensor"  # (requests,): 0 for what is unlike everything, about 1 for what is known word for word
    likeness: "Tensor"  # (requests, texts): cosines


class Head:
    """Fitted on what is known of each column; the last column is for what no route serves.

    It is never the likeliest where no request of it is known. `complete` tells whether those of every route are: else
    that a request is unlike them says nothing, since it may be for a route that has a description alone.
    """

    def __init__(self, columns: Sequence[Column], embed: Callable[[list[str]], "Tensor"]) -> None:
        """Fit.

        Args:
            columns: the routes in their order, and the last one; at least one text in all.
            embed: gives the embeddings of texts, shape (texts, dimensions), each of length one.
        """
        import torch

        self.texts, self._vectors, self.slices, asked, trust = _rows(columns, embed)
        owners = torch.repeat_interleave(torch.tensor([part.stop - part.start for part in self.slices]))
        known = owners[asked & (owners < len(columns) - 1)]  # the routes of all requests
        self._taught = len(known) > 0
        requests = torch.tensor([bool(asked[part].any()) for part in self.slices])
        self._described = torch.tensor([len(asked[part]) > 0 for part in self.slices[:-1]]) & ~requests[:-1]
        self.complete = not self._described.any()
        self._bonus = torch.zeros(len(columns))
        self._bonus[:-1][self._described] = DESCRIBED if requests.any() else 0.0
        self._bonus[-1] = -LEAD if requests[-1] else -math.inf
        # A hundred requests for one route of ten tell nothing of how others look.
        self._few = len(known) < ENOUGH or 2 * len(set(known.tolist())) < len(columns) - 1
        said = [text if example else None for text, example in zip(self.texts, asked.tolist(), strict=True)]
        self._vocabulary = Vocabulary([text for text in said if text])
        words = self._vocabulary.rows(said)
        self._words = words.T.contiguous()
        self._learn(owners, asked, trust, self._vectors @ self._vectors.T, words @ words.T)

    def score(self, vectors: "Tensor", texts: Sequence[str]) -> Scores:
        """Score requests by their embeddings, shape (requests, dimensions), and their texts."""
        words = self._vocabulary.rows(texts)
        used = words.any(0).nonzero()[:, 0]  # a request has a handful of the two thousand
        likeness, shared = vectors @ self._vectors.T, words[:, used] @ self._words[used]
        columns = self._kernel(likeness, shared, BROAD, WORDS_BROAD) @ self._broad
        columns += NEAR_WEIGHT * self._nearest(likeness + WORDS_NEAR * shared)
        columns += self._bonus
        narrow = self._kernel(likeness, shared, NARROW, WORDS_NARROW) @ self._narrow
        return Scores(columns, narrow[:, :-1].amax(1), likeness)

    def shares(self, columns: "Tensor") -> "Tensor":
        """Give the probability of each column, for requests of a kind that is known."""
        return (columns / self._temperature).softmax(1)

    def known(self, familiar: "Tensor") -> "Tensor":
        """Give the probability that a request is of a kind that the routes are for."""
        slope, offset = self._familiarity
        return (slope * familiar.clamp(min=LEAST).log() + offset).sigmoid()

    def believed(self, scores: Scores) -> "Tensor":
        """Return for each route, shape (routes,), how far its choice for one request is believed.

        `scores` are those of the request by itself and of what was said before it.
        """
        import torch

        likeness = scores.likeness[0]
        closest = torch.stack([likeness[part].amax() for part in self.slices[:-1]])
        alone = (closest + BELIEVED_ALONE).clamp(0, 1 - OTHERS)
        return alone.where(self._described, self.known(scores.familiar.max()))

    def _learn(self, owners: "Tensor", asked: "Tensor", trust: "Tensor", likeness: "Tensor", shared: "Tensor") -> None:
        """Fit both regressions, and what their scores mean."""
        import torch

        wanted = torch.nn.functional.one_hot(owners, len(self.slices)).float()
        phrase = RIDGE_PHRASE if self._taught and self.complete else RIDGE_BROAD

        kernel = self._kernel(likeness, shared, BROAD, WORDS_BROAD)
        inverse = _inverse(kernel, torch.where(asked, RIDGE_BROAD, phrase) / trust)
        self._broad = inverse @ wanted
        near = (likeness + WORDS_NEAR * shared).fill_diagonal_(-math.inf)
        left_out = wanted - self._broad / inverse.diagonal()[:, None] + NEAR_WEIGHT * self._nearest(near)
        left_out += self._bonus
        doubt = torch.where(trust < 1, WRONG, 0.0)[asked]
        self._temperature = _temperature(left_out[asked], owners[asked], doubt) if self._taught else TEMPERATURE_ALONE
        if self._few:  # nonsense is told apart easily, which says nothing about the routes
            self._temperature = max(self._temperature, TEMPERATURE_ALONE)

        kernel = self._kernel(likeness, shared, NARROW, WORDS_NARROW)
        inverse = _inverse(kernel, torch.where(asked, RIDGE_NARROW, phrase) / trust)
        self._narrow = inverse @ wanted
        left_out = wanted - self._narrow / inverse.diagonal()[:, None]
        routes = owners < len(self.slices) - 1
        without = [self._without(part, inverse, asked) for part in self.slices[:-1]]
        inside, outside = left_out[asked & routes, :-1].amax(1), left_out[~routes, :-1].amax(1)
        self._familiarity = PRIOR if self._few else _logistic(inside, torch.cat([*without, outside]))

    def _without(self, part: slice, inverse: "Tensor", asked: "Tensor") -> "Tensor":
        """Tell how familiar the examples of a route are to a head that lacks the route."""
        import torch

        others = [column for column, other in enumerate(self.slices[:-1]) if other != part]
        if not others or not asked[part].any():
            return torch.empty(0)
        change: Tensor = torch.linalg.solve(inverse[part, part], self._narrow[part][:, others])
        return (-change[asked[part]]).amax(1)  # none of these texts is of the others: nought, less the change

    def _kernel(self, likeness: "Tensor", shared: "Tensor", fall: float, words: float) -> "Tensor":
        """Give exp(-fall * squared distance), the distance in embeddings and, once requests are known, in words."""
        import torch

        squared = 2 * (1 - likeness + (words * (1 - shared) if self._taught else 0))
        return torch.exp(-fall * squared)

    def _nearest(self, likeness: "Tensor") -> "Tensor":
        """Average over the closest texts of each column."""
        import torch

        most = NEAR if self._taught else NEAR_ALONE
        best = [likeness[:, part].topk(min(most, part.stop - part.start), 1).values for part in self.slices]
        means = [each.where(each.isfinite(), math.nan).nanmean(1) for each in best]  # without a text that is left out
        return torch.stack(means, 1).nan_to_num(-1.0)  # a column without a text is the mean of nothing


def _rows(
    columns: Sequence[Column], embed: Callable[[list[str]], "Tensor"]
) -> tuple[list[str | None], "Tensor", list[slice], "Tensor", "Tensor"]:
    """Put all texts below each other: texts, vectors, the part of each column, which are requests, how far to trust."""
    import torch

    written = [[*column.phrases, *column.examples] for column in columns]
    vectors = embed([text for texts in written for text in texts])
    texts: list[str | None] = []
    rows, parts, asked, trust, at = [], [], [], [], 0
    for column, known in zip(columns, written, strict=True):
        lessons = column.lessons if column.lessons is not None else vectors[:0]
        weights = column.weights if column.weights is not None else torch.ones(len(lessons))
        start = len(texts)
        texts += [*known, *([None] * len(lessons))]
        rows += [vectors[at : at + len(known)], lessons]
        at += len(known)
        asked += [False] * len(column.phrases) + [True] * (len(column.examples) + len(lessons))
        trust += [torch.ones(len(known)), LESSON * weights]
        parts.append(slice(start, len(texts)))
    return texts, torch.cat(rows), parts, torch.tensor(asked), torch.cat(trust)


def _inverse(kernel: "Tensor", ridge: "Tensor") -> "Tensor":
    import torch

    return torch.cholesky_inverse(torch.linalg.cholesky(kernel + torch.diag(ridge)))


def _temperature(scores: "Tensor", owners: "Tensor", doubt: "Tensor") -> float:
    """Choose the temperature under which the right columns are likeliest.

    `doubt` is the probability that an owner is wrong, and any other column right: else every wrong lesson, however
    plainly its neighbours contradict it, would count against confidence.
    """

    def surprise(temperature: float) -> float:
        shares = (scores / temperature).softmax(1).gather(1, owners[:, None])[:, 0]
        told = (1 - doubt) * shares + doubt * (1 - shares) / (scores.shape[1] - 1)
        return -float(told.clamp(min=LEAST).log().mean())

    return min(TEMPERATURES, key=surprise)


def _logistic(inside: "Tensor", outside: "Tensor") -> tuple[float, float]:
    """Fit the probability of being inside as a logistic function of the logarithm: two normal laws of one width.

    Too few of either, or no difference between them: as if nothing was known but how many there are.
    """
    if min(len(inside), len(outside)) < ENOUGH:
        return PRIOR
    a, b = inside.clamp(min=LEAST).log(), outside.clamp(min=LEAST).log()
    slope = float((a.mean() - b.mean()) / ((a.var() + b.var()) / 2))
    return (slope, PRIOR[1] - slope * float(a.mean() + b.mean()) / 2) if slope > 0 else PRIOR
