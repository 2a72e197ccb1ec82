"""Files that are written whole or not at all, by one process at a time."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_PATIENCE = 1.0  # seconds: a write takes milliseconds, so a process that holds the lock longer is stuck
LOCK_AGAIN = 60.0  # seconds in which nobody waits for such a lock; it is taken if it is free
LOCK_POLL = 0.005  # seconds between two tries: busy writers leave a lock free for moments only
LOCK_LOOKS = 10  # how often within the patience the file is checked: if it changes, its writers are busy, not stuck
LOCK_MOST = 30  # times the patience, at most, to wait for busy writers
READABLE = 0o644
NEVER = float("-inf")

Signature = tuple[int, int, int]


def signature(path: Path) -> Signature | None:
    """Return what identifies a version of a file without reading it; None when it is missing or out of reach."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def write_whole(target: Path, content: str | bytes, *, instead_of: Signature | Literal["any"] | None = "any") -> bool:
    """Replace `target` in one step: readers and crashes see either the old file or the new one, never a part.

    The caller holds the lock of the file. Editors do not know the lock: a file that is no longer the version
    `instead_of`, which the content was made from, is left as it is.

    Returns:
        Whether it was written.

    Raises:
        OSError: it cannot be written.
    """
    draft = target.with_name(f".{target.name}.tmp")  # one name: we hold the lock, and overwrite what a crash left
    try:
        _write(draft, content, like=target)
        if instead_of not in ("any", signature(target)):
            draft.unlink()
            return False
        draft.replace(target)
    except OSError:
        draft.unlink(missing_ok=True)  # half a draft would keep a full disk full
        raise
    if os.name == "posix":  # the rename itself lives in the folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def _write(draft: Path, content: str | bytes, *, like: Path) -> None:
    if isinstance(content, str):
        content = content.encode("utf-8")
    with draft.open("wb") as file:
        if like.exists():  # set while it is still empty: the file may be private
            draft.chmod(like.stat().st_mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class WriteLock:
    """Lets one process at a time write a file, without letting a stuck process hold up the others.

    After waiting for a lock in vain, for a while it is only tried: taken if it is free, and not waited for.
    """

    def __init__(self, *, mode: int = READABLE) -> None:
        self._mode = mode
        self._waits_again_at = NEVER

    @contextmanager
    def held(self, path: Path, *, of: Path, wait: bool = True) -> Iterator[None]:
        """Hold the lock file `path`, which the writers of the file `of` hold one at a time.

        Raises:
            TimeoutError: another process holds it. Like every other fault of the lock file, this is an OSError.
        """
        from filelock import FileLock

        patience = LOCK_PATIENCE if wait and time.monotonic() >= self._waits_again_at else 0.0
        lock = FileLock(path, mode=self._mode, poll_interval=LOCK_POLL)
        try:
            _acquire(lock, of, patience)
        except TimeoutError:
            if patience:
                self._waits_again_at = time.monotonic() + LOCK_AGAIN
            raise
        try:
            self._waits_again_at = NEVER
            yield
        finally:
            lock.release()


def _acquire(lock: "BaseFileLock", of: Path, patience: float) -> None:
    """Wait for a lock while others write the file, and for `patience` seconds when they do not.

    Raises:
        TimeoutError: the process that holds it is stuck.
    """
    version, started = signature(of), time.monotonic()
    end, latest = started + patience, started + LOCK_MOST * patience
    while not _try(lock, patience / LOCK_LOOKS):
        before, version, now = version, signature(of), time.monotonic()
        if version != before and now < latest:
            end = now + patience
        elif now >= end:
            raise TimeoutError(f"another process holds the lock {lock.lock_file}")


def _try(lock: "BaseFileLock", patience: float) -> bool:
    try:
        lock.acquire(timeout=patience)
    except TimeoutError:
        return False
    return True


class Pause:
    """How long a file that could not be written is left alone: longer each time, until it changes.

    The first failure costs no pause: it may have been a momentary one.
    """

    FIRST, MOST = 1.0, 60.0  # seconds

    def __init__(self) -> None:
        self._failures = 0
        self._until = NEVER
        self._version: Signature | None = None

    def over(self, version: Signature | None) -> bool:
        """Return whether to try again, with this version of the file."""
        return version != self._version or time.monotonic() >= self._until

    def lengthen(self, version: Signature | None) -> None:
        """Record one more failure, with this version of the file."""
        if self._failures:
            self._until = time.monotonic() + min(self.FIRST * 2.0 ** (self._failures - 1), self.MOST)
        self._version = version
        self._failures = min(self._failures + 1, 10)

    def end(self) -> None:
        """Record a success."""
        self._failures, self._until = 0, NEVER
