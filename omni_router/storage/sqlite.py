"""SQLite files of values that may be lost: they never raise, whatever is wrong with them."""

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

logger = logging.getLogger("omni_router")

BUSY = 1.0  # seconds to wait for another process's write, which takes milliseconds
# Of a DiskCache, a few MB: a model's entry has some hundred bytes, the longest list a hundred thousand.
MAX_ENTRIES = 1000
TABLE = "answers_3"  # the table of a DiskCache
T = TypeVar("T")


class CacheFile:
    """One table in a file that all processes of a user share and nobody else reads.

    Args:
        path: of the file; its folder is created, too.
        table: its name and columns. A number in the name rises when rows change their shape, so that versions that
            share a file do not disturb each other.
        instead: what happens without the file, for the one line of the log.
        level: of that line.
    """

    def __init__(self, path: Path, table: str, *, instead: str, level: int) -> None:
        self.path = path
        self._table, self._instead, self._level = table, instead, level
        self._logged = False

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do `work` in a transaction; None when that fails: a full disk, a locked file, not a database."""
        try:
            # A connection for each use: SQLite's may not change threads, and this is called once in minutes.
            with closing(self._connect()) as database, database:
                database.execute(f"CREATE TABLE IF NOT EXISTS {self._table}")
                return work(database)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # the last two: a value that cannot be read
            if type(error) is sqlite3.DatabaseError:  # no subclass: the file is damaged, and starts anew
                with suppress(OSError):
                    self.path.unlink()
            if not self._logged:
                logger.log(self._level, "%s cannot be used (%s): %s", self.path, error, self._instead)
            self._logged = True
            return None

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=BUSY)
        # No waiting for the disk: it takes 11 to 24 ms of a request, not 0.3, and two busy processes would lock each
        # other out. A file that a power cut damages starts anew.
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
        table, instead = (
            f"{TABLE} (key TEXT PRIMARY KEY, value TEXT, at REAL)",
            "answers of the Hub are kept in memory only",
        )
        self._file = CacheFile(path, table, instead=instead, level=logging.INFO)

    def get(self, key: str) -> Stored | None:
        """Return a value and its time; None when it is not stored."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Return the values of those keys that are stored, a few hundred keys at most."""
        places = ", ".join("?" * len(keys))

        def read(database: sqlite3.Connection) -> dict[str, Stored]:
            rows = database.execute(f"SELECT key, value, at FROM {TABLE} WHERE key IN ({places})", keys)  # noqa: S608
            return {key: stored for key, *cells in rows if (stored := _read(*cells))}

        return self._file.use(read) or {}

    def put(self, key: str, value: Any, at: float) -> None:
        """Store a value, and delete the oldest ones when there are too many."""
        self._file.use(lambda database: _write(database, key, value, at))

    def change(self, key: str, change: Callable[[Any], Any], at: float) -> bool:
        """Store what `change` makes of a value, None where there is none, while no other process reads or writes it.

        Returns whether that was possible; `change` may have been called even if it was not.
        """

        def replace(database: sqlite3.Connection) -> bool:
            database.execute("BEGIN IMMEDIATE")
            cells = database.execute(f"SELECT value, at FROM {TABLE} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            stored = _read(*cells) if cells else None
            _write(database, key, change(stored.value if stored else None), at)
            return True

        return bool(self._file.use(replace))


def _read(value: Any, at: Any) -> Stored | None:
    """Return the cells of a row; None if they are damaged, which costs this row alone."""
    try:
        return Stored(json.loads(value), float(at))
    except (ValueError, TypeError, RecursionError):
        return None


def _write(database: sqlite3.Connection, key: str, value: Any, at: float) -> None:
    row = (key, json.dumps(value), at)
    database.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", row)  # noqa: S608
    oldest = f"SELECT key FROM {TABLE} ORDER BY at DESC LIMIT -1 OFFSET ?"  # noqa: S608
    database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ENTRIES,))  # noqa: S608
