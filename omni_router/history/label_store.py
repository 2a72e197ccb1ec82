"""Teacher labels in a LangGraph store.

    lessons, <encoder>    <label>    {"route", "vector", "at", "text"}: the vector in half precision, as base64

Every label is an item of its own, so that no writer overwrites another. The namespace keeps its first name.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from uuid import uuid4
from weakref import WeakKeyDictionary

from langgraph.store.base import BaseStore, Item, PutOp, SearchOp

from omni_router.history.store import ALL, AT_ONCE
from omni_router.history.usage import storable
from omni_router.images import encode_base64
from omni_router.routers.cascade.labels import MAX_LABELS, TeacherLabel
from omni_router.routers.semantic.vector_cache import pack, unpack
from omni_router.simulation import is_simulated
from omni_router.storage.store_link import StoreLink, put, put_all

TIDY = 100  # labels over the limit that are tolerated, and then dropped together


class LangGraphLabelStore:
    """Teacher labels shared by all processes that use the store.

    Args:
        store: returns the store; called for each use, since a host's store exists in its own runs only.
        encoder: returns the name of the encoder of the vectors; labels of another encoder are left alone.
        size: how many labels are stored; for a while there may be some more.
    """

    def __init__(self, store: Callable[[], BaseStore], encoder: Callable[[], str], size: int = MAX_LABELS) -> None:
        self.size = size
        self._store, self._encoder = store, encoder
        self._links: WeakKeyDictionary[BaseStore, StoreLink] = WeakKeyDictionary()

    def read(self) -> Sequence[TeacherLabel] | None:
        """Return the labels, oldest first; None while the store does not answer.

        Raises:
            ConfigurationError: there is no store, or no encoder.
        """
        link, space = self._link(), self._space()
        results: list[list[Item]] = []
        link.attempt(lambda: results.extend(link.ask([SearchOp(space, limit=ALL, refresh_ttl=False)])))
        if not results:
            return None
        items = sorted(results[0], key=lambda item: float(item.value["at"]))
        if len(items) > self.size + TIDY:  # on reading, since a process of the command line writes only one
            oldest = [item.key for item in items[: -self.size]][:AT_ONCE]
            self._write(*put_all(space, dict.fromkeys(oldest)))
        return _labels(items[-self.size :])

    def add(self, label: TeacherLabel) -> None:
        """Store a label, unless the store does not answer.

        Raises:
            ConfigurationError: there is no store, or no encoder.
        """
        vector = encode_base64(pack(label.vector[None])[0])
        value = {"route": label.route, "vector": vector, "at": label.at, "text": label.text}
        self._write(put(self._space(), uuid4().hex, storable(value)))

    def _write(self, *ops: PutOp) -> None:
        link = self._link()

        def write() -> None:
            link.ask(ops)

        link.attempt(write)

    def _link(self) -> StoreLink:
        store = self._store()
        return self._links.setdefault(store, StoreLink(store))

    def _space(self) -> tuple[str, ...]:
        root = ("omni_router", "sandbox") if is_simulated() else ("omni_router",)
        return (*root, "lessons", hashlib.sha256(self._encoder().encode()).hexdigest()[:16])


def _labels(items: Sequence[Item]) -> list[TeacherLabel]:
    if not items:
        return []
    vectors = unpack([base64.b64decode(item.value["vector"]) for item in items])
    labels: list[TeacherLabel] = []
    for item, vector in zip(items, vectors, strict=True):
        labels.append(TeacherLabel(item.value["route"], vector, item.value["at"], item.value["text"]))
    return labels
