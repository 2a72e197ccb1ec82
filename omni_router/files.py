"""Files that are written whole or not at all."""

import os
from pathlib import Path

LOCK_TIMEOUT = 10.0  # seconds: a write takes milliseconds, so whoever holds the lock longer is stuck


def write_whole(target: Path, text: str) -> None:
    """Replace `target` in one step: a reader, or a crash, meets the old file or the new one, never a part.

    Whoever calls this holds the lock of the file.

    Raises:
        OSError: it cannot be written.
    """
    draft = target.with_name(f".{target.name}.tmp")  # one name: we hold the lock, and what a crash left is written over
    with draft.open("w", encoding="utf-8") as file:
        if target.exists():  # before anything is in it: the file may not be for everyone's eyes
            draft.chmod(target.stat().st_mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    if os.name == "posix":  # the rename itself lives in the folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


Signature = tuple[int, int, int]


def signature(path: Path) -> Signature | None:
    """Tell one version of a file from another without reading it; None when there is none, or it is out of reach."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
