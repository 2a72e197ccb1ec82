"""The newest decisions of a process in memory, so that they can be explained and rated without a log on disk."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from omni_router.decisions.log import DecisionLog, DecisionSink, with_id

MAX_ENTRIES = 500  # some kilobytes each


class RecentDecisions:
    """A sink that keeps the newest entries, and passes all of them on to another sink.

    Args:
        sink: the other sink, if there is one; it says whether entries hold text.
        with_text: whether they do where there is no other sink.
    """

    def __init__(self, sink: DecisionSink | None = None, *, with_text: bool = False) -> None:
        self.with_text = with_text if sink is None else sink.with_text
        self._sink = sink
        self._entries: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, entry: dict[str, Any]) -> None:
        """Keep an entry, and pass it on."""
        with self._lock:
            self._entries[entry["id"]] = entry
            self._entries.move_to_end(entry["id"])
            while len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
        if self._sink is not None:
            self._sink.write(entry)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries that are in memory, oldest first."""
        with self._lock:
            kept = list(self._entries.values())
        yield from kept

    def with_id(self, start: str) -> list[dict[str, Any]]:
        """Return the entries whose id begins with `start`, or the newest one; older ones come from the log.

        Raises:
            ConfigurationError: the log cannot be read.
        """
        found = with_id(self.entries(), start)
        if not found and isinstance(self._sink, DecisionLog) and self._sink.path.exists():
            return with_id(self._sink.entries(), start)
        return found

    def doubts_about(self, decision: str) -> Iterator[dict[str, Any]]:
        """Yield the entries in memory of later turns that doubt the answer of a decision."""
        for entry in self.entries():
            if (entry.get("doubt") or {}).get("decision") == decision:
                yield entry
