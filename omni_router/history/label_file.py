"""Teacher labels in one file beside the history: `.<name of the policy>.lessons`, an SQLite database."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from omni_router.routers.cascade.labels import MAX_LABELS, TeacherLabel
from omni_router.routers.semantic.vector_cache import pack, unpack
from omni_router.storage.sqlite import CacheFile

TABLE = "lessons_1"  # like the suffix of the file, as in earlier versions
COLUMNS = "(id INTEGER PRIMARY KEY AUTOINCREMENT, encoder TEXT, route TEXT, vector BLOB, at REAL, text TEXT)"


class FileLabelStore:
    """Teacher labels shared by the processes of a machine; without the file nothing learned lasts.

    Args:
        path: of the file, which only its owner can read.
        encoder: returns the name of the encoder of the vectors; labels of another encoder are left alone.
        size: how many labels are stored.
    """

    def __init__(self, path: Path, encoder: Callable[[], str], size: int = MAX_LABELS) -> None:
        self.path, self.size = path, size
        self._encoder = encoder
        instead = "the teacher's decisions are not learned"
        self._file = CacheFile(path, f"{TABLE} {COLUMNS}", instead=instead, level=logging.WARNING)

    def read(self) -> Sequence[TeacherLabel] | None:
        """Return the labels, oldest first; None while the file cannot be read."""

        def read(database: sqlite3.Connection) -> list[TeacherLabel]:
            query = f"SELECT route, vector, at, text FROM {TABLE} WHERE encoder = ? ORDER BY id DESC LIMIT ?"  # noqa: S608
            rows = database.execute(query, (self._encoder(), self.size)).fetchall()
            if not rows:
                return []
            rows.reverse()
            vectors = unpack([vector for _, vector, _, _ in rows])
            labels: list[TeacherLabel] = []
            for (route, _, at, text), vector in zip(rows, vectors, strict=True):
                labels.append(TeacherLabel(route, vector, at, text))
            return labels

        if not self.path.exists():  # reading leaves no file behind
            return []
        return self._file.use(read)

    def add(self, label: TeacherLabel) -> None:
        """Store a label, and delete the oldest ones when there are too many."""

        def write(database: sqlite3.Connection) -> None:
            text = label.text
            if text is not None:
                text = text.encode(errors="replace").decode()
            row = (self._encoder(), label.route, pack(label.vector[None])[0], label.at, text)
            columns = "(encoder, route, vector, at, text)"
            database.execute(f"INSERT INTO {TABLE} {columns} VALUES (?, ?, ?, ?, ?)", row)  # noqa: S608
            oldest = f"SELECT id FROM {TABLE} ORDER BY id DESC LIMIT -1 OFFSET ?"  # noqa: S608
            database.execute(f"DELETE FROM {TABLE} WHERE id IN ({oldest})", (self.size,))  # noqa: S608

        self._file.use(write)
