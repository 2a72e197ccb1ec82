"""What was learnt of the outside world, kept on disk between processes. Losing it costs a request, nothing else."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

logger = logging.getLogger("omni_router")

MAX_ENTRIES = 1000  # a few MB: a model's entry has some hundred bytes, the longest list a hundred thousand
BUSY = 1.0  # seconds to wait for another process's write, which takes milliseconds
TABLE = "answers_1"  # the number rises when answers change their shape: versions that share a file leave each other be


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
        self._told = False

    def get(self, key: str) -> Stored | None:
        """Give a value and its time; None when there is none."""
        with self._errors_told(), self._open() as database:
            row = database.execute(f"SELECT value, at FROM {TABLE} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            return Stored(json.loads(row[0]), float(row[1])) if row else None
        return None  # type: ignore[unreachable]

    def put(self, key: str, value: Any, at: float) -> None:
        """Keep a value, and let go of the oldest ones when there are too many."""
        with self._errors_told(), self._open() as database, database:
            row = (key, json.dumps(value), at)
            database.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT key FROM {TABLE} ORDER BY at DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE key IN ({oldest})", (MAX_ENTRIES,))  # noqa: S608

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A connection for each use: SQLite's may not change threads, and this is asked once in minutes.
        with closing(sqlite3.connect(self.path, timeout=BUSY)) as database:
            database.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (key TEXT PRIMARY KEY, value TEXT, at REAL)")
            yield database

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """End the block where the file cannot be used: locked for long, read-only, a full disk, no database at all."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # the last two: a value that is no JSON
            if type(error) is sqlite3.DatabaseError:  # not one of its kinds: the file is damaged, and is begun anew
                with suppress(OSError):
                    self.path.unlink()
            if not self._told:
                logger.info("%s cannot be used (%s): what the Hub says is kept in memory", self.path, error)
            self._told = True
