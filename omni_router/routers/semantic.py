"""The embedded router: the newest request against each route's description and examples, in milliseconds on a CPU.

A request becomes its sentence embedding beside its weighted words, and one linear map, fitted in closed form (ridge
regression), scores the routes. Cross-validated on the first thirty examples of each default route it was right in 81 of
100 cases, the centre of a route's embeddings in 78, its closest example in 62. A class of nonsense is fitted beside the
routes: what looks more like it than like any route is `other`. The confidence is a softmax over those scores, a rough
one: its temperature was set so that it was about as high as the share of right answers on short single requests.
"""

import json
import math
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.conversation import PICTURE
from omni_router.routers.encoder import Encoder, SentenceEncoder
from omni_router.routers.protocol import OfferedRoute, Reply, Turn
from omni_router.routers.reply import OTHER

if TYPE_CHECKING:
    from torch import Tensor

# Measured by cross-validation over the default policy's examples and on 120 more prompts; flat around each value.
RIDGE = 2.0
WORDS = 0.8  # length of the word part beside an embedding of length one; without words 3 points are lost
TEMPERATURE = 0.07
# "and in red?": a request that scores below UNCLEAR on every route inherits this share of the scores of the one before.
# Set on the follow-ups of the evaluation's train split, where 0.26, right for half as many examples, does worse.
UNCLEAR, INHERITED = 0.38, 0.5
FAR = 0.15  # cosine to the closest text below which nothing fits, for policies of few words; own examples lie above it
CONTEXT = 4  # user turns looked at, in a chain of follow-ups
CHARACTERS = 1000  # read for words: the request stands at the start, what follows is pasted
VOCABULARY, FITS, TEXTS = 2000, 16, 10_000  # bounds of what is kept: words per fit, sets of routes, vectors (15 MB)
# By this much nonsense must lead: small talk that ends as `other` falls from 7 to 2.5 of 100, and of nonsense 95 stay.
LEAD = 0.1
# Nonsense counts at least as much as this part of a route: with few texts of its own it would be lost among many.
NONSENSE_SHARE = 0.6
NONSENSE = (
    "qwe rty uio|zxcvbnm,./|sdfg hjk|fghfgh|wertz ghjk bnm|mnbvc lkjh|tyui 7823 ghj|xx|b|zzzz zzz|hhhhhhhhh|?!|-----|"
    "0000|@@ ## $$|gnarf wibble zorp|ijklmn opq|vbn vbn vbn|asd|ooo eee aaa"
)


class Fit(NamedTuple):
    """What is fitted once for a set of routes; one column a route, the last one for nonsense."""

    texts: list[str]  # of the routes
    owners: list[int]  # the column of each text
    vectors: "Tensor"  # their embeddings alone, to find the closest text
    words: dict[str, float]  # each word and pair of words that counts, with its weight
    mean: "Tensor"
    weights: "Tensor"


