"""route_config.json on disk: read again when it changes, written whole or not at all."""

import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from omni_router.config.routes import DEFAULT_POLICY, Document, Route, parse_entries, read_entries
from omni_router.errors import PolicyFileError
from omni_router.storage.files import Signature, WriteLock, signature, write_whole

logger = logging.getLogger("omni_router")

MOST_EDITS = 10  # edits of the file between reading and writing it, before the write is given up


class RouteFile:
    """The policy of one machine, and the place its history is written to.

    Without a file at `path` the packaged default is read, and copied there by the first `update`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._writing = WriteLock()
        self._good: tuple[Signature | None, Document] | None = None  # the last valid one, and the file it was read from
        self._broken: Signature | None = None  # the file already warned about

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        return self.document().routes

    def out_of_scope_examples(self) -> tuple[str, ...]:
        """Return the examples of `other`: requests that no route serves."""
        return self.document().out_of_scope_examples

    def document(self) -> Document:
        """Read the file if it changed; if it broke while the process runs, warn and return the last good version.

        Raises:
            PolicyFileError: the file is unusable, and there is no good version to fall back on.
        """
        with self._lock:
            version = signature(self.path)
            if self._good and self._good[0] == version:
                return self._good[1]
            if self._good and version is not None and self._broken == version:
                return self._good[1]
            try:
                entries = self._read()
            except PolicyFileError as error:
                if self._good is None:
                    raise
                self._broken = version
                logger.warning("%s; still using the last valid policy", error)
                return self._good[1]
            return self._keep(version, entries)

    def is_broken(self) -> bool:
        """Return whether the file on disk is the one already found unusable."""
        return self._broken is not None and self._broken == signature(self.path)

    def update(self, change: Callable[[list[dict[str, Any]]], bool], *, wait: bool = True) -> None:
        """Read the file, let `change` edit the entries in place, and write them; one process at a time.

        An edit that somebody makes meanwhile is not lost: `change` is called again, with what they wrote.

        Args:
            change: edits the entries, and returns whether to write them.
            wait: whether to wait for another process that is writing, a moment at most.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        target = self.path.resolve()  # a link is written through, not replaced
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._writing.held(target.with_name(f".{target.name}.lock"), of=target, wait=wait):
            for _ in range(MOST_EDITS):
                if self._good and self._good[0] is not None and not self.path.exists():  # an editor may put it back
                    raise PolicyFileError(self.path, "the file was removed while in use; it is not written again")
                version = signature(self.path)  # taken before the file is read, so that an edit in between shows
                entries = self._read()
                if not change(entries):
                    return
                if write_whole(target, _as_text(entries), instead_of=version):
                    with self._lock:
                        self._keep(signature(self.path), entries)  # the file that was just written need not be read
                    return
        raise PolicyFileError(self.path, "other programs change the file faster than it can be written")

    def _keep(self, version: Signature | None, entries: list[dict[str, Any]]) -> Document:
        """Keep entries as the last good version; log what is wrong with them, unless it was logged before."""
        document = read_entries(entries)
        logged = self._good[1].warnings if self._good else ()
        for warning in document.warnings:
            if warning not in logged:
                logger.warning("%s: %s", self.path, warning)
        self._good = (version, document)
        return document

    def _read(self) -> list[dict[str, Any]]:
        path = self.path
        try:
            if not path.exists():
                path = DEFAULT_POLICY
            return parse_entries(path.read_text(encoding="utf-8-sig"), path)
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyFileError(path, f"cannot be read: {error}") from error


def _as_text(entries: list[dict[str, Any]]) -> str:
    """Format entries to be read; orjson takes a tenth of the time, but cannot write everything that a file may hold."""
    import orjson

    with suppress(TypeError, ValueError):  # half of a surrogate pair, a number of more than 64 bits, a NaN
        json.dumps(entries, allow_nan=False)  # orjson would write a NaN as null
        return orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    return json.dumps(entries, indent=2) + "\n"
