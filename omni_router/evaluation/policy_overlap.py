"""Routes that a router can hardly distinguish, because their descriptions mean nearly the same."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from omni_router.config.routes import Route
from omni_router.routers.semantic.encoder import Encoder, Vectors

# Cosines of all-MiniLM-L6-v2. Of the default policy's 45 pairs of routes none is above 0.51 as a whole, and none of the
# 1620 pairs of their phrases is above 0.55. Of 26 pairs that say the same in other words 18 reach one of these numbers
# (the others are descriptions of two or three words). Of 12 related but different pairs, such as recipes and
# restaurants, one does: translation from French and from German.
WHOLE, PHRASE = 0.6, 0.65


class Overlap(NamedTuple):
    """Two routes, and the parts of their descriptions that are too similar."""

    routes: tuple[str, str]
    texts: tuple[str, str]
    similarity: float


def overlaps(routes: Sequence[Route], encoder: Encoder) -> list[Overlap]:
    """Return the pairs of routes whose descriptions, or two phrases of them, mean nearly the same.

    Raises:
        ConfigurationError: the encoder cannot be loaded.
    """
    texts, vectors = {}, {}
    for route in routes:
        texts[route.name] = [route.description, *_phrases(route.description)]
        vectors[route.name] = encoder.encode(texts[route.name])
    pairs = [_compare(one, other, texts, vectors) for one, other in combinations(texts, 2)]
    return list(filter(None, pairs))


def _compare(one: str, other: str, texts: dict[str, list[str]], vectors: dict[str, Vectors]) -> Overlap | None:
    """Compare whole with whole and phrases with phrases; the closest phrases show best what is similar."""
    similarity = vectors[one] @ vectors[other].T
    whole, phrases = float(similarity[0, 0]), similarity[1:, 1:]
    if whole < WHOLE and float(phrases.max()) < PHRASE:
        return None
    row, column = divmod(int(phrases.argmax()), phrases.shape[1])
    closest = (texts[one][row + 1], texts[other][column + 1])
    return Overlap((one, other), closest, round(max(whole, float(phrases.max())), 2))


def _phrases(description: str) -> list[str]:
    """Split a description at semicolons, lines and ends of sentences.

    The embedded router splits finer, into words where commas list them; the numbers above were measured on these.
    """
    phrases = map(str.strip, re.split(r"[;\n]|[.!?](?:\s|$)", description))
    return list(filter(None, phrases)) or [description]
