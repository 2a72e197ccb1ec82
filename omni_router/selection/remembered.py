"""Results that are kept in memory, found by the identity of large inputs and by the value of small ones."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """The last results of a function whose large inputs are the same objects for as long as they have not changed."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._results: OrderedDict[Hashable, tuple[tuple[object, ...], Result]] = OrderedDict()

    def get(self, large: tuple[object, ...], small: Hashable, make: Callable[[], Result]) -> Result:
        """Return what was made of these inputs, or make it; the large ones are kept, so that no other has their id."""
        key = (*map(id, large), small)
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key][1]
        result = make()
        with self._lock:
            self._results[key] = (large, result)
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return result
