"""What an encoder is: texts to vectors, under a name that changes when the vectors do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Rows of 32-bit floats. What computes with them is imported on first use: most commands embed nothing.
Vectors: TypeAlias = "NDArray[np.float32]"


class Encoder(Protocol):
    """Turns texts into vectors of length one, one row each."""

    @property
    def name(self) -> str:
        """The name of all that the vectors depend on beside the text: encoders of one name return the same vectors.

        It changes with the weights: it holds a digest of them, a commit, or the like.
        """
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array of shape (texts, dimensions)."""
        ...
