"""The embedded router in many languages: all-MiniLM-L6-v2 for English, a multilingual encoder for all others.

Each has a head of its own, fitted on the same policy and calibrated by itself. The English one learns from the English
examples: those in other languages make it less sure of itself, and no better. The other one learns from all examples,
and is loaded with the first request that needs it.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from omni_router.routers.protocol import RouteOption, RouteProbabilities
from omni_router.routers.semantic import language, multilingual
from omni_router.routers.semantic.concurrency import LruCache
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.head_file import HeadFile
from omni_router.routers.semantic.judgement import Judgement, Request
from omni_router.routers.semantic.language import ExampleLanguages, Language, LanguageDetector
from omni_router.routers.semantic.router import RequestQuery, SemanticRouter
from omni_router.routers.semantic.training_set import NO_LABELS, TeacherLabels
from omni_router.routers.semantic.word_table import DIMENSIONS

if TYPE_CHECKING:
    from omni_router.routers.semantic.head import Head

ENGLISH_DIMENSIONS = 768  # of all-MiniLM-L6-v2 with its middle layer
# What an answer in a language that no encoder has learned keeps of its confidence. Chosen with such languages of xSID
# and of MGSM in view, so neither judges it.
UNKNOWN_LANGUAGE_FACTOR = 0.75
MAX_FILTERED = 8  # policies and sets of labels kept in memory


class MultilingualRouter(SemanticRouter):
    """Chooses the encoder by the language of the request.

    The vector of a judgement has a part for each encoder, of which the other one is zero: teacher labels of requests in
    all languages are kept in one place, and each head learns from those of its own encoder.

    Args:
        encoder: embeds English requests; absent: `default_encoder()`.
        library: embeds the English texts of the policy; absent: the encoder.
        head_file: keeps fitted heads on disk; absent: every process fits its own.
        others: the router for other languages.
        detector: recognises languages.
        languages: a file with the languages of examples; absent: the detector recognises all.
        english_dimensions: the length of the English encoder's vectors.
        max_heads: how many heads for English requests are kept in memory; absent: as many as of one encoder alone.
    """

    def __init__(  # noqa: PLR0913 (the parts of a router, and those of a second one by name)
        self,
        encoder: Encoder | None = None,
        library: Encoder | None = None,
        head_file: HeadFile | None = None,
        *,
        others: SemanticRouter | None = None,
        detector: LanguageDetector | None = None,
        languages: Path | None = None,
        english_dimensions: int = ENGLISH_DIMENSIONS,
        max_heads: int | None = None,
    ) -> None:
        super().__init__(encoder, library, head_file, max_heads=max_heads)
        self.others = others or other_languages(multilingual.MultilingualEncoder(), None, head_file)
        self._detector = detector or LanguageDetector()
        self._examples = ExampleLanguages(self._detector, languages)
        self._english_dimensions = english_dimensions
        self._english_routes: LruCache[object, Sequence[RouteOption]] = LruCache(max(MAX_FILTERED, max_heads or 0))
        self._parts: LruCache[tuple[TeacherLabels, bool], TeacherLabels] = LruCache(MAX_FILTERED)

    @property
    def encoder_name(self) -> str:
        """The names of both encoders.

        Raises:
            ConfigurationError: one of them is missing.
        """
        return f"{super().encoder_name}+{self.others.encoder_name}"

    def with_own_heads(self, max_heads: int) -> SemanticRouter:
        """Return a router with the same encoders, and heads of its own, which are kept in memory alone."""
        return MultilingualRouter(
            self.encoder,
            others=self.others.with_own_heads(max_heads),
            detector=self._detector,
            english_dimensions=self._english_dimensions,
            max_heads=max_heads,
        )

    def judge_requests(self, queries: Sequence[RequestQuery], labels: TeacherLabels = NO_LABELS) -> list[Judgement]:
        """Return for each request that has been read its route and confidence.

        Raises:
            ConfigurationError: the encoder that is needed cannot be loaded.
        """
        languages = [self._language_of(request) for request, _ in queries]
        english: list[int] = []
        others: list[int] = []
        for index, each in enumerate(languages):
            (english if each.is_english else others).append(index)
        judgements: dict[int, Judgement] = {}
        if english:
            answers = super().judge_requests([queries[index] for index in english], labels)
            judgements.update(zip(english, answers, strict=True))
        if others:
            of_others = self._labels(labels, english=False)
            answers = self.others.judge_requests([queries[index] for index in others], of_others)
            judgements.update(zip(others, answers, strict=True))
        return [self._completed(judgements[index], each) for index, each in enumerate(languages)]

    def head(self, routes: Sequence[RouteOption], labels: TeacherLabels = NO_LABELS) -> "Head":
        """Return the head for English requests on these routes; fit it unless there is one."""
        return super().head(self._with_english_examples(routes), self._labels(labels, english=True))

    def likeness(self, first: str, second: str) -> float | None:
        """Return the cosine of the vectors of two texts, by the encoder for the language of the first.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        if self._detector.detect(first).is_english:
            return super().likeness(first, second)
        return self.others.likeness(first, second)

    def _language_of(self, request: Request) -> Language:
        """Return the language of the newest request, read with the earlier ones if it says nothing by itself."""
        text = request.newest
        if not any(map(str.isalpha, text)):
            text = request.joined
        return self._detector.detect(text)

    def _completed(self, judgement: Judgement, spoken: Language) -> Judgement:
        """Lower the confidence for a language that no encoder knows, and give the vector both parts."""
        import numpy as np

        vector = np.zeros(self._english_dimensions + DIMENSIONS, np.float32)
        vector[self._columns(english=spoken.is_english)] = judgement.vector
        share = spoken.known + (1 - spoken.known) * UNKNOWN_LANGUAGE_FACTOR
        second = judgement.second
        if second:
            second = second[0], second[1] * share
        of_routes, in_domain = judgement.probabilities
        return judgement._replace(
            confidence=judgement.confidence * share,
            second=second,
            vector=vector,
            probabilities=RouteProbabilities(of_routes, in_domain * share),
        )

    def _columns(self, *, english: bool) -> slice:
        if english:
            return slice(0, self._english_dimensions)
        return slice(self._english_dimensions, None)

    def _labels(self, labels: TeacherLabels, *, english: bool) -> TeacherLabels:
        """Return the labels of requests that one of the encoders has read."""
        if labels is NO_LABELS:
            return labels
        part = self._parts.get((labels, english))
        if part is None:
            part = _part_of(labels, self._columns(english=english))
            self._parts.put((labels, english), part)
        return part

    def _with_english_examples(self, routes: Sequence[RouteOption]) -> Sequence[RouteOption]:
        key = tuple(map(attrgetter("name", "description", "examples", "out_of_scope_examples"), routes))
        filtered = self._english_routes.get(key)
        if filtered is None:
            filtered = [self._english_route(route) for route in routes]
            self._english_routes.put(key, filtered)
        return filtered

    def _english_route(self, route: RouteOption) -> RouteOption:
        english = self._examples.english
        return replace(
            route, examples=english(route.examples), out_of_scope_examples=english(route.out_of_scope_examples)
        )


def other_languages(encoder: Encoder, library: Encoder | None, head_file: HeadFile | None) -> SemanticRouter:
    """Return the router for requests in other languages than English.

    It chooses a route whatever the confidence: a policy with examples in few languages makes requests in the others
    look uncertain, though 91 % of xSID's are right. Its head has so many texts that it is fitted behind the requests.
    """
    return SemanticRouter(encoder, library, head_file, least_confidence=0.0, fits_behind=True)


def is_installed() -> bool:
    """Return whether the weights of the second encoder and the model that recognises languages are here."""
    return multilingual.is_installed() and language.is_installed()


def _part_of(labels: TeacherLabels, columns: slice) -> TeacherLabels:
    vectors: dict[str, Vectors] = {}
    weights: dict[str, Vectors] = {}
    for route, rows in labels.vectors.items():
        part = rows[:, columns]
        used = part.any(axis=1)
        if used.any():
            vectors[route] = part[used]
            if route in labels.weights:
                weights[route] = labels.weights[route][used]
    return TeacherLabels(vectors, weights)