class SemanticRouter:
    """Chooses by likeness to the routes' phrases and examples; the model is the route's first candidate."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder or SentenceEncoder()
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()
        self._fits: OrderedDict[tuple[tuple[str, ...], ...], Fit] = OrderedDict()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[OfferedRoute]) -> Reply:
        """Answer with the route that scores best, its first candidate, and what spoke for it.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        turns = [turn["content"] for turn in conversation if turn["role"] == "user"] or [""]
        fit = self._fit(routes)
        scores, vector = self._score(fit, turns[-CONTEXT:])
        if PICTURE in turns[-1]:
            scores = scores[:-1]  # a picture is a request by itself, whatever is said with it
        shares = (scores / TEMPERATURE).softmax(0)
        order = [int(i) for i in shares.argsort(descending=True)]
        best = order[0]
        names = [*(route.name for route in routes), OTHER]
        following = next((f"{names[i]} ({shares[i]:.0%})" for i in order[1:] if i < len(routes)), "")
        if best == len(routes):
            model, reason = None, "unlike what the routes describe"
        else:
            model = next(iter(routes[best].candidates), None)
            reason = f'closest to "{_closest(fit, best, vector)}"'
        reason += f"; next: {following}" if following else ""
        answer = {"route": names[best], "model": model, "reason": reason}
        return Reply(json.dumps(answer, ensure_ascii=False), round(float(shares[best]), 3))

    def _score(self, fit: Fit, turns: Sequence[str]) -> "tuple[Tensor, Tensor]":
        """Score the last of `turns`, with the help of those before it when it says little by itself."""
        text = turns[-1].replace(PICTURE, " ").strip()
        vector = self._encoder.encode([text])
        scores = ((_features([text], vector, fit.words) - fit.mean) @ fit.weights)[0]
        scores[-1] -= LEAD
        if len(turns) > 1 and scores[:-1].max() < UNCLEAR:
            scores[:-1] += INHERITED * self._score(fit, turns[:-1])[0][:-1]
        if (fit.vectors @ vector[0]).max() < FAR:
            scores[-1] = scores.max() + TEMPERATURE  # e times as likely as the best route
        return scores, vector[0]

    def _fit(self, routes: Sequence[OfferedRoute]) -> Fit:
        key = tuple((route.name, route.description, *route.examples) for route in routes)
        with self._lock:
            if key not in self._fits:
                self._fits[key] = self._make_fit(routes)
            self._fits.move_to_end(key)
            while len(self._fits) > FITS:
                self._fits.popitem(last=False)
            return self._fits[key]

    def _make_fit(self, routes: Sequence[OfferedRoute]) -> Fit:
        import torch

        columns = [*(_texts(route) for route in routes), NONSENSE.split("|")]
        texts = [text for column in columns for text in column]
        owners = [i for i, column in enumerate(columns) for _ in column]
        vectors = self._embed(texts)
        words = _weigh_words(texts)
        rows = _features(texts, vectors, words)
        wanted = torch.nn.functional.one_hot(torch.tensor(owners)).float()
        n = len(texts) - len(columns[-1])
        counts = torch.ones(len(texts), 1)
        counts[n:] = max(1.0, NONSENSE_SHARE * n / len(routes) / len(columns[-1]))
        mean = (counts * rows).sum(0) / counts.sum()
        aim = (counts * wanted).sum(0) / counts.sum()
        rows = counts.sqrt() * (rows - mean)
        kernel = rows @ rows.T + RIDGE * torch.eye(len(rows))
        weights = rows.T @ torch.linalg.solve(kernel, counts.sqrt() * (wanted - aim))
        return Fit(texts[:n], owners[:n], vectors[:n], words, mean, weights)

    def _embed(self, texts: list[str]) -> "Tensor":
        """Embed `texts`, those not seen before alone."""
        import torch

        if new := [text for text in dict.fromkeys(texts) if text not in self._vectors]:
            self._vectors.update(zip(new, self._encoder.encode(new), strict=True))
        vectors = torch.stack([self._vectors[text] for text in texts])
        for text in texts:
            self._vectors.move_to_end(text)
        while len(self._vectors) > TEXTS:
            self._vectors.popitem(last=False)
        return vectors


def _texts(route: OfferedRoute) -> list[str]:
    """Give the phrases of the description and the examples; a route with neither still has its name."""
    phrases = re.split(r"[;\n]|[.!?](?:\s|$)", route.description)
    texts = [text.strip() for text in (*phrases, *route.examples)]
    return [text for text in texts if text] or [route.name.replace("_", " ")]


def _words(text: str) -> set[str]:
    """Words and marks, and pairs of neighbours: brackets, "draw me" and "in german" tell much."""
    words = re.findall(r"\w+|[^\w\s]", text[:CHARACTERS].lower())
    return {*words, *map(" ".join, pairwise(words))}


def _weigh_words(texts: Sequence[str]) -> dict[str, float]:
    """Weigh each word by how rare it is; one that stands in a single text says nothing about others."""
    counts = Counter(word for text in texts for word in sorted(_words(text)))
    return {word: math.log(len(texts) / n) for word, n in counts.most_common(VOCABULARY) if n > 1}


def _features(texts: Sequence[str], vectors: "Tensor", words: dict[str, float]) -> "Tensor":
    """Put the weighted words of each text beside its embedding."""
    import torch

    column = {word: i for i, word in enumerate(words)}
    rows = torch.zeros(len(texts), len(words))
    for row, text in zip(rows, texts, strict=True):
        for word in _words(text) & words.keys():
            row[column[word]] = words[word]
    return torch.cat([vectors, WORDS * torch.nn.functional.normalize(rows, dim=1)], dim=1)


def _closest(fit: Fit, column: int, vector: "Tensor") -> str:
    """Find the text of a route that is most like the request, short enough for one line."""
    rows = [i for i, owner in enumerate(fit.owners) if owner == column]
    text = " ".join(fit.texts[rows[int((fit.vectors[rows] @ vector).argmax())]].split())
    return text if len(text) <= 60 else text[:59].rstrip() + "…"  # noqa: PLR2004 (half a terminal line)
