"""Kernel ridge regression over the texts of a policy, in closed form, and what it says of texts left out of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from omni_router.routers.semantic.encoder import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 256  # a matrix of this size is inverted at once


class Regression:
    """The regression of targets on a kernel.

    Args:
        kernel: (texts, texts), symmetric; it is changed.
        ridge: (texts,), the larger, the less a text counts.
        targets: (texts, classes).
    """

    def __init__(self, kernel: Vectors, ridge: Vectors, targets: Vectors) -> None:
        kernel[np.diag_indices_from(kernel)] += ridge
        self._factor, self._targets = inverse_factor(kernel), targets
        self.weights: Vectors = self._factor.T @ (
            self._factor @ targets
        )  # (texts, classes): scores are kernel @ weights

    def without_each(self) -> Vectors:
        """Return the scores (texts, classes) that each text gets from the regression without it."""
        diagonal = np.einsum("ij,ij->j", self._factor, self._factor)  # of the inverse of the kernel
        scores: Vectors = self._targets - self.weights / diagonal[:, None]
        return scores

    def without_class(self, part: slice, others: Sequence[int]) -> Vectors:
        """Return the scores (texts of a class, other classes) that these texts get from the regression without them."""
        columns = self._factor[part.start :, part]
        change = np.linalg.solve(columns.T @ columns, self.weights[part][:, others])
        return -change  # the other classes have no target here, so what is left is minus the change


def inverse_factor(matrix: Vectors) -> Vectors:
    """Return the inverse of the Cholesky factor of a symmetric positive definite matrix, in its place.

    It works by halves: nearly all of it is products of matrices, three times as fast as NumPy's own decomposition. To
    build the inverse of the matrix itself so is as fast, but loses all precision of 32-bit floats.
    """
    size = len(matrix)
    if size <= BLOCK:
        matrix[:] = np.linalg.inv(np.linalg.cholesky(matrix))
        return matrix
    half = size // 2
    first = inverse_factor(matrix[:half, :half])
    below = matrix[half:, :half] @ first.T
    matrix[half:, half:] -= below @ below.T
    second = inverse_factor(matrix[half:, half:])
    np.matmul(second @ below, first, out=matrix[half:, :half])
    matrix[half:, :half] *= -1
    matrix[:half, half:] = 0
    return matrix


def one_hot(owners: "NDArray[np.int64]", classes: int) -> Vectors:
    """Return the targets (texts, classes): 1 for the class of a text, 0 for the others."""
    return np.eye(classes, dtype=np.float32)[owners]
