"""The evidence of the Hub: what is in memory at once, and in the background what is on disk or old."""

import atexit
import os
import random
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from omni_router.hub.evidence.memory import REFRESH, Memory
from omni_router.hub.evidence.pacing import BETWEEN
from omni_router.hub.evidence.parts import EvidenceStore
from omni_router.hub.evidence.refresh import AT_WORK, LOOK_AGAIN, Refresh
from omni_router.hub.evidence.snapshot import EvidenceSnapshot
from omni_router.simulation import active_simulation, is_simulated
from omni_router.storage.sqlite import DiskCache

FIRST_WAIT = 0.5  # seconds at most until the first call has what is on disk, which takes some milliseconds


def pause_between(seconds: float) -> None:
    """Wait so many seconds; a simulation has no server that would be spared by that."""
    if not is_simulated() or seconds > BETWEEN:
        time.sleep(seconds)


class HubEvidence:
    """Reads the boards of the Hub and of Arena; a daemon thread does all the work, and only while something is due.

    Args:
        disk: keeps what was fetched for other processes.
        clock: returns the time, in seconds since 1970, since other processes read it.
        pause: waits so many seconds, in the background.
    """

    def __init__(
        self,
        disk: DiskCache | None = None,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = pause_between,
    ) -> None:
        self._disk, self._clock, self._pause = disk, clock, pause
        self._refresh_after = random.uniform(*REFRESH)
        self.prepare: Callable[[EvidenceSnapshot], object] | None = None
        """What is done in the background with a new snapshot before it is returned, so that no request has to do it."""
        self.begin_anew()
        _INSTANCES.add(self)

    def begin_anew(self) -> None:
        """Forget what is in memory, as a forked process has to: it has no thread, and locks that nobody opens."""
        self._lock = threading.Lock()
        self._memory: Memory | None = None

    def current(self) -> EvidenceSnapshot:
        """Return what is in memory: it never raises, and starts the work that is due.

        The first call of a process waits for what is on disk, some milliseconds; none waits for the network.
        """
        memory = self._started()
        if not memory.is_read.is_set():
            memory.is_read.wait(FIRST_WAIT)
            memory.is_read.set()
        return memory.snapshot_at(self._clock())

    def wait(self, seconds: float) -> EvidenceSnapshot:
        """Return what is known once the work that is due has been done, or after `seconds`: for a person who waits."""
        memory = self._started()
        memory.idle.wait(seconds)
        return memory.snapshot_at(self._clock())

    def _started(self) -> Memory:
        simulation = active_simulation()
        with self._lock:
            memory = self._memory
            if memory is None or memory.scope is not simulation:  # a simulation has evidence of its own
                disk = self._disk if simulation is None else None  # and leaves the disk alone
                memory = self._memory = Memory(simulation, EvidenceStore(disk, self._clock), self._prepare)
            if not memory.is_due(self._clock()):
                return memory
            memory.idle.clear()
        work = Refresh(memory, self._clock, self._pause, self._refresh_after)
        try:
            threading.Thread(target=work.run, name="omni-router evidence", daemon=True).start()
        except RuntimeError:  # no more threads
            memory.end(self._clock() + LOOK_AGAIN)
        return memory

    def _prepare(self, snapshot: EvidenceSnapshot) -> None:
        if self.prepare:
            self.prepare(snapshot)


_INSTANCES: "WeakSet[HubEvidence]" = WeakSet()


def _begin_all_anew() -> None:
    AT_WORK.clear()
    for instance in list(_INSTANCES):
        instance.begin_anew()


def _end_all() -> None:
    """Let other processes go on at once with what this one has begun."""
    for memory in list(AT_WORK):
        memory.store.release()


atexit.register(_end_all)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_anew)
