"""What was learnt of the outside world, kept on disk between processes. Losing it costs a request, nothing else."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
        with self._database() as database:
            row = database.execute("SELECT value, at FROM cache WHERE key = ?", (key,)).fetchone()
            return json.loads(row[0]), float(row[1])
        return None

    def put(self, key: str, value: Any, at: float) -> None:
        """Keep a value, and let go of the oldest ones when there are too many."""
        with self._database() as database, database:
            database.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?)", (key, json.dumps(value), at))
            database.execute(
                "DELETE FROM cache WHERE key NOT IN (SELECT key FROM cache ORDER BY at DESC LIMIT ?)", (MAX_ENTRIES,)
            )

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open the file; whatever is wrong with it ends the block, and this process goes on without it."""
        try:
            if not self._usable:
                raise OSError
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY)) as database:
                database.execute("CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value TEXT, at REAL)")
                yield database
        except (TypeError, ValueError):  # no such row, or one that another version wrote
            pass
        except (sqlite3.Error, OSError) as error:
            if self._usable:
                logger.info("%s is not usable (%s): what the Hub says is kept in memory only", self.path, error)
            self._usable = False
