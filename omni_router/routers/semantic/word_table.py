"""The multilingual encoder's table of word vectors, inflated from its archive as far as it is used."""

import mmap
import threading
import zipfile
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

PARTS = 17  # the table is split: the word piece `id` is row `id // 17` of part `id % 17`
ROWS, DIMENSIONS = 7530, 512  # of a part
STEP = 256  # rows that are inflated at once


class _MappedFile(mmap.mmap):
    """A file in memory that an archive can be read from; it needs no closing."""

    def seekable(self) -> bool:
        """Return true: a method of files that mmap has since Python 3.13."""
        return True


class WordTable:
    """The vectors of the word pieces, a byte a number, inflated as far as the rarest piece asked for.

    The pieces are sorted from the most to the least frequent, so everyday texts need a small part of the 65 MB.

    Args:
        path: the archive of weights, whose parts are named q1.npy to q17.npy.
        scale: what a step of a byte is worth, of each part.
        lowest: what a byte of zero stands for, of each part.
    """

    def __init__(self, path: Path, scale: NDArray[np.float32], lowest: NDArray[np.float32]) -> None:
        self._scale, self._lowest = scale, lowest
        with path.open("rb") as file:
            mapped = _MappedFile(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._archive = zipfile.ZipFile(cast("IO[bytes]", mapped))
        self._streams: list[BinaryIO] = []
        self._parts: list[NDArray[np.uint8]] = []
        self._inflated = [0] * PARTS  # rows of each part that are in memory
        self._inflating = threading.Lock()
        for number in range(1, PARTS + 1):
            stream = cast("BinaryIO", self._archive.open(f"q{number}.npy"))
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            self._streams.append(stream)
            self._parts.append(np.empty((ROWS, DIMENSIONS), np.uint8))  # takes memory only where it is written to

    @property
    def inflated_rows(self) -> int:
        """The number of rows that are in memory."""
        return sum(self._inflated)

    def vectors(self, pieces: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of word pieces by their ids: (pieces, dimensions)."""
        rows, parts = pieces // PARTS, pieces % PARTS
        vectors = np.empty((len(pieces), DIMENSIONS), np.float32)
        for part in set(parts.tolist()):
            here = parts == part
            needed = rows[here]
            self._inflate(part, int(needed.max()))
            vectors[here] = self._parts[part][needed]
        vectors *= self._scale[parts, None]
        vectors += self._lowest[parts, None]
        return vectors

    def _inflate(self, part: int, row: int) -> None:
        """Inflate a part as far as this row."""
        if row < self._inflated[part]:
            return
        with self._inflating:
            start = self._inflated[part]
            end = min(ROWS, (row // STEP + 1) * STEP)
            if end <= start:  # another thread has inflated it meanwhile
                return
            data = self._streams[part].read((end - start) * DIMENSIONS)
            self._parts[part][start:end] = np.frombuffer(data, np.uint8).reshape(-1, DIMENSIONS)
            self._inflated[part] = end
