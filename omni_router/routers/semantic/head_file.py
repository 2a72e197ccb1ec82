"""Fitted heads, kept on disk between processes: fitting one takes half a second, reading it a few milliseconds."""

import hashlib
import io
import json
import logging
import sqlite3
import time
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from omni_router._version import __version__
from omni_router.routers.protocol import RouteOption
from omni_router.storage.sqlite import CacheFile

if TYPE_CHECKING:
    from omni_router.routers.semantic.head import Fit

MAX_ROWS = 16  # a policy has one for each set of routes that requests may take
MAX_BYTES = 4_000_000  # of one; the default policy's have 0.6 MB
TABLE = "heads_1"
FORM = 4  # rises when the same texts and vectors are fitted otherwise, or the arrays change: part of the key


class HeadFile:
    """The fits of heads in an SQLite file that all processes of a user share. Without it every process fits its own.

    A key is a digest of encoder, routes and version. The file holds no texts, and no vectors of texts: those come from
    the cache of embeddings. A fit that cannot be read is fitted and stored again.

    Args:
        path: of the file.
        shipped: a folder of fits that is looked into first, and never written to; absent: there is none.
    """

    def __init__(self, path: Path, shipped: Path | None = None) -> None:
        self._shipped = shipped
        table = f"{TABLE} (key TEXT PRIMARY KEY, value BLOB, used REAL)"
        self._file = CacheFile(path, table, instead="heads are fitted in every process", level=logging.WARNING)

    def get(self, encoder: str, routes: Sequence[RouteOption]) -> "Fit | None":
        """Return the fit for some routes; None when there is none."""
        key = key_of(encoder, routes)
        return self._shipped_fit(key) or self._stored_fit(key)

    def _shipped_fit(self, key: str) -> "Fit | None":
        if self._shipped is None:
            return None
        try:
            value = (self._shipped / shipped_name(key)).read_bytes()
        except OSError:
            return None
        return _unpack(value)

    def _stored_fit(self, key: str) -> "Fit | None":
        def read(database: sqlite3.Connection) -> Any:
            row = database.execute(f"SELECT value FROM {TABLE} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            if row:
                database.execute(f"UPDATE {TABLE} SET used = ? WHERE key = ?", (time.time(), key))  # noqa: S608
            return row

        row = self._file.use(read)
        if not row or not isinstance(row[0], bytes):
            return None
        return _unpack(row[0])

    def put(self, encoder: str, routes: Sequence[RouteOption], fit: "Fit") -> None:
        """Store a fit, and drop the least recently used ones when there are too many."""
        row = (key_of(encoder, routes), pack(fit), time.time())
        if len(row[1]) > MAX_BYTES:
            return

        def write(database: sqlite3.Connection) -> None:
            database.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY used DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ROWS,))  # noqa: S608

        self._file.use(write)


def key_of(encoder: str, routes: Sequence[RouteOption]) -> str:
    """Return the digest of all that a fit depends on."""
    of_route = attrgetter("name", "description", "examples", "out_of_scope_examples")
    parts = [FORM, __version__, encoder, *map(of_route, routes)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def shipped_name(key: str) -> str:
    """Return the name of the file in which the fit of a key is shipped."""
    return f"{key[:32]}.fit.npz"


def pack(fit: "Fit") -> bytes:
    """Return the arrays as an archive, whose checksums show damage."""
    import numpy as np

    file = io.BytesIO()
    calibration = np.array([fit.temperature, *fit.in_domain, *fit.best], np.float64)
    np.savez(file, broad=fit.broad, narrow=fit.narrow, calibration=calibration, **fit.words._asdict())
    return file.getvalue()


def _unpack(value: bytes) -> "Fit | None":
    """Read what `pack` wrote; None when it is damaged."""
    import numpy as np

    from omni_router.routers.semantic.features import Words
    from omni_router.routers.semantic.head import Fit

    try:
        with np.load(io.BytesIO(value), allow_pickle=False) as arrays:
            words = Words(**{name: arrays[name] for name in Words._fields})
            temperature, *laws = arrays["calibration"].tolist()
            return Fit(arrays["broad"], arrays["narrow"], temperature, (laws[0], laws[1]), (laws[2], laws[3]), words)
    except (BadZipFile, LookupError, ValueError, OSError, EOFError):
        return None
