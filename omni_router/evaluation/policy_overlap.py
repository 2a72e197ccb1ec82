"""Routes that a router can hardly tell apart, found by the likeness of what their descriptions say."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from omni_router.config.routes import Route
from omni_router.routers.semantic.encoder import Encoder

if TYPE_CHECKING:
    from torch import Tensor

# Cosines of all-MiniLM-L6-v2. Of the default policy's 45 pairs of routes none is above 0.51 as a whole and none of the
# 1620 pairs of their phrases above 0.55. Of 26 pairs that say the same in other words 18 reach one of these numbers
# (what is missed are descriptions of two or three words), of 12 neighbours that are not the same, such as recipes and
# restaurants, one: translation from French and from German.
WHOLE, PHRASE = 0.6, 0.65


class Overlap(NamedTuple):
    """Two routes, and the texts of theirs that are too much alike."""

    routes: tuple[str, str]
    texts: tuple[str, str]
    likeness: float


def overlaps(routes: Sequence[Route], encoder: Encoder) -> list[Overlap]:
    """Find the pairs of routes whose descriptions, or two phrases of them, mean nearly the same.

    Raises:
        ConfigurationError: the encoder cannot be loaded.
    """
    texts = {route.name: [route.description, *_phrases(route.description)] for route in routes}
    vectors = {name: encoder.encode(each) for name, each in texts.items()}
    found = (_compare(one, other, texts, vectors) for one, other in combinations(texts, 2))
    return [overlap for overlap in found if overlap]


def _compare(one: str, other: str, texts: dict[str, list[str]], vectors: "dict[str, Tensor]") -> Overlap | None:
    """Compare whole with whole and phrases with phrases; the closest phrases say best what the matter is."""
    likeness = vectors[one] @ vectors[other].T
    whole, phrases = float(likeness[0, 0]), likeness[1:, 1:]
    if whole < WHOLE and float(phrases.max()) < PHRASE:
        return None
    row, column = divmod(int(phrases.argmax()), phrases.shape[1])
    closest = (texts[one][row + 1], texts[other][column + 1])
    return Overlap((one, other), closest, round(max(whole, float(phrases.max())), 2))


def _phrases(description: str) -> list[str]:
    """Split a description at semicolons, lines and ends of sentences.

    The embedded router splits finer, into words where commas list them; the numbers above were measured on these.
    """
    phrases = (phrase.strip() for phrase in re.split(r"[;\n]|[.!?](?:\s|$)", description))
    return list(filter(None, phrases)) or [description]
