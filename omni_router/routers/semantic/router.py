"""The embedded router: requests against each route's phrases and examples, in milliseconds on a CPU.

A request becomes a vector, and a head that is fitted in closed form scores the routes (see `head`). It learns from the
policy's examples, from what verdicts have made examples, and from lessons (what a larger router decided); without any
of them it compares with the phrases of the descriptions. A policy that lists `other` with examples teaches what no
route serves; without, that is judged by how familiar a request is. The confidence is a calibrated probability.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from omni_router.messages import IMAGE_MARK
from omni_router.routers.protocol import Reply, RouteOption, Turn
from omni_router.routers.semantic.encoder import Encoder, SentenceEncoder
from omni_router.routers.semantic.head import Head
from omni_router.routers.semantic.micro_batcher import Together
from omni_router.routers.semantic.single_threaded import one_thread
from omni_router.routers.semantic.training_set import NO_LESSONS, Lessons, columns_of
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from torch import Tensor

# The share of a middle layer in a vector. Chosen on CLINC150 and the shipped set: without it four points of the default
# policy's requests are lost, with more of it requests of CLINC150 that are out of scope.
MANNER = 1 / 3
# "and in red?": a request is also read with what was said before it, and that counts half. Measured on 140 follow-ups
# of the train split: 74 % right alone, 79 % when both are read as one, 88 % so.
EARLIER = 0.5
TURNS = 4  # of the user, read as one
BATCH = 16  # requests that come at the same time: together each takes a third of the time, and more pay no further
FITS, TEXTS = 4, 10_000  # kept in memory: heads (40 MB each at most), vectors of texts (30 MB)


class Judgement(NamedTuple):
    """What the router makes of a request."""

    route: str
    confidence: float  # the probability that the route is right
    closest: str | None  # a text of the route that is much like the request
    second: tuple[str, float] | None  # the next route, and its probability
    vector: "Tensor"  # of the request, read with what was said before it


Asked = tuple[Sequence[Turn], Sequence[RouteOption]]


class SemanticRouter:
    """Chooses by likeness to the routes' phrases and examples; the model is the route's first candidate.

    Args:
        encoder: embeds requests; absent: all-MiniLM-L6-v2 with some of a middle layer.
        library: embeds the texts of the policy, to the same vectors; absent: the encoder. One that keeps them on disk
            saves a process the seconds that a thousand examples take.
    """

    def __init__(self, encoder: Encoder | None = None, library: Encoder | None = None) -> None:
        self._encoder = encoder or SentenceEncoder(manner=MANNER)
        self._library = library or self._encoder
        self._encode = Together(self._encode_all, most=BATCH)
        self._lock = threading.Lock()
        self._fitting = threading.Lock()  # held for seconds: who has a head does not wait for it
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()
        self._heads: OrderedDict[object, Head] = OrderedDict()

    @property
    def encoder(self) -> str:
        """The name of the encoder: who shares it gives the same vectors.

        Raises:
            ConfigurationError: there is none.
        """
        return str(getattr(self._encoder, "name", type(self._encoder).__qualname__))

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the most probable route, its first candidate, and what spoke for it.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        return self.replies([(conversation, routes)])[0]

    def replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """Answer many at once, which takes a fraction of the time.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        judged = self.judge(asked)
        return [make_reply(judgement, routes) for judgement, (_, routes) in zip(judged, asked, strict=True)]

    def judge(self, asked: Sequence[Asked], lessons: Lessons = NO_LESSONS) -> list[Judgement]:
        """Tell for each request which route it takes.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        said = [_said(conversation) for conversation, _ in asked]
        texts = list(dict.fromkeys(text for each in said for text in (each.newest, each.joined)))
        with one_thread():
            vectors = dict(zip(texts, self._encode(texts), strict=True))
            return [
                self._judge(self.head(routes, lessons), each, routes, vectors)
                for each, (_, routes) in zip(said, asked, strict=True)
            ]

    def head(self, routes: Sequence[RouteOption], lessons: Lessons = NO_LESSONS) -> Head:
        """Fit a head for these routes, unless there is one."""
        key = (lessons, *((route.name, route.description, route.examples, route.counterexamples) for route in routes))
        if head := self._fitted(key):
            return head
        with self._fitting:
            return self._fitted(key) or self._keep(key, Head(columns_of(routes, lessons), self._embed))

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Fit what requests on these routes need, so that none of them pays for it.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        with one_thread():
            self.head(routes)

    def _fitted(self, key: object) -> Head | None:
        with self._lock:
            if key in self._heads:
                self._heads.move_to_end(key)
            return self._heads.get(key)

    def _keep(self, key: object, head: Head) -> Head:
        with self._lock:
            self._heads[key] = head
            while len(self._heads) > FITS:
                self._heads.popitem(last=False)
        return head

    def _judge(
        self, head: Head, said: "Said", routes: Sequence[RouteOption], vectors: Mapping[str, "Tensor"]
    ) -> Judgement:
        import torch

        names = [*(route.name for route in routes if route.name != OTHER), OTHER]
        rows = [said.newest] if said.newest == said.joined else [said.newest, said.joined]
        scores = head.score(torch.stack([vectors[text] for text in rows]), rows)
        columns = scores.columns[:1].clone()
        columns[:, :-1] += EARLIER * scores.columns[1:, :-1].sum(0)
        shares, believed = head.shares(columns)[0], head.believed(scores)
        if said.picture:  # a request by itself, whatever is said with it
            shares, believed = torch.cat([head.shares(columns[:, :-1])[0], torch.zeros(1)]), torch.ones(len(routes))
        order = [int(i) for i in shares.argsort(descending=True)]
        refused = head.complete and float(believed[0]) < 0.5  # noqa: PLR2004 (all are the same: less likely than not)
        first = len(names) - 1 if refused else order[0]
        second = next((i for i in order if i not in (first, len(names) - 1)), None)
        probability = torch.cat([believed * shares[:-1], torch.zeros(1)])
        probability[-1] = 1 - probability.sum()
        return Judgement(
            names[first],
            float(probability[first]),
            None if first == len(names) - 1 else _closest(head, first, scores.likeness[0], _learned(routes)),
            None if second is None else (names[second], float(probability[second])),
            vectors[said.joined],
        )

    def _encode_all(self, asked: Sequence[list[str]]) -> Sequence["Tensor"]:
        """Embed the texts of several requests in one go."""
        import torch

        vectors = self._encoder.encode(list(chain.from_iterable(asked)))
        return torch.split(vectors, [len(texts) for texts in asked])

    def _embed(self, texts: list[str]) -> "Tensor":
        """Embed texts of the policy, those not seen before alone."""
        import torch

        if new := [text for text in dict.fromkeys(texts) if text not in self._vectors]:
            self._vectors.update(zip(new, self._library.encode(new), strict=True))
        vectors = torch.stack([self._vectors[text] for text in texts])
        for text in texts:
            self._vectors.move_to_end(text)
        while len(self._vectors) > TEXTS:
            self._vectors.popitem(last=False)
        return vectors


def make_reply(judgement: Judgement, routes: Sequence[RouteOption]) -> Reply:
    """Write a judgement as a router's reply."""
    route = next((route for route in routes if route.name == judgement.route != OTHER), None)
    reason = f'closest to "{judgement.closest}"' if judgement.closest else "unlike what the routes describe"
    if judgement.second:
        reason += f"; next: {judgement.second[0]} ({judgement.second[1]:.0%})"
    model = next(iter(route.candidates), None) if route else None
    answer = {"route": judgement.route, "model": model, "reason": reason}
    return Reply(json.dumps(answer, ensure_ascii=False), round(judgement.confidence, 3))


class Said(NamedTuple):
    """What a user said: the newest request, and the last few of them as one text."""

    newest: str
    joined: str
    picture: bool


def _said(conversation: Sequence[Turn]) -> Said:
    turns = [turn["content"] for turn in conversation if turn["role"] == "user"] or [""]
    texts = [turn.replace(IMAGE_MARK, " ").strip() for turn in turns[-TURNS:]]
    return Said(texts[-1], "\n".join(filter(None, texts)), IMAGE_MARK in turns[-1])


def _learned(routes: Sequence[RouteOption]) -> frozenset[str]:
    return frozenset().union(*(route.learned for route in routes))


def _closest(head: Head, column: int, likeness: "Tensor", learned: Container[str]) -> str | None:
    """Find the text of a route's policy that is most like the request, short enough for one line.

    What was learned are words of users, which are not shown to whoever asks something like it.
    """
    part = head.slices[column]
    order = (part.start + int(i) for i in likeness[part].argsort(descending=True))
    found = next((text for i in order if (text := head.texts[i]) and text not in learned), None)
    if found is None:
        return None
    text = " ".join(found.split())
    return text if len(text) <= 60 else text[:59].rstrip() + "…"  # noqa: PLR2004 (half a terminal line)
