"""An encoder without weights, for tests of what stands around encoders."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.pooling import normalize

DIMENSIONS = 1 + len(string.ascii_lowercase)


@dataclass
class Letters:
    """An encoder by the letters of a text, which keeps the texts it was given."""

    name: str = "letters"
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        rows = [[1.0, *(text.count(letter) for letter in string.ascii_lowercase)] for text in texts]
        return normalize(np.array(rows, np.float32).reshape(-1, DIMENSIONS))
