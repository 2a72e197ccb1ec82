"""Vectors of texts, kept on disk between processes: two thousand examples take ten seconds to embed."""

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from omni_router.routers.semantic.encoder import Encoder
from omni_router.storage.sqlite import CacheFile

if TYPE_CHECKING:
    from torch import Tensor

MAX_ROWS = 20_000  # ten policies of 2,000 texts; 15 to 30 MB
TABLE = "vectors_1"
DAY = 86_400  # seconds after which a use is noted again: a process that starts need not write


class NamedEncoder(Encoder, Protocol):
    """An encoder with a name that changes when its vectors do."""

    @property
    def name(self) -> str:
        """What the vectors depend on beside the text."""
        ...


class CachedEncoder:
    """Embeds what is not on disk yet. Neither a text nor a request belongs there: meant for the texts of a policy.

    The file holds a digest of encoder and text, and the vector in half precision. Without it every text is embedded.
    """

    def __init__(self, encoder: NamedEncoder, path: Path) -> None:
        self._encoder = encoder
        instead = "the examples are embedded again in every process"
        table = f"{TABLE} (key TEXT PRIMARY KEY, value BLOB, used REAL)"
        self._file = CacheFile(path, table, instead=instead, level=logging.WARNING)

    @property
    def name(self) -> str:
        """The name of the encoder inside."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> "Tensor":
        """Give a float tensor (texts, dimensions) of rows of length one, the same whether they were stored or not.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        if not texts:
            return self._encoder.encode(texts)
        keys = [hashlib.sha256(f"{self.name}\0{text}".encode(errors="surrogatepass")).hexdigest() for text in texts]
        rows = self._get(keys)
        if new := {key: text for key, text in zip(keys, texts, strict=True) if key not in rows}:
            fresh = dict(zip(new, pack(self._encoder.encode(list(new.values()))), strict=True))
            self._put(fresh)
            rows |= fresh
        if len({len(row) for row in rows.values()}) > 1:  # somebody else wrote into the file
            return unpack(pack(self._encoder.encode(texts)))
        return unpack([rows[key] for key in keys])

    def _get(self, keys: Iterable[str]) -> dict[str, bytes]:
        now = time.time()

        def read(database: sqlite3.Connection) -> list[tuple[str, bytes, float]]:
            wanted = f"SELECT * FROM {TABLE} WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608
            return database.execute(wanted, (json.dumps(list(keys)),)).fetchall()

        def note(database: sqlite3.Connection) -> None:
            database.executemany(f"UPDATE {TABLE} SET used = ? WHERE key = ?", [(now, key) for key in old])  # noqa: S608

        found = self._file.use(read) or []
        old = [key for key, _, used in found if not isinstance(used, float) or abs(now - used) > DAY]
        if old:
            self._file.use(note)
        return {key: row for key, row, _ in found if isinstance(row, bytes) and row and len(row) % 2 == 0}

    def _put(self, rows: Mapping[str, bytes]) -> None:
        """Keep these rows, and let go of those that were not used for longest when there are too many."""
        now = time.time()

        def write(database: sqlite3.Connection) -> None:
            values = [(key, row, now) for key, row in rows.items()]
            database.executemany(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", values)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY used DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ROWS,))  # noqa: S608

        self._file.use(write)


def pack(vectors: "Tensor") -> list[bytes]:
    """Write each row in half precision."""
    return [row.tobytes() for row in vectors.half().numpy()]


def unpack(rows: Sequence[bytes]) -> "Tensor":
    """Read such rows, of one length in bytes: (rows, dimensions), each of length one."""
    import torch

    halves = torch.frombuffer(bytearray(b"".join(rows)), dtype=torch.float16).view(len(rows), -1)
    return torch.nn.functional.normalize(halves.float(), dim=1)
