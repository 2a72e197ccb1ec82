"""What a large router decided, in one file beside the history: `.<name of the policy>.lessons`, an SQLite database."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from omni_router.routers.cascade.router import SIZE, Lesson
from omni_router.routers.semantic.vector_cache import pack, unpack
from omni_router.storage.sqlite import CacheFile

TABLE = "lessons_1"
COLUMNS = "(id INTEGER PRIMARY KEY AUTOINCREMENT, encoder TEXT, route TEXT, vector BLOB, at REAL, text TEXT)"


class LessonFile:
    """Lessons shared by the processes of a machine; without the file each process learns nothing that lasts.

    Args:
        path: of the file, made for its owner alone.
        encoder: names the encoder whose vectors these are; those of another one are left alone.
        size: how many lessons are kept.
    """

    def __init__(self, path: Path, encoder: Callable[[], str], size: int = SIZE) -> None:
        self.path, self._encoder, self._size = path, encoder, size
        instead = "what the large router decides is not learnt"
        self._file = CacheFile(path, f"{TABLE} {COLUMNS}", instead=instead, level=logging.WARNING)

    def read(self) -> Sequence[Lesson] | None:
        """Give the lessons, oldest first; None where the file cannot be read now."""

        def read(database: sqlite3.Connection) -> list[Lesson]:
            wanted = f"SELECT route, vector, at, text FROM {TABLE} WHERE encoder = ? ORDER BY id DESC LIMIT ?"  # noqa: S608
            rows = database.execute(wanted, (self._encoder(), self._size)).fetchall()[::-1]
            vectors = unpack([vector for _, vector, _, _ in rows]) if rows else ()
            return [Lesson(route, vector, at, text) for (route, _, at, text), vector in zip(rows, vectors, strict=True)]

        if not self.path.exists():  # who only reads leaves no file behind
            return []
        return self._file.use(read)

    def add(self, lesson: Lesson) -> None:
        """Keep a lesson, and let go of the oldest ones when there are too many."""

        def write(database: sqlite3.Connection) -> None:
            text = None if lesson.text is None else lesson.text.encode(errors="replace").decode()
            row = (self._encoder(), lesson.route, pack(lesson.vector[None])[0], lesson.at, text)
            columns = "(encoder, route, vector, at, text)"
            database.execute(f"INSERT INTO {TABLE} {columns} VALUES (?, ?, ?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT id FROM {TABLE} ORDER BY id DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE id IN ({oldest})", (self._size,))  # noqa: S608

        self._file.use(write)
