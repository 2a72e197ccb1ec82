"""The training set of the embedded router: the texts of each route, and of requests that no route serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from omni_router.routers.protocol import RouteOption
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.request_text import reading
from omni_router.tasks import OTHER

MAX_TEXTS = 6000  # fitted in about seven seconds of CPU; beyond, the fullest routes are thinned out
NEWEST_SHARE = 4  # a quarter of a thinned route are its newest texts: feedback adds at the end
COUNTEREXAMPLES_TO_ONE = 2  # counterexamples per example of a route: with more, a route with few examples would be lost
NONSENSE = (
    "qwe rty uio|zxcvbnm,./|sdfg hjk|fghfgh|wertz ghjk bnm|mnbvc lkjh|tyui 7823 ghj|xx|b|zzzz zzz|hhhhhhhhh|?!|-----|"
    "0000|@@ ## $$|gnarf wibble zorp|ijklmn opq|vbn vbn vbn|asd|ooo eee aaa"
)


@dataclass(frozen=True, eq=False)
class TeacherLabels:
    """The requests that a teacher decided, by the name of the route."""

    vectors: Mapping[str, Vectors] = field(default_factory=dict)  # embeddings of requests, (requests, dimensions)
    weights: Mapping[str, Vectors] = field(default_factory=dict)  # their weights: 1 if fresh, less if old


NO_LABELS = TeacherLabels()


class ClassData(NamedTuple):
    """The texts and labels of a route, or of the requests that no route serves."""

    phrases: Sequence[str] = ()  # phrases of the description
    examples: Sequence[str] = ()  # requests as people write them
    label_vectors: "Vectors | None" = None  # embeddings of requests that a teacher decided, (requests, dimensions)
    label_weights: "Vectors | None" = None  # the weights of the labels: 1 for a fresh one, less for an old one

    @property
    def label_count(self) -> int:
        """The number of teacher labels."""
        if self.label_vectors is None:
            return 0
        return len(self.label_vectors)

    @property
    def has_requests(self) -> bool:
        """Whether requests are known, and not a description alone."""
        return len(self.examples) > 0 or self.label_count > 0

    def thinned(self, limit: int) -> "ClassData":
        """Return as many requests as a limit allows; labels take no more than half of the room from the examples."""
        room = max(limit - len(self.examples), limit // 2)
        labels = min(self.label_count, room)
        examples = min(len(self.examples), limit - labels)
        reduced = self._replace(examples=_thinned(self.examples, examples))
        if self.label_vectors is not None:
            reduced = reduced._replace(label_vectors=self.label_vectors[len(self.label_vectors) - labels :])
        if self.label_weights is not None:
            reduced = reduced._replace(label_weights=self.label_weights[len(self.label_weights) - labels :])
        return reduced


def training_set(
    routes: Sequence[RouteOption], labels: TeacherLabels, *, max_texts: int | None = None
) -> list[ClassData]:
    """Return the data of each route, and last that of the requests that no route serves.

    Args:
        routes: those that a request may take.
        labels: what a teacher decided.
        max_texts: the limit of texts and labels together; absent: MAX_TEXTS.
    """

    def class_data(name: str, phrases: Sequence[str], examples: Sequence[str]) -> ClassData:
        requests = list(map(reading, examples))
        return ClassData(phrases, requests, labels.vectors.get(name), labels.weights.get(name))

    served = [route for route in routes if route.name != OTHER]
    classes = [class_data(route.name, _phrases_of(route), route.examples) for route in served]
    nonsense, out_of_scope_examples = NONSENSE.split("|"), _out_of_scope_examples(routes, classes)
    if all(map(attrgetter("has_requests"), classes)):
        classes.append(class_data(OTHER, (), (*nonsense, *out_of_scope_examples)))
    elif out_of_scope_examples:
        classes.append(class_data(OTHER, (), out_of_scope_examples))
    else:  # phrases are no more like requests than nonsense is: it may stand beside them, but take no request
        classes.append(class_data(OTHER, nonsense, ()))
    sizes: list[int] = []
    room = max_texts or MAX_TEXTS
    for each in classes:
        sizes.append(len(each.examples) + each.label_count)
        room -= len(each.phrases)
    limit = fair_limit(sizes, room)
    return [each.thinned(limit) for each in classes]


def fair_limit(sizes: Sequence[int], room: int) -> int:
    """Return how many texts each class may keep, so that all have room together and the smallest keep all of theirs."""
    larger = sorted(sizes)
    while larger and larger[0] * len(larger) <= room:
        room -= larger.pop(0)
    if not larger:
        return max(sizes)
    return max(room, 0) // len(larger)


def _thinned(texts: Sequence[str], limit: int) -> Sequence[str]:
    """Return so many of the texts: the newest, and older ones evenly, as a file may list one language after another."""
    if limit >= len(texts):
        return texts
    newest = limit // NEWEST_SHARE
    older, room = texts[: len(texts) - newest], limit - newest
    spread = [older[index * len(older) // room] for index in range(room)]
    return [*spread, *texts[len(older) :]]


def split_phrases(description: str) -> list[str]:
    """Split a description at marks, "and" and "or": what it lists are requests of different kinds."""
    phrases = re.split(r"[;,:\n]|[.!?](?:\s|$)|\b(?:and|or)\b", description)
    return list(dict.fromkeys(filter(None, map(str.strip, phrases))))


def _out_of_scope_examples(routes: Sequence[RouteOption], classes: Sequence[ClassData]) -> list[str]:
    """Return the listed requests that no route serves, thinned out evenly where the routes have few texts."""
    listed: list[str] = []
    for route in routes:
        if route.name == OTHER:
            listed += route.examples
        else:
            listed += route.out_of_scope_examples
    distinct = list(dict.fromkeys(listed))
    text_count = 0
    for each in classes:
        text_count += len(each.examples or each.phrases)
    limit = COUNTEREXAMPLES_TO_ONE * text_count // max(1, len(classes))
    if len(distinct) <= limit:
        return distinct
    return [distinct[i * len(distinct) // limit] for i in range(limit)]


def _phrases_of(route: RouteOption) -> tuple[str, ...]:
    name = route.name.replace("_", " ")
    if route.description.strip():
        name = f"{name}: {route.description}"
    return (*split_phrases(route.description), name)
