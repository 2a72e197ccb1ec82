"""Share work between the calls of many threads, and keep NumPy on one thread where that is faster."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class MicroBatcher(Generic[A, B]):
    """Batch calls that arrive while the previous batch is running; a lone call does not wait.

    `serve` gets up to `most` calls at once, on one thread of its own. One thread, because each thread that computes
    keeps memory of its own: on sixty-four of them a router of 0.5 GB grew by 0.3 GB.
    """

    def __init__(self, serve: Callable[[Sequence[A]], Sequence[B]], most: int) -> None:
        self._serve, self._most = serve, most
        self._waiting: deque[tuple[A, Future[B]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="omni-router batches")

    def __call__(self, call: A) -> B:
        """Return the result of `serve` for this call, or raise what it raises for this call."""
        return self.submit(call).result()

    def submit(self, call: A) -> "Future[B]":
        """Return the future result of a call."""
        future: Future[B] = Future()
        self._waiting.append((call, future))
        self._thread.submit(self._serve_next)  # once per call; a call of an earlier batch finds an empty queue
        return future

    def _serve_next(self) -> None:
        batch: list[tuple[A, Future[B]]] = []
        while self._waiting and len(batch) < self._most:
            batch.append(self._waiting.popleft())
        try:
            self._answer(batch)
        except BaseException as error:  # noqa: BLE001 (raised where the result is read)
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for call, future in batch:  # one at a time, so that only the call at fault gets the error
                try:
                    self._answer([(call, future)])
                except BaseException as fault:  # noqa: BLE001, PERF203 (as above)
                    future.set_exception(fault)

    def _answer(self, batch: list[tuple[A, "Future[B]"]]) -> None:
        if not batch:
            return
        results = self._serve([call for call, _ in batch])
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)


class LruCache(Generic[K, V]):
    """A dictionary of at most `size` entries for many threads; the least recently used entry is dropped first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value of a key, which counts as a use; None when there is none."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Store a value, and drop the least recently used ones when there are too many."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)


class _OneThread:
    """Keeps the linear algebra of NumPy on one thread while a block of any thread runs, then gives it all back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._limit = _linear_algebra().limit(limits=1)
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._limit.restore_original_limits()


_one_thread = _OneThread()


def single_threaded() -> AbstractContextManager[None]:
    """Prevent NumPy from splitting small work over threads, which would wait for each other.

    On two cores that others use, too, a product with a vector takes 0.1 ms on one thread and 36 ms on two, and a
    Cholesky decomposition 0.5 s and 2.8 s; on idle ones the same. Blocks may be nested, and those of several threads
    may overlap.
    """
    return _one_thread


@cache
def _linear_algebra() -> Any:
    """Find the libraries that compute for NumPy; a few milliseconds, once."""
    import numpy as np  # noqa: F401 (loads them)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
