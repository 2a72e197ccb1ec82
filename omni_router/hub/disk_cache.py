"""What was learnt of the outside world, kept on disk between processes. Losing it costs a request, nothing else."""

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from omni_router.storage.sqlite import CacheFile

MAX_ENTRIES = 1000  # a few MB: a model's entry has some hundred bytes, the longest list a hundred thousand
TABLE = "answers_1"


class Stored(NamedTuple):
    """A JSON value, and when it was learnt."""

    value: Any
    at: float


class DiskCache:
    """JSON values by key in an SQLite file, shared by all processes of a user, bounded in number.

    Whatever is wrong with the file, nothing is raised: it is done without.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        table, instead = f"{TABLE} (key TEXT PRIMARY KEY, value TEXT, at REAL)", "what the Hub says is kept in memory"
        self._file = CacheFile(path, table, instead=instead, level=logging.INFO)

    def get(self, key: str) -> Stored | None:
        """Give a value and its time; None when there is none."""

        def read(database: sqlite3.Connection) -> Stored | None:
            row = database.execute(f"SELECT value, at FROM {TABLE} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            return Stored(json.loads(row[0]), float(row[1])) if row else None

        return self._file.use(read)

    def put(self, key: str, value: Any, at: float) -> None:
        """Keep a value, and let go of the oldest ones when there are too many."""

        def write(database: sqlite3.Connection) -> None:
            row = (key, json.dumps(value), at)
            database.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY at DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ENTRIES,))  # noqa: S608

        self._file.use(write)
