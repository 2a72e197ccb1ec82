"""History in route_config.json: for one machine, readable and editable by hand."""

import atexit
import logging
import threading
from typing import Any

from omni_router import _sandbox
from omni_router.config.route_file import RouteFile
from omni_router.errors import PolicyFileError
from omni_router.history.fold import fold, ranked
from omni_router.history.protocol import ModelRecord, Use
from omni_router.model_id import is_sandbox_model

logger = logging.getLogger("omni_router")


class FileHistory:
    """The models of each route, kept beside the policy in one file.

    A use that cannot be written (the file is broken or read-only) waits in memory and is written with the next one, on
    the next read, or when the process ends.
    """

    def __init__(self, file: RouteFile) -> None:
        self._file = file
        self._waiting: list[Use] = []
        self._warned = ""  # the last warning: every read tries again, and would say the same
        self._lock = threading.RLock()
        atexit.register(self.flush)

    def models(self, route: str) -> list[ModelRecord]:
        """Give the models of a route, newest use first, those that failed last at the end."""
        if self._waiting and not self._file.is_broken():
            self.flush()
        return ranked(self._file.document().models.get(route.casefold(), ()))

    def record(self, use: Use) -> str | None:
        """Store a use; the file it went to, or None when there was nothing to store or it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not _sandbox.active():
            return None
        with self._lock:
            self._waiting.append(use)
            stored = self.flush()  # under the same lock: another thread's flush would keep the news to itself
        return str(self._file.path) if use in stored else None

    def flush(self) -> list[Use]:
        """Write what waits, and give what was stored of it."""
        with self._lock:
            if not self._waiting:
                return []
            stored: list[Use] = []

            def change(entries: list[dict[str, Any]]) -> bool:
                by_name = {entry["name"].strip().casefold(): entry for entry in entries}
                for use in self._waiting:
                    told = (self._file.path, use.route)
                    entry = by_name.get(use.route.casefold())
                    if entry is None:
                        logger.warning("route %r is no longer in %s: its use is dropped", use.route, self._file.path)
                    elif not isinstance(models := entry.setdefault("models", []), list):
                        logger.warning("%s: nothing is recorded for route %r, whose models are no array", *told)
                    elif fold(models, use):
                        stored.append(use)
                return bool(stored)

            try:
                self._file.update(change)
            except (PolicyFileError, OSError) as error:
                self._warn(f"{error}; {len(self._waiting)} record(s) wait until it can be written")
                return []
            self._waiting.clear()
            self._warned = ""
            return stored

    def _warn(self, text: str) -> None:
        if text != self._warned:
            self._warned = text
            logger.warning("%s", text)
