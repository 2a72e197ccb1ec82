"""What was learnt of the outside world, kept on disk between processes. Losing it costs a request, nothing else."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

logger = logging.getLogger("omni_router")

MAX_ENTRIES = 1000  # a few MB: a model's entry has some hundred bytes, the longest list a hundred thousand
BUSY = 1.0  # seconds to wait for another process's write, which takes milliseconds


class DiskCache:
    """JSON values by key, with the time they were learnt; shared by all processes of a user, bounded in number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._usable = True

    def get(self, key: str) -> tuple[Any, float] | None:
        """Give a value and when it was put; None when there is none."""
        rows = self._run("SELECT value, at FROM cache WHERE key = ?", key)
        try:
            return (json.loads(rows[0][0]), float(rows[0][1])) if rows else None
        except (TypeError, ValueError):  # of another version, or damaged
            return None

    def put(self, key: str, value: Any, at: float) -> None:
        """Keep a value, and let go of the oldest ones when there are too many."""
        self._run("INSERT OR REPLACE INTO cache VALUES (?, ?, ?)", key, json.dumps(value), at)
        self._run("DELETE FROM cache WHERE key NOT IN (SELECT key FROM cache ORDER BY at DESC LIMIT ?)", MAX_ENTRIES)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement; with a file that cannot be used this process goes on without."""
        if not self._usable:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY)) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value TEXT, at REAL)")
                return database.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._usable = False
            logger.info("%s is not usable (%s): what the Hub says is kept in memory only", self.path, error)
            return []
