"""SQLite files of values that may be lost: whatever is wrong with one, nothing is raised."""

import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

logger = logging.getLogger("omni_router")

BUSY = 1.0  # seconds to wait for another process's write, which takes milliseconds
MAX_ENTRIES = (
    1000  # of a DiskCache, a few MB: a model's entry has some hundred bytes, the longest list a hundred thousand
)
TABLE = "answers_2"  # of a DiskCache
T = TypeVar("T")


class CacheFile:
    """One table in a file that all processes of a user share and nobody else reads.

    Args:
        path: of the file; its folder is made, too.
        table: its name and columns. A number in the name rises when rows change their shape: versions that share a
            file leave each other be.
        instead: what happens without the file, for the one line of the log.
        level: of that line.
    """

    def __init__(self, path: Path, table: str, *, instead: str, level: int) -> None:
        self.path = path
        self._table, self._instead, self._level = table, instead, level
        self._told = False

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do `work` in a transaction; None where it cannot be done: a full disk, a locked file, no database at all."""
        try:
            # A connection for each use: SQLite's may not change threads, and this is asked once in minutes.
            with closing(self._connect()) as database, database:
                database.execute(f"CREATE TABLE IF NOT EXISTS {self._table}")
                return work(database)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # the last two: a value that cannot be read
            if type(error) is sqlite3.DatabaseError:  # not one of its kinds: the file is damaged, and is begun anew
                with suppress(OSError):
                    self.path.unlink()
            if not self._told:
                logger.log(self._level, "%s cannot be used (%s): %s", self.path, error, self._instead)
            self._told = True
            return None

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=BUSY)
        # No waiting for the disk: it takes 11 to 24 ms of a request, not 0.3, and two busy processes would lock each
        # other out. What a power cut damages is begun anew.
        database.execute("PRAGMA synchronous = OFF")
        return database


class Stored(NamedTuple):
    """A JSON value, and when it was fetched."""

    value: Any
    at: float


class DiskCache:
    """JSON values by key in an SQLite file, shared by all processes of a user, bounded in number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        table, instead = f"{TABLE} (key TEXT PRIMARY KEY, value TEXT, at REAL)", "what the Hub says is kept in memory"
        self._file = CacheFile(path, table, instead=instead, level=logging.INFO)

    def get(self, key: str) -> Stored | None:
        """Return a value and its time; None when there is none."""

        def read(database: sqlite3.Connection) -> Stored | None:
            row = database.execute(f"SELECT value, at FROM {TABLE} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            return Stored(json.loads(row[0]), float(row[1])) if row else None

        return self._file.use(read)

    def put(self, key: str, value: Any, at: float) -> None:
        """Store a value, and delete the oldest ones when there are too many."""

        def write(database: sqlite3.Connection) -> None:
            row = (key, json.dumps(value), at)
            database.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY at DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ENTRIES,))  # noqa: S608

        self._file.use(write)
