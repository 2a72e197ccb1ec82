"""A bulkhead for each model: a model that hangs occupies no more than its part of the threads.

Calls beyond that part wait in the event loop, which costs no thread, as long as calls of the model end. If none has
ended for a while, the model is considered hanging, and the turn goes on to the next one.
"""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from omni_router.errors import SpecialistError

# Seconds without the end of any call. An answer may take a minute; that none of so many ends in half of one is a hang.
PATIENCE = 30.0

_stuck: ContextVar[str | None] = ContextVar("stuck", default=None)  # why the model of this call is not called


@dataclass(eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    woken: "asyncio.Future[None]"
    has_slot: bool = False

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


@dataclass
class _Model:
    in_flight: int = 0
    last_end: float = field(default_factory=time.monotonic)
    waiters: deque[_Waiter] = field(default_factory=deque)  # oldest first


class Bulkheads:
    """Slots for the calls of each model, whatever event loops they come from."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._models: defaultdict[str, _Model] = defaultdict(_Model)

    @asynccontextmanager
    async def slot(self, model: str) -> AsyncIterator[str | None]:
        """Wait for a slot and hold it for the block; if the model seems to hang, yield why there is no slot."""
        if not await self._enter(model):
            yield f"{self.limit} calls to it are under way, and none ended within {PATIENCE:g} s"
            return
        try:
            yield None
        finally:
            self._leave(model)

    def under_way(self, model: str) -> int:
        """Return how many calls of a model hold a slot."""
        with self._lock:
            state = self._models.get(model, _Model())
            return state.in_flight

    def waiting(self, model: str) -> int:
        """Return how many calls of a model wait for a slot."""
        with self._lock:
            state = self._models.get(model, _Model())
            return len(state.waiters)

    async def _enter(self, model: str) -> bool:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        with self._lock:
            state = self._models[model]
            if state.in_flight < self.limit:
                if not state.in_flight:
                    state.last_end = time.monotonic()  # nothing was under way, so nothing could end
                state.in_flight += 1
                return True
            state.waiters.append(waiter)
        try:
            while not waiter.has_slot and (left := state.last_end + PATIENCE - time.monotonic()) > 0:
                await asyncio.wait({waiter.woken}, timeout=left)
        except asyncio.CancelledError:
            if self._withdraw(state, waiter):
                self._leave(model)
            raise
        return self._withdraw(state, waiter)

    def _withdraw(self, state: _Model, waiter: _Waiter) -> bool:
        """Stop waiting; return whether the waiter has got a slot."""
        with self._lock:
            if not waiter.has_slot:
                state.waiters.remove(waiter)
            return waiter.has_slot

    def _leave(self, model: str) -> None:
        """Hand the slot to the call that has waited longest."""
        with self._lock:
            state = self._models[model]
            state.last_end = time.monotonic()
            while state.waiters:
                waiter = state.waiters.popleft()
                if not waiter.loop.is_closed():
                    waiter.has_slot = True
                    waiter.loop.call_soon_threadsafe(waiter.wake)
                    return
            state.in_flight -= 1
            if not state.in_flight:
                del self._models[model]


@contextmanager
def not_called_because(reason: str | None) -> Iterator[None]:
    """Refuse the call in the block, through `check`, if there is a reason."""
    before = _stuck.set(reason)
    try:
        yield
    finally:
        _stuck.reset(before)


def check(model: str) -> None:
    """Refuse to call a model that seems to hang.

    Raises:
        SpecialistError: the model has as many calls under way as it may have, and none ends.
    """
    if reason := _stuck.get():
        raise SpecialistError("overloaded", model=model, cause="too many calls", detail=reason)
