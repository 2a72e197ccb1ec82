"""Tensors of a safetensors file, read from the disk only where they are used."""

import json
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TYPES = {"F32": np.float32, "F16": np.float16}
MAX_HEADER = 100_000_000  # bytes, the limit of the format


class SafetensorsFile:
    """The tensors of a file that is mapped into memory: a row that nobody reads takes none.

    Args:
        path: of the file.

    Raises:
        ConfigurationError: it is not a safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            (size,) = struct.unpack("<Q", self._bytes[:8])
            self._start = 8 + min(size, MAX_HEADER)
            self._header: dict[str, Any] = json.loads(self._bytes[8 : self._start])
        except (struct.error, ValueError) as error:
            raise ConfigurationError(f"{path} is not a safetensors file: {error}") from error

    def names(self) -> list[str]:
        """Return the names of the tensors."""
        return [name for name in self._header if name != "__metadata__"]

    def tensor(self, name: str) -> "NDArray[Any]":
        """Return a tensor as an array that cannot be written.

        Raises:
            ConfigurationError: no tensor has this name, or its data type is not supported.
        """
        dtype, count, start, shape = self._place(name)
        return np.frombuffer(self._bytes, dtype, count, start).reshape(shape)

    def read(self, name: str) -> "NDArray[Any]":
        """Return a copy of a tensor: pages of the mapped file that have been read stay in memory, and a copy does not.

        Raises:
            ConfigurationError: no tensor has this name, or its data type is not supported.
        """
        dtype, count, start, shape = self._place(name)
        return np.fromfile(self._path, dtype, count, offset=start).reshape(shape)

    def _place(self, name: str) -> "tuple[np.dtype[Any], int, int, list[int]]":
        """Return the data type of a tensor, how many numbers it has, where they start, and its shape."""
        entry = self._header.get(name)
        if entry is None:
            raise ConfigurationError(f"{self._path} has no tensor {name!r}")
        if entry["dtype"] not in TYPES:
            allowed = ", ".join(TYPES)
            raise ConfigurationError(f"{self._path}: {name!r} has the format {entry['dtype']}; allowed: {allowed}")
        begin, end = entry["data_offsets"]
        dtype = np.dtype(TYPES[entry["dtype"]])
        return dtype, (end - begin) // dtype.itemsize, self._start + begin, entry["shape"]
