"""Vectors of texts, kept on disk between processes: two thousand examples take ten seconds to embed."""

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path

from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.storage.sqlite import CacheFile

MAX_ROWS = 20_000  # three policies as large as the default one, with two vectors for each English text; 15 to 30 MB
TABLE = "vectors_1"
DAY = 86_400  # seconds after which a use is recorded again: most processes need not write


class CachedEncoder:
    """Embeds the texts that are not on disk yet. It is for the texts of a policy, not for requests.

    The file holds a digest of encoder and text, and the vector in half precision. Without it every text is embedded.
    """

    def __init__(self, encoder: Encoder, path: Path) -> None:
        self._encoder = encoder
        instead = "the examples are embedded again in every process"
        table = f"{TABLE} (key TEXT PRIMARY KEY, value BLOB, used REAL)"
        self._file = CacheFile(path, table, instead=instead, level=logging.WARNING)

    @property
    def name(self) -> str:
        """The name of the encoder inside."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array (texts, dimensions) of rows of length one, the same whether they were stored or not.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        if not texts:
            return self._encoder.encode(texts)
        keys = list(map(self._key, texts))
        rows = self._get(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in rows}
        if new:
            packed = pack(self._encoder.encode(list(new.values())))
            added = dict(zip(new, packed, strict=True))
            self._put(added)
            rows |= added
        if len(set(map(len, rows.values()))) > 1:  # another program has written into the file
            return unpack(pack(self._encoder.encode(texts)))
        return unpack([rows[key] for key in keys])

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self.name}\0{text}".encode(errors="surrogatepass")).hexdigest()

    def _get(self, keys: Iterable[str]) -> dict[str, bytes]:
        now = time.time()

        def read(database: sqlite3.Connection) -> list[tuple[str, bytes, float]]:
            query = f"SELECT * FROM {TABLE} WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608
            return database.execute(query, (json.dumps(list(keys)),)).fetchall()

        def record_use(database: sqlite3.Connection) -> None:
            database.executemany(f"UPDATE {TABLE} SET used = ? WHERE key = ?", unrecorded)  # noqa: S608

        rows: dict[str, bytes] = {}
        unrecorded: list[tuple[float, str]] = []
        for key, row, used in self._file.use(read) or []:
            if not isinstance(used, float) or abs(now - used) > DAY:
                unrecorded.append((now, key))
            if isinstance(row, bytes) and row and len(row) % 2 == 0:
                rows[key] = row
        if unrecorded:
            self._file.use(record_use)
        return rows

    def _put(self, rows: Mapping[str, bytes]) -> None:
        """Store these rows, and drop the least recently used ones when there are too many."""
        now = time.time()

        def write(database: sqlite3.Connection) -> None:
            values = zip(rows.keys(), rows.values(), repeat(now))
            database.executemany(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", values)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY used DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ROWS,))  # noqa: S608

        self._file.use(write)


def pack(vectors: Vectors) -> list[bytes]:
    """Return the bytes of each row in half precision."""
    return [row.tobytes() for row in vectors.astype("float16")]


def unpack(rows: Sequence[bytes]) -> Vectors:
    """Read rows that `pack` wrote, all of one length in bytes: (rows, dimensions), each of length one."""
    import numpy as np

    from omni_router.routers.semantic.pooling import normalize

    halves = np.frombuffer(b"".join(rows), np.float16).reshape(len(rows), -1)
    return normalize(halves.astype(np.float32))
