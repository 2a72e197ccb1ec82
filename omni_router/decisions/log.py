"""Where decisions are written: the protocol of a sink, and the decision log.

The log holds one JSON object a line and turn, in files that do not grow for ever.
"""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from omni_router.errors import ConfigurationError
from omni_router.storage.files import WriteLock

logger = logging.getLogger("omni_router")

MAX_BYTES = 10 * 2**20  # bytes in a file, some thousand turns
OLD_FILES = 5
MOST_WAITING = 100  # lines that wait while the file cannot be written
TAIL = 2**18  # bytes at the end of the file where an entry is looked for before it is written
OWNER_ONLY = 0o600
NAMED = 5  # ids in a message, the newest
# Enough to tell a decision from whatever else a line may hold.
SHAPE: dict[str, type] = {
    **dict.fromkeys(("id", "time"), str),
    **dict.fromkeys(("asked", "picture", "candidates", "tasks"), dict),
    **dict.fromkeys(("passed_over", "attempts"), list),
}


class DecisionSink(Protocol):
    """Takes the entry of every decided turn, when the turn has ended."""

    @property
    def with_text(self) -> bool:
        """Whether entries hold the text of requests and replies; without it, a hash and names alone."""
        ...

    def write(self, entry: dict[str, Any]) -> None:
        """Keep an entry, whose keys `decisions.entry.make_entry` sets: plain values that JSON can hold, never a token.

        It runs on a thread, before the run ends, so it should neither wait long nor raise. A run that was killed and
        is resumed may bring an entry again, with the same `id`.
        """
        ...


class DecisionLog:
    """A sink that appends entries to a file for its owner alone; many threads and processes may."""

    def __init__(self, path: Path, *, with_text: bool = False) -> None:
        self.path, self.with_text = path, with_text
        self._warned = False
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)  # lines that could not be written yet
        self._threads = threading.Lock()
        self._writing = WriteLock(mode=OWNER_ONLY)

    def write(self, entry: dict[str, Any]) -> None:
        """Append an entry; if that cannot be done, warn once, and go on.

        Entries that have to wait are written with the next one. One that the log just took, from a run that was killed
        and is resumed, is not written again.
        """
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"  # ASCII can hold half a surrogate pair
        with self._threads:
            self._waiting.append(line)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self._writing.held(self.path.with_name(f".{self.path.name}.lock"), of=self.path):
                    while self._waiting:
                        self._append(self._waiting[0])
                        self._waiting.popleft()
            except OSError as error:
                if not self._warned:
                    self._warned = True
                    logger.warning("decisions are not logged: %s", error)

    def _append(self, line: bytes) -> None:
        if self.path.exists():  # it may have come with another mode, and keeps it when moved aside
            _make_private(self.path)
            if _holds(self.path, line):
                return
        self._rotate(len(line))
        _append(self.path, line)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield all entries, oldest first; a line that a crash cut off is skipped.

        Raises:
            ConfigurationError: there is no such file, or it cannot be read.
        """
        files = map(self._old, range(OLD_FILES, 0, -1))
        try:
            for path in [*filter(Path.exists, files), self.path]:
                with path.open("rb") as file:
                    yield from filter(None, map(_read, file))
        except OSError as error:
            raise ConfigurationError(f"the decision log {error.filename} cannot be read: {error.strerror}") from error

    def find(self, start: str) -> dict[str, Any]:
        """Return the newest entry, or the one whose id begins with `start`.

        Raises:
            ConfigurationError: there is no such entry, or more than one.
        """
        entries = list(self.entries())
        if not entries:
            raise ConfigurationError(f"{self.path} holds no decisions")
        found = with_id(entries, start)
        if len(found) > 1:
            raise ConfigurationError(f"several ids in {self.path} start with {start!r}: {_some(found)}")
        if not found:
            raise ConfigurationError(f"no id in {self.path} starts with {start!r}; it has {_some(entries)}")
        return found[0]

    def with_id(self, start: str) -> list[dict[str, Any]]:
        """Return the entries whose id begins with `start`; for an empty one the newest entry alone.

        Raises:
            ConfigurationError: there is no such file, or it cannot be read.
        """
        return with_id(self.entries(), start)

    def doubts_about(self, decision: str) -> Iterator[dict[str, Any]]:
        """Yield the entries of later turns that doubt the answer of a decision.

        Raises:
            ConfigurationError: there is no such file, or it cannot be read.
        """
        for entry in self.entries():
            doubt = entry.get("doubt")
            if isinstance(doubt, dict) and doubt.get("decision") == decision:
                yield entry

    def _rotate(self, coming: int) -> None:
        if not self.path.exists() or self.path.stat().st_size + coming <= MAX_BYTES:
            return
        for number in range(OLD_FILES - 1, 0, -1):
            if self._old(number).exists():
                self._old(number).replace(self._old(number + 1))
        self.path.replace(self._old(1))

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _make_private(path: Path) -> None:
    if not path.is_file():  # making /dev/null private would break the machine
        raise OSError(f"{path} is not a regular file")
    path.chmod(OWNER_ONLY)


def _holds(path: Path, line: bytes) -> bool:
    """Return whether the end of a log has the entry of a line, written at another time."""
    entry = json.loads(line)
    with path.open("rb") as file:
        file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        lines = file.read().splitlines()
    entry_id = str(entry["id"]).encode()
    for written in lines:
        if entry_id in written and {**(_parsed(written) or {}), "time": None} == {**entry, "time": None}:
            return True
    return False


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, OWNER_ONLY)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a crash cut the last line off
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
    finally:
        os.close(descriptor)


def _read(line: bytes) -> dict[str, Any] | None:
    entry = _parsed(line)
    if entry is None:
        return None
    for key, kind in SHAPE.items():
        if not isinstance(entry.get(key), kind):
            return None
    return entry


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    return entry


def with_id(entries: Iterable[dict[str, Any]], start: str) -> list[dict[str, Any]]:
    """Return the entries whose id begins with `start`, each id once; for an empty one the newest entry alone."""
    found = {entry["id"]: entry for entry in entries if entry["id"].startswith(start)}
    if not start:
        return list(found.values())[-1:]
    return list(found.values())


def _some(entries: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(entry["id"] for entry in entries))
    if len(names) > NAMED:
        names = ["...", *names[-NAMED:]]
    return ", ".join(names)
