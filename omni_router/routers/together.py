"""Work that is cheaper together: who comes while some are served is served with all others that came meanwhile."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Together(Generic[A, B]):
    """Calls `serve` for up to `most` callers at once, from one of their threads; alone nobody waits for anybody."""

    def __init__(self, serve: Callable[[Sequence[A]], Sequence[B]], most: int) -> None:
        self._serve, self._most = serve, most
        self._waiting: deque[tuple[A, Future[B]]] = deque()
        self._lock = threading.Lock()

    def __call__(self, asked: A) -> B:
        """Give what `serve` gives for this one, or raise what it raises for this one."""
        mine: Future[B] = Future()
        self._waiting.append((asked, mine))
        with self._lock:
            while not mine.done():
                self._next([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])
        return mine.result()

    def _next(self, batch: list[tuple[A, "Future[B]"]]) -> None:
        try:
            for (_, future), given in zip(batch, self._serve([asked for asked, _ in batch]), strict=True):
                future.set_result(given)
        except Exception as error:  # noqa: BLE001 (raised where the result is taken)
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for each in batch:  # only the one at fault shall hear of it
                self._next([each])
        except BaseException:  # Ctrl-C is for this thread alone
            self._waiting.extendleft(reversed(batch))
            raise
