"""Sentence embeddings from token states: the poolings, dense layers and lengths of sentence-transformers, in NumPy."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from omni_router.routers.semantic.encoder import Vectors

    Mask = NDArray[np.bool_]


def pool(modes: Sequence[str], states: "Vectors", mask: "Mask") -> "Vectors":
    """Return vectors (texts, modes x hidden) for `states` (texts, tokens, hidden); `mask` is false for padding.

    Padding stands on the right, and every text has a token.
    """
    return np.concatenate([POOLINGS[mode](states, mask) for mode in modes], axis=1)


def normalize(vectors: "Vectors") -> "Vectors":
    """Return the rows at a length of one; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scaled: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))[:, None]
    return scaled


def _token(states: "Vectors", index: "NDArray[np.int64]") -> "Vectors":
    return np.take_along_axis(states, index[:, None, None], 1)[:, 0]


def _weighted(states: "Vectors", weights: "NDArray[np.float32]", power: float = 1.0) -> "Vectors":
    sums = np.einsum("ijk,ij->ik", states, weights)
    means: Vectors = sums / weights.sum(1, keepdims=True) ** np.float32(power)
    return means


def _float(mask: "NDArray[np.bool_] | NDArray[np.int64]") -> "NDArray[np.float32]":
    return mask.astype(np.float32)


# The poolings of sentence-transformers, in the order in which a checkpoint with several has them side by side.
POOLINGS: "dict[str, Callable[[Vectors, Mask], Vectors]]" = {
    "cls": lambda states, _mask: states[:, 0],
    "max": lambda states, mask: np.where(mask[:, :, None], states, np.float32(-np.inf)).max(1),
    "mean": lambda states, mask: _weighted(states, _float(mask)),
    "mean_sqrt_len_tokens": lambda states, mask: _weighted(states, _float(mask), power=0.5),
    "weightedmean": lambda states, mask: _weighted(states, _float(mask * mask.cumsum(1))),
    "lasttoken": lambda states, mask: _token(states, mask.sum(1) - 1),
}


def _gelu(values: "Vectors") -> "Vectors":
    erf = np.vectorize(math.erf, otypes=[np.float32])
    active: Vectors = values * (1 + erf(values / math.sqrt(2))) / 2
    return active


# The activations of a Dense, by their names in torch.nn.
ACTIVATIONS: "dict[str, Callable[[Vectors], Vectors]]" = {
    "Tanh": np.tanh,
    "Identity": lambda values: values,
    "ReLU": lambda values: np.maximum(values, 0),
    "GELU": _gelu,
    "Sigmoid": lambda values: (1 / (1 + np.exp(-values))).astype(np.float32),
}


class Dense:
    """A linear layer with an activation."""

    def __init__(self, weight: "Vectors", bias: "Vectors | None", activation: str) -> None:
        self._weight, self._bias, self._activation = weight, bias, ACTIVATIONS[activation]

    def __call__(self, vectors: "Vectors") -> "Vectors":
        """Return vectors (texts, dimensions of the output)."""
        values = vectors @ self._weight.T
        if self._bias is not None:
            values += self._bias
        return self._activation(values)
