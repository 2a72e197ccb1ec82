"""The vectors and fits of the default policy that the package brings, so that a first start computes neither.

`python .ci/ship_heads.py` writes them. They are read-only and found by digests of texts and encoder, so another policy
or encoder is not among them, and is embedded and fitted as if nothing were shipped.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

from omni_router.routers.semantic.encoder import Encoder, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = Path(__file__).with_name("shipped")
LANGUAGES = FOLDER / "languages.bin"  # of the examples; see `language`
ENGLISH, OTHERS = "english", "others"  # the encoders, by the languages that they read
KEY_BYTES = 16  # kept of a digest
LARGEST = 127  # of a number of eight bits


class Rounded(NamedTuple):
    """Vectors in eight bits a number: half of what half precision takes, and on the own sets no other answers.

    A vector is `mean + step * row`. Without the mean, its few large numbers would make all steps large.
    """

    rows: "NDArray[np.int8]"  # (texts, dimensions)
    steps: Vectors  # (texts,)
    mean: Vectors  # (dimensions,)


class Table(NamedTuple):
    """The shipped vectors of one encoder."""

    places: dict[bytes, int]  # the row of a text, by its key
    rounded: Rounded  # rows are mapped into memory


class ShippedVectors:
    """Looks up the vectors of texts that are shipped, and asks an encoder for those of all others.

    Args:
        encoder: the one that the shipped vectors come from; keeps on disk what it embeds, or embeds it anew.
        name: of the shipped files.
        folder: where they are.
    """

    def __init__(self, encoder: Encoder, name: str, folder: Path = FOLDER) -> None:
        self._encoder, self._files = encoder, (name, folder)
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
            self._table = read(*self._files)
        places = [self._table.places.get(key, -1) for key in keys_of(self.name, texts)]
        missing = [index for index, place in enumerate(places) if place < 0]
        if len(missing) == len(texts):
            return self._encoder.encode(texts)
        vectors = unpack(self._table.rounded, places)
        if missing:
            vectors[missing] = self._encoder.encode([texts[index] for index in missing])
        return vectors


def keys_of(encoder: str, texts: Iterable[str]) -> list[bytes]:
    """Return the key of each text, for the encoder of this name."""
    prefix = hashlib.sha256(f"{encoder}\0".encode())
    keys: list[bytes] = []
    for text in texts:
        digest = prefix.copy()
        digest.update(text.encode(errors="surrogatepass"))
        keys.append(digest.digest()[:KEY_BYTES])
    return keys


def pack(vectors: Vectors, mean: Vectors) -> Rounded:
    """Round vectors, whose mean is near `mean`."""
    import numpy as np

    distances = vectors - mean
    steps: Vectors = np.maximum(np.abs(distances).max(axis=1) / LARGEST, np.float32(1e-12))
    return Rounded(np.rint(distances / steps[:, None]).astype(np.int8), steps, mean)


def unpack(rounded: Rounded, places: Sequence[int]) -> Vectors:
    """Return the vectors of some rows, each of length one."""
    import numpy as np

    vectors: Vectors = rounded.rows[places].astype(np.float32)
    vectors *= rounded.steps[places, None]  # in place, like the rest: a policy's have nine MB
    vectors += rounded.mean
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors


def write(keys: Sequence[bytes], rounded: Rounded, name: str, folder: Path = FOLDER) -> None:
    """Write vectors by their keys, in the order of these."""
    import numpy as np

    order = sorted(range(len(keys)), key=keys.__getitem__)
    packed = np.frombuffer(b"".join(keys[place] for place in order), np.uint8)
    keys_path, rows_path = paths_of(name, folder)
    np.savez(keys_path, keys=packed, steps=rounded.steps[order], mean=rounded.mean)
    np.save(rows_path, rounded.rows[order])


def paths_of(name: str, folder: Path = FOLDER) -> tuple[Path, Path]:
    """Return the path of the keys, steps and mean, and that of the rows, of this name."""
    return folder / f"{name}.keys.npz", folder / f"{name}.rows.npy"


def read(name: str, folder: Path = FOLDER) -> Table:
    """Open the files of a name; without any vector when they are missing or damaged."""
    import numpy as np

    keys_path, rows_path = paths_of(name, folder)
    try:
        with np.load(io.BytesIO(keys_path.read_bytes()), allow_pickle=False) as arrays:
            keys, steps, mean = arrays["keys"].tobytes(), arrays["steps"], arrays["mean"]
        rows = np.load(rows_path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return Table({}, Rounded(np.empty((0, 0), np.int8), np.empty(0, np.float32), np.empty(0, np.float32)))
    starts = range(0, len(keys), KEY_BYTES)
    places = {keys[start : start + KEY_BYTES]: row for row, start in enumerate(starts)}
    if len(places) != len(rows) or len(steps) != len(rows):
        places = {}
    return Table(places, Rounded(rows, steps, mean))
