"""The embedded router: requests against each route's phrases and examples, in milliseconds on a CPU.

A request becomes a vector, and a head that is fitted in closed form scores the routes (see `head`). It learns from the
policy's examples, from requests that feedback has made examples, and from teacher labels; without any of them it
compares with the phrases of the descriptions. A policy that lists `other` with examples teaches what no route serves;
without, the in-domain score of a request decides. The confidence is a calibrated probability.
"""

import threading
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from omni_router.messages import IMAGE_MARK
from omni_router.routers.protocol import BaseRouter, Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.semantic.concurrency import LruCache, MicroBatcher, single_threaded
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.head_file import HeadFile
from omni_router.routers.semantic.judgement import LEAST_CONFIDENCE, Judgement, Request, judge, make_reply
from omni_router.routers.semantic.refit import BackgroundFits
from omni_router.routers.semantic.request_text import reading
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.routers.semantic.token_model import Precision
from omni_router.routers.semantic.training_set import NO_LABELS, TeacherLabels, training_set

if TYPE_CHECKING:
    from omni_router.routers.semantic.head import Head

# The share of a middle layer in a vector. Chosen on CLINC150 and the shipped set: without it four points of the default
# policy's requests are lost, with more of it requests of CLINC150 that are out of scope.
MIDDLE_LAYER_WEIGHT = 1 / 3
TURNS = 4  # turns of the user that are read as one text
BATCH = 16  # requests that arrive together: each takes a third of the time, and a larger batch saves no more
MAX_HEADS, MAX_VECTORS = 4, 10_000  # kept in memory: heads (40 MB each at most), vectors of texts (30 MB)


RouterQuery = tuple[Sequence[Turn], Sequence[RouteOption]]
RequestQuery = tuple[Request, Sequence[RouteOption]]  # a query whose conversation has been read


