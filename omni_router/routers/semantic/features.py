"""The features of a text: its embedding beside its weighted words.

Brackets, "draw me" and "in german" tell routes apart where an embedding blurs them.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.semantic.training_set import ClassData

if TYPE_CHECKING:
    from torch import Tensor

LABEL_TRUST = 0.3  # a teacher label weighs this part of an example: it is wrong more often
MAX_CHARACTERS = 1000  # characters read of a text: the request stands at the start, the rest is pasted
MAX_WORDS = 2000  # different words

Embed = Callable[[list[str]], "Tensor"]


class Vocabulary:
    """The words that some texts share, each weighed by how rare it is among them.

    A word that stands in a single text says nothing about others, and is left out.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(sorted(words_of(text)))
        self._weights: dict[str, float] = {}
        self._columns: dict[str, int] = {}
        for word, count in counts.most_common(MAX_WORDS):
            if count > 1:
                self._weights[word] = math.log(len(texts) / count)
                self._columns[word] = len(self._columns)

    def rows(self, texts: Sequence[str | None]) -> "Tensor":
        """Return a float tensor of shape (texts, words): each row of length one, or zero without a known word."""
        import torch

        rows = torch.zeros(len(texts), len(self._columns))
        for row, text in zip(rows, texts, strict=True):
            if not text:
                continue
            for word in words_of(text) & self._columns.keys():
                row[self._columns[word]] = self._weights[word]
        return torch.nn.functional.normalize(rows, dim=1)


def words_of(text: str) -> set[str]:
    """Return the words of a text, its marks, and pairs of neighbours."""
    words = re.findall(r"\w+|[^\w\s]", text[:MAX_CHARACTERS].lower())
    return {*words, *map(" ".join, pairwise(words))}


class TrainingRows(NamedTuple):
    """The texts of all classes, one below the other."""

    texts: list[str | None]  # None for a teacher label, whose text is not known
    vectors: "Tensor"  # (texts, dimensions)
    slices: list[slice]  # the rows of each class
    is_request: "Tensor"  # whether a row is a request, and not a phrase of a description
    trust: "Tensor"  # 1 for what people wrote, less for a teacher label


def stack_rows(classes: Sequence[ClassData], embed: Embed) -> TrainingRows:
    """Embed the texts of all classes in one call, and put each class's labels below its texts."""
    import torch

    written: list[str] = []
    for each in classes:
        written += [*each.phrases, *each.examples]
    vectors = embed(written)
    texts: list[str | None] = []
    rows, slices, is_request, trust, position = [], [], [], [], 0
    for each in classes:
        end = position + len(each.phrases) + len(each.examples)
        labels, weights = _labels_of(each, vectors[:0])
        start = len(texts)
        texts += [*written[position:end], *([None] * len(labels))]
        rows += [vectors[position:end], labels]
        is_request += [False] * len(each.phrases) + [True] * (len(each.examples) + len(labels))
        trust += [torch.ones(end - position), LABEL_TRUST * weights]
        slices.append(slice(start, len(texts)))
        position = end
    return TrainingRows(texts, torch.cat(rows), slices, torch.tensor(is_request), torch.cat(trust))


def _labels_of(data: ClassData, none: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Return the vectors and weights of a class's teacher labels; labels without weights count in full."""
    import torch

    labels, weights = data.label_vectors, data.label_weights
    if labels is None:
        labels = none
    if weights is None:
        weights = torch.ones(len(labels))
    return labels, weights
