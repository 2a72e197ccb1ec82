"""The words of a text as a vector: brackets, "draw me" and "in german" tell what an embedding blurs."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CHARACTERS = 1000  # read of a text: the request stands at the start, what follows is pasted
MOST = 2000  # words told apart


class Vocabulary:
    """The words that some texts share, each weighed by how rare it is among them.

    A word that stands in a single text says nothing about others, and is left out.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = Counter(word for text in texts for word in sorted(_words(text)))
        shared = [(word, n) for word, n in counts.most_common(MOST) if n > 1]
        self._weights = {word: math.log(len(texts) / n) for word, n in shared}
        self._places = {word: place for place, (word, _) in enumerate(shared)}

    def rows(self, texts: Sequence[str | None]) -> "Tensor":
        """Give a float tensor of shape (texts, words), each row of length one, or nought without a known word."""
        import torch

        rows = torch.zeros(len(texts), len(self._places))
        for row, text in zip(rows, texts, strict=True):
            for word in (_words(text) if text else set()) & self._places.keys():
                row[self._places[word]] = self._weights[word]
        return torch.nn.functional.normalize(rows, dim=1)


def _words(text: str) -> set[str]:
    """Give words, marks, and pairs of neighbours."""
    words = re.findall(r"\w+|[^\w\s]", text[:CHARACTERS].lower())
    return {*words, *map(" ".join, pairwise(words))}
