"""An SQLite file of things that may be lost: whatever is wrong with it, nothing is raised."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

logger = logging.getLogger("omni_router")

BUSY = 1.0  # seconds to wait for another process's write, which takes milliseconds
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
