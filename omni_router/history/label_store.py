"""What a large router decided, in a LangGraph store: for many processes and machines.

    lessons, <encoder>    <lesson>    {"route", "vector", "at", "text"}: the vector in half precision, as base64

Every lesson is an item of its own, so that writers cannot lose what another wrote.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from uuid import uuid4
from weakref import WeakKeyDictionary

from langgraph.store.base import BaseStore, Item, PutOp, SearchOp

from omni_router.history.store_items import storable
from omni_router.history.store_replica import ALL, AT_ONCE
from omni_router.images import encode_base64
from omni_router.routers.cascade.router import SIZE, Lesson
from omni_router.routers.semantic.vector_cache import pack, unpack
from omni_router.simulation import is_simulated
from omni_router.storage.store_link import Link, put

TIDY = 100  # lessons over the bound that are put up with, and then let go together


class LessonStore:
    """Lessons shared by all who use the store.

    Args:
        store: gives the store; called for each use, since a host's store is there in its own runs only.
        encoder: names the encoder whose vectors these are; those of another one are left alone.
        size: how many lessons are kept, and some more for a while.
    """

    def __init__(self, store: Callable[[], BaseStore], encoder: Callable[[], str], size: int = SIZE) -> None:
        self._store, self._encoder, self._size = store, encoder, size
        self._links: WeakKeyDictionary[BaseStore, Link] = WeakKeyDictionary()

    def read(self) -> Sequence[Lesson] | None:
        """Give the lessons, oldest first; None where the store does not answer.

        Raises:
            ConfigurationError: there is no store, or no encoder.
        """
        link, space, found = self._link(), self._space(), list[list[Item]]()
        link.attempt(lambda: found.extend(link.ask([SearchOp(space, limit=ALL, refresh_ttl=False)])))
        if not found:
            return None
        items = sorted(found[0], key=lambda item: float(item.value["at"]))
        if len(items) > self._size + TIDY:  # here, since a process on the command line writes a single one
            self._write(*(put(space, item.key, None) for item in items[: -self._size][:AT_ONCE]))
        return _lessons(items[-self._size :])

    def add(self, lesson: Lesson) -> None:
        """Keep a lesson, unless the store does not answer.

        Raises:
            ConfigurationError: there is no store, or no encoder.
        """
        vector = encode_base64(pack(lesson.vector[None])[0])
        text = None if lesson.text is None else storable(lesson.text)
        value = {"route": storable(lesson.route), "vector": vector, "at": lesson.at, "text": text}
        self._write(put(self._space(), uuid4().hex, value))

    def _write(self, *ops: PutOp) -> None:
        link = self._link()

        def write() -> None:
            link.ask(ops)

        link.attempt(write)

    def _link(self) -> Link:
        store = self._store()
        return self._links.setdefault(store, Link(store))

    def _space(self) -> tuple[str, ...]:
        root = ("omni_router", "sandbox") if is_simulated() else ("omni_router",)
        return (*root, "lessons", hashlib.sha256(self._encoder().encode()).hexdigest()[:16])


def _lessons(items: Sequence[Item]) -> list[Lesson]:
    vectors = [base64.b64decode(item.value["vector"]) for item in items]
    rows = unpack(vectors) if vectors else ()
    return [
        Lesson(item.value["route"], row, item.value["at"], item.value["text"])
        for item, row in zip(items, rows, strict=True)
    ]
