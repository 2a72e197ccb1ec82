"""Teacher labels in PostgreSQL: for many processes and machines."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import uuid4

from psycopg import Connection
from psycopg.rows import DictRow

from omni_router.history.database import Database
from omni_router.history.tables import current_space
from omni_router.history.usage import storable
from omni_router.routers.cascade.labels import MAX_LABELS, TeacherLabel
from omni_router.routers.semantic.vector_cache import pack, unpack
from omni_router.storage.store_link import Link

T = TypeVar("T")

ADD = """
    INSERT INTO omni_router_labels (label, space, encoder, route, vector, at, text)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (label) DO NOTHING
"""
READ = """
    SELECT route, vector, at, text FROM omni_router_labels WHERE space = %s AND encoder = %s ORDER BY id DESC LIMIT %s
"""
FORGET = """
    DELETE FROM omni_router_labels WHERE space = %s AND encoder = %s AND id <= (
        SELECT id FROM omni_router_labels WHERE space = %s AND encoder = %s ORDER BY id DESC LIMIT 1 OFFSET %s
    )
"""


class PostgresLabelStore:
    """Teacher labels shared by all processes that use the database.

    Args:
        address: of the database; it is connected on first use.
        encoder: returns the name of the encoder of the vectors; labels of another encoder are left alone.
        size: how many labels are stored.
    """

    def __init__(self, address: str, encoder: Callable[[], str], size: int = MAX_LABELS) -> None:
        self.size = size
        self._database, self._encoder, self._link = Database(address), encoder, Link()

    def read(self) -> Sequence[TeacherLabel] | None:
        """Return the labels, oldest first; None while PostgreSQL does not answer."""
        values = (*self._place(), self.size)
        answers: list[list[DictRow]] = []
        self._link.attempt(lambda: answers.append(self._use(lambda rows: rows.execute(READ, values).fetchall())))
        if not answers:
            return None
        rows = answers[0][::-1]
        if not rows:
            return []
        vectors = unpack([row["vector"] for row in rows])
        labels: list[TeacherLabel] = []
        for row, vector in zip(rows, vectors, strict=True):
            labels.append(TeacherLabel(row["route"], vector, row["at"], row["text"]))
        return labels

    def add(self, label: TeacherLabel) -> None:
        """Store a label, and delete the oldest ones when there are too many, unless PostgreSQL does not answer."""
        place = self._place()
        vector = pack(label.vector[None])[0]
        values = (uuid4().hex, *place, storable(label.route), vector, label.at, storable(label.text))

        def write(database: Connection[DictRow]) -> None:
            with database.transaction():
                database.execute(ADD, values)
                database.execute(FORGET, (*place, *place, self.size))

        self._link.attempt(lambda: self._use(write))

    def _use(self, work: Callable[[Connection[DictRow]], T]) -> T:
        return self._link.call(lambda: self._database.use(work))

    def _place(self) -> tuple[str, str]:
        """Return the space and the encoder of the labels."""
        return current_space(), hashlib.sha256(self._encoder().encode()).hexdigest()[:16]
