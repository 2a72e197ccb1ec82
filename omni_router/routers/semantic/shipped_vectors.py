"""The vectors and fits of the default policy that the package brings, so that a first start computes neither.

`python .ci/ship_heads.py` writes them. They are read-only and found by digests of texts and encoder, so another policy
or encoder is not among them, and is embedded and fitted as if nothing were shipped.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omni_router.routers.semantic.encoder import Encoder, Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(__file__).with_name("shipped")
ENGLISH, OTHERS = "english", "others"  # the encoders, by the languages that they read
KEY_BYTES = 16  # kept of a digest
LARGEST = 127  # of a number of eight bits


class Table(NamedTuple):
    """The shipped vectors of one encoder."""

    places: dict[bytes, int]  # the row of a text, by its key
    rows: "NDArray[Any]"  # (texts, dimensions), mapped into memory: integers in proportion to a vector


class ShippedVectors:
    """Looks up the vectors of texts that are shipped, and asks an encoder for those of all others.

    Args:
        encoder: the one that the shipped vectors come from; keeps on disk what it embeds, or embeds it anew.
        name: of the shipped files.
        folder: where they are.
    """

    def __init__(self, encoder: Encoder, name: str, folder: Path = FOLDER) -> None:
        self._encoder = encoder
        self._paths = paths_of(name, folder)
        self._table: Table | None = None

    @property
    def name(self) -> str:
        """The name of the encoder inside."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array (texts, dimensions) of rows of length one.

        Raises:
            ConfigurationError: the encoder is needed, and cannot be loaded.
        """
        if self._table is None:
            self._table = _read(*self._paths)
        places = [self._table.places.get(key, -1) for key in keys_of(self.name, texts)]
        missing = [index for index, place in enumerate(places) if place < 0]
        if len(missing) == len(texts):
            return self._encoder.encode(texts)
        vectors = unpack_rows(self._table.rows[places])
        if missing:
            vectors[missing] = self._encoder.encode([texts[index] for index in missing])
        return vectors


def paths_of(name: str, folder: Path) -> tuple[Path, Path]:
    """Return the paths of the keys and of the vectors of this name."""
    return folder / f"{name}.keys.npy", folder / f"{name}.vectors.npy"


def keys_of(encoder: str, texts: Iterable[str]) -> list[bytes]:
    """Return the key of each text, for the encoder of this name."""
    prefix = hashlib.sha256(f"{encoder}\0".encode())
    keys: list[bytes] = []
    for text in texts:
        digest = prefix.copy()
        digest.update(text.encode(errors="surrogatepass"))
        keys.append(digest.digest()[:KEY_BYTES])
    return keys


def pack_rows(vectors: Vectors) -> "NDArray[Any]":
    """Return each row in integers of eight bits; its length is lost, and one anyway."""
    import numpy as np

    largest = np.abs(vectors).max(axis=1, keepdims=True)
    rows: NDArray[Any] = np.rint(vectors * (LARGEST / largest)).astype(np.int8)
    return rows


def unpack_rows(rows: "NDArray[Any]") -> Vectors:
    """Return what `pack_rows` packed, each row of length one."""
    import numpy as np

    vectors: Vectors = rows.astype(np.float32)
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]  # in place: a policy's have nine MB
    return vectors


def _read(keys: Path, vectors: Path) -> Table:
    """Open the files; a table without rows when they are missing or damaged."""
    import numpy as np

    try:
        packed = np.load(keys, allow_pickle=False).tobytes()
        rows = np.load(vectors, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return Table({}, np.empty((0, 0), np.int8))
    starts = range(0, len(packed), KEY_BYTES)
    places = {packed[start : start + KEY_BYTES]: row for row, start in enumerate(starts)}
    if len(places) != len(rows):
        return Table({}, rows)
    return Table(places, rows)
