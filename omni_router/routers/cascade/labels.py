"""Teacher labels: the answers of a cascade's teacher, where they are kept, and how their age weighs them."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.training_set import TeacherLabels

MAX_LABELS = 1500  # labels kept: each weighs on every refit, and the stream of `router.TARGET` had no use for more
HALF_LIFE = 60 * 86_400.0  # seconds until a label counts half: routes and what people ask change within months
MAX_HALF_LIVES = 10.0  # an older label weighs no less: no head can be fitted to weights of next to nothing


class TeacherLabel(NamedTuple):
    """The route that the teacher chose for one request."""

    route: str
    vector: Vectors  # the embedding of the request, read with the earlier ones
    at: float  # seconds since 1970
    text: str | None = None  # the text of the request, if it may be kept


class LabelStore(Protocol):
    """A place for teacher labels, with a limit of its own."""

    def read(self) -> Sequence[TeacherLabel] | None:
        """Return the labels, oldest first; None while they cannot be read.

        Raises:
            ConfigurationError: the place of the labels, or the encoder, is missing.
        """
        ...

    def add(self, label: TeacherLabel) -> None:
        """Keep a label if possible, and drop the oldest ones when there are too many.

        Raises:
            ConfigurationError: the place of the labels is missing.
        """
        ...


class MemoryLabelStore:
    """Labels in the memory of this process."""

    def __init__(self, size: int = MAX_LABELS) -> None:
        self._lock = threading.Lock()
        self._labels: deque[TeacherLabel] = deque(maxlen=size)

    def read(self) -> Sequence[TeacherLabel]:
        """Return the labels, oldest first."""
        with self._lock:
            return list(self._labels)

    def add(self, label: TeacherLabel) -> None:
        """Keep a label; the oldest one gives way when there are too many."""
        with self._lock:
            self._labels.append(label)


class ReadOnlyLabelStore:
    """The labels of another store, and no new ones."""

    def __init__(self, store: LabelStore) -> None:
        self._store = store

    def read(self) -> Sequence[TeacherLabel] | None:
        """Return the labels, oldest first; None while they cannot be read."""
        return self._store.read()

    def add(self, label: TeacherLabel) -> None:
        """Keep nothing."""


def weigh_by_age(labels: Sequence[TeacherLabel], now: float) -> TeacherLabels:
    """Group labels by their routes, and weigh them by their age."""
    import numpy as np

    vectors: dict[str, list[Vectors]] = {}
    weights: dict[str, list[float]] = {}
    for label in labels:
        half_lives = min(max(0.0, now - label.at) / HALF_LIFE, MAX_HALF_LIVES)
        vectors.setdefault(label.route, []).append(label.vector)
        weights.setdefault(label.route, []).append(0.5**half_lives)
    return TeacherLabels(
        {route: np.stack(rows) for route, rows in vectors.items()},
        {route: np.array(values, np.float32) for route, values in weights.items()},
    )
