"""route_config.json on disk: read again when it changes, written whole or not at all."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_router.config.entries import Entry, editable
from omni_router.config.example_files import unchanged
from omni_router.config.own_providers import OwnProvider
from omni_router.config.parameters import NO_PARAMETERS, RouteParameters
from omni_router.config.policy_text import format_entries, parse_entries
from omni_router.config.routes import DEFAULT_POLICY, Document, PolicyReader, Route
from omni_router.errors import PolicyFileError
from omni_router.storage.files import Signature, WriteLock, signature, write_whole

logger = logging.getLogger("omni_router")

MOST_EDITS = 10  # edits of the file between reading and writing it, before the write is given up


@dataclass(frozen=True)
class _Version:
    """A valid version of the file."""

    signature: Signature | None
    content: bytes
    entries: Sequence[Entry]
    document: Document


class RouteFile:
    """The policy of one machine, and the place its history is written to.

    Without a file at `path` the packaged default is read, and copied there by the first `update`.
    """

    def __init__(self, path: Path, limits: RouteParameters = NO_PARAMETERS) -> None:
        """Read the file when it is first needed; `limits` hold for every route, beside those in the file."""
        self.path = path
        self._lock = threading.Lock()
        self._writing = WriteLock()
        self._reader = PolicyReader(limits)
        self._good: _Version | None = None  # the last valid one
        self._broken: Signature | None = None  # the file already warned about

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        return self.document().routes

    def out_of_scope_examples(self) -> tuple[str, ...]:
        """Return the examples of `other`: requests that no route serves."""
        return self.document().out_of_scope_examples

    def providers(self) -> tuple[OwnProvider, ...]:
        """Return the providers that the policy declares."""
        return self.document().providers

    def document(self) -> Document:
        """Read the file if it or a file of examples changed; if it broke meanwhile, warn and return the last good one.

        Raises:
            PolicyFileError: the file is unusable, and there is no good version to fall back on.
        """
        with self._lock:
            version = signature(self.path)
            if self._good and (self._good.signature == version or (version is not None and self._broken == version)):
                if not unchanged(self._good.document.files):
                    self._keep(self._good.signature, self._good.content, self._good.entries)
                return self._good.document
            try:
                content, entries = self._read()
            except PolicyFileError as error:
                if self._good is None:
                    raise
                self._broken = version
                logger.warning("%s; still using the last valid policy", error)
                return self._good.document
            return self._keep(version, content, entries)

    def is_broken(self) -> bool:
        """Return whether the file on disk is the one already found unusable."""
        return self._broken is not None and self._broken == signature(self.path)

    def update(self, change: Callable[[list[dict[str, Any]]], bool], *, wait: bool = True) -> None:
        """Read the file, let `change` edit the entries in place, and write them; one process at a time.

        An edit that somebody makes meanwhile is not lost: `change` is called again, with what they wrote.

        Args:
            change: edits the entries and their arrays, in which it replaces objects rather than changing them; it
                returns whether to write the entries.
            wait: whether to wait for another process that is writing, a moment at most.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        target = self.path.resolve()  # a link is written through, not replaced
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._writing.held(target.with_name(f".{target.name}.lock"), of=target, wait=wait):
            for _ in range(MOST_EDITS):
                version = signature(self.path)  # taken before the file is read, so that an edit in between shows
                if version is None and self._good and self._good.signature and not self.path.exists():
                    # An editor may put it back.
                    raise PolicyFileError(self.path, "the file was removed while in use; it is not written again")
                with self._lock:
                    _, entries = self._read()
                    raws = editable([entry.raw for entry in entries])
                if not change(raws):
                    return
                with self._lock:
                    entries = self._reader.parse(raws)
                content = _as_text(entries).encode("utf-8")
                if write_whole(target, content, instead_of=version):
                    with self._lock:  # the file that was just written need not be read
                        self._keep(signature(self.path), content, entries)
                    return
        raise PolicyFileError(self.path, "other programs change the file faster than it can be written")

    def _keep(self, version: Signature | None, content: bytes, entries: Sequence[Entry]) -> Document:
        """Keep a valid version; log what is wrong with it, unless it was logged before; the lock is held."""
        document = self._reader.document(entries, self.path)
        logged = self._good.document.warnings if self._good else ()
        for warning in document.warnings:
            if warning not in logged:
                logger.warning("%s: %s", self.path, warning)
        self._good = _Version(version, content, entries, document)
        return document

    def _read(self) -> tuple[bytes, Sequence[Entry]]:
        """Read the file; the same content as that of the last valid version is not parsed again; the lock is held."""
        path = self.path
        try:
            if not path.exists():
                path = DEFAULT_POLICY
            content = path.read_bytes()
            if self._good and content == self._good.content:
                return content, self._good.entries
            return content, self._reader.parse(parse_entries(content.decode("utf-8-sig"), path))
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyFileError(path, f"cannot be read: {error}") from error


def _as_text(entries: Sequence[Entry]) -> str:
    return format_entries([entry.text for entry in entries])