class SemanticRouter(BaseRouter):
    """Chooses by likeness to the routes' phrases and examples; the model is the route's first candidate.

    Args:
        encoder: embeds requests; absent: `default_encoder()`.
        library: embeds the texts of the policy, to the same vectors; absent: the encoder. One that keeps them on disk
            saves a process the seconds that a thousand examples take.
        head_file: keeps fitted heads on disk; absent: every process fits its own.
        least_confidence: with less, no route is chosen where the policy does not teach what no route serves.
        fits_behind: whether an earlier head answers while one with few other examples is fitted.
        max_heads: how many heads are kept in memory; absent: `MAX_HEADS`.
    """

    def __init__(  # noqa: PLR0913 (its parts, and three settings by name)
        self,
        encoder: Encoder | None = None,
        library: Encoder | None = None,
        head_file: HeadFile | None = None,
        *,
        least_confidence: float = LEAST_CONFIDENCE,
        fits_behind: bool = False,
        max_heads: int | None = None,
    ) -> None:
        self.encoder = encoder or default_encoder()
        self.library = library or self.encoder
        self.head_file = head_file
        self.least_confidence = least_confidence
        self.heads: LruCache[object, Head] = LruCache(max_heads or MAX_HEADS)
        self.vectors: LruCache[str, Vectors] = LruCache(MAX_VECTORS)
        self._encode = MicroBatcher(self._encode_all, most=BATCH)
        self.background = BackgroundFits(self._fitted_head) if fits_behind else None
        self._fitting = threading.Lock()  # held for seconds: a request whose head is ready does not wait for it

    @property
    def encoder_name(self) -> str:
        """The name of the encoder: encoders of one name return the same vectors.

        Raises:
            ConfigurationError: there is none.
        """
        return self.encoder.name

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the most probable route, its first candidate, and the text that is closest to the request.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        return self.replies([(conversation, routes)])[0]

    def replies(self, queries: Sequence[RouterQuery]) -> list[Reply]:
        """Answer many requests at once, which takes a fraction of the time.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        judgements = self.judge(queries)
        return [make_reply(judgement, routes) for judgement, (_, routes) in zip(judgements, queries, strict=True)]

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return how probable each route is, calibrated.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        return self.judge([(conversation, routes)])[0].probabilities

    def with_own_heads(self, max_heads: int) -> "SemanticRouter":
        """Return a router with the same encoder, and heads of its own, which are kept in memory alone."""
        return SemanticRouter(self.encoder, least_confidence=self.least_confidence, max_heads=max_heads)

    def judge(self, queries: Sequence[RouterQuery], labels: TeacherLabels = NO_LABELS) -> list[Judgement]:
        """Return for each request its route and confidence.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        return self.judge_requests([(request_of(conversation), routes) for conversation, routes in queries], labels)

    def judge_requests(self, queries: Sequence[RequestQuery], labels: TeacherLabels = NO_LABELS) -> list[Judgement]:
        """Return for each request that has been read its route and confidence.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        texts = list(dict.fromkeys(chain.from_iterable(request.texts for request, _ in queries)))
        judgements: list[Judgement] = []
        with single_threaded():
            vectors = dict(zip(texts, self._encode(texts), strict=True))
            for request, routes in queries:
                judgements.append(judge(self.head(routes, labels), request, routes, vectors, self.least_confidence))
        return judgements

    def head(self, routes: Sequence[RouteOption], labels: TeacherLabels = NO_LABELS) -> "Head":
        """Return the head for these routes; fit it unless there is one, or an earlier one answers meanwhile."""
        head = self.heads.get(_key_of(routes, labels))
        if head is None and self.background is not None:
            head = self.background.answer_meanwhile(routes, labels)
        return head or self._fitted_head(routes, labels)

    def _fitted_head(self, routes: Sequence[RouteOption], labels: TeacherLabels) -> "Head":
        """Fit the head for these routes unless another thread has fitted it meanwhile, and keep it."""
        key = _key_of(routes, labels)
        with self._fitting:
            head = self.heads.get(key)
            if head is None:
                head = self._new_head(routes, labels)
                self.heads.put(key, head)
                if self.background is not None:
                    self.background.keep(routes, head)
            return head

    def _new_head(self, routes: Sequence[RouteOption], labels: TeacherLabels) -> "Head":
        """Read the fit for these routes from the disk, or fit the head, and store it unless labels went into it."""
        from omni_router.routers.semantic.head import Head

        classes = training_set(routes, labels)
        if self.head_file is None or labels is not NO_LABELS:
            return Head(classes, self._embed)
        if fit := self.head_file.get(self.encoder_name, routes):
            return Head(classes, self._embed, fit)
        head = Head(classes, self._embed)
        self.head_file.put(self.encoder_name, routes, head.fit)
        return head

    def likeness(self, first: str, second: str) -> float | None:
        """Return the cosine of the vectors of two texts.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        import numpy as np

        with single_threaded():
            one, other = self._encode([first, second])
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / lengths if lengths else 0.0

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Fit the head for requests on these routes, so that none of them pays for it.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        with single_threaded():
            self.head(routes)

    def _encode_all(self, batch: Sequence[list[str]]) -> Sequence[Vectors]:
        """Embed the texts of several requests in one go."""
        vectors = self.encoder.encode(list(chain.from_iterable(batch)))
        parts: list[Vectors] = []
        for texts in batch:
            parts.append(vectors[: len(texts)])
            vectors = vectors[len(texts) :]
        return parts

    def _embed(self, texts: list[str]) -> Vectors:
        """Embed texts of the policy, only those not seen before."""
        import numpy as np

        known: dict[str, Vectors] = {}
        for text in texts:
            vector = self.vectors.get(text)
            if vector is not None:
                known[text] = vector
        if not known:  # the first head: megabytes need no copy
            vectors = self.library.encode(texts)
            for text, vector in zip(texts, vectors, strict=True):
                self.vectors.put(text, vector)
            return vectors
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            for text, vector in zip(new, self.library.encode(new), strict=True):
                known[text] = vector
                self.vectors.put(text, vector)
        return np.stack([known[text] for text in texts])


def default_encoder(precision: Precision = "int8") -> SentenceEncoder:
    """Return the encoder for English requests: all-MiniLM-L6-v2 with some of a middle layer."""
    return SentenceEncoder(middle_layer_weight=MIDDLE_LAYER_WEIGHT, precision=precision)


def _key_of(routes: Sequence[RouteOption], labels: TeacherLabels) -> object:
    return (labels, *map(attrgetter("name", "description", "examples", "out_of_scope_examples"), routes))


def request_of(conversation: Sequence[Turn]) -> Request:
    """Return the texts that a router reads of a conversation."""
    turns = [turn["content"] for turn in conversation if turn["role"] == "user"][-TURNS:]
    texts = [reading(turn.replace(IMAGE_MARK, " ")) for turn in turns]
    if not turns:
        return Request("", "", has_image=False)
    return Request(texts[-1], "\n".join(filter(None, texts)), IMAGE_MARK in turns[-1])
