"""The evidence in the memory of a process: what requests are shown, and when there is work for the background."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from omni_router.hub.evidence.parts import EvidenceStore
from omni_router.hub.evidence.snapshot import NOTHING, EvidenceSnapshot
from omni_router.simulation import Simulation

logger = logging.getLogger("omni_router")

HOUR = 3600.0
REFRESH = (12 * HOUR, 24 * HOUR)  # each process draws when within these, so that not all come at once


class Memory:
    """What is known of the real Hub, or of a simulation."""

    def __init__(
        self, scope: Simulation | None, store: EvidenceStore, prepare: Callable[[EvidenceSnapshot], None]
    ) -> None:
        self.scope, self.store, self._prepare = scope, store, prepare
        self.is_read = threading.Event()  # what is on disk; all that a simulation publishes
        self.idle = threading.Event()
        self.idle.set()
        self._due: float | None = None  # when there is work again; None: now
        self._snapshot = NOTHING
        self._stale = (NOTHING, NOTHING)  # a snapshot, and the same marked as stale

    def is_due(self, now: float) -> bool:
        """Return whether there is work, and nobody at it."""
        if not self.idle.is_set():
            return False
        return self._due is None or not 0 < self._due - now <= REFRESH[1]  # a clock may be set back

    def end(self, due: float | None) -> None:
        """Note that the work is done, and when there is more; None: at once."""
        self._due = due
        self.is_read.set()
        self.idle.set()

    def publish(self) -> None:
        """Show what the store holds, once what requests need of it has been worked out."""
        snapshot = self.store.snapshot()
        if snapshot == self._snapshot:
            return
        try:
            self._prepare(snapshot)
        except Exception:
            logger.exception("new evidence could not be prepared; the next requests do it")
        self._snapshot = snapshot

    def snapshot_at(self, now: float) -> EvidenceSnapshot:
        """Return what is shown; the same object until something changes."""
        snapshot = self._snapshot
        if snapshot.at is None or 0 <= now - snapshot.at <= REFRESH[1]:
            return snapshot
        fresh, stale = self._stale
        if fresh is not snapshot:
            stale = replace(snapshot, stale=True)
            self._stale = (snapshot, stale)
        return stale
