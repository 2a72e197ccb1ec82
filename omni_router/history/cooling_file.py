"""Which models are left alone for the moment, in a small file beside the history; nobody edits it by hand."""

import json
import logging
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from omni_router.errors import KINDS
from omni_router.history.cooldowns import Cooldowns, next_cooldowns, without_forgotten
from omni_router.history.protocol import Cooling, UsageRecord
from omni_router.storage.files import Signature, WriteLock, signature, write_whole

logger = logging.getLogger("omni_router")


class CoolingFile:
    """Cooldowns by model, shared by the processes of a machine; what cannot be written holds in this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waits: dict[str, list[Cooling]] = {}
        self._read: Signature | None = None  # the version of the file that `_waits` came from
        self._unwritten: dict[str, list[Cooling]] = {}  # by model: what holds here instead
        self._warned = False  # since it was last written
        self._lock = threading.Lock()
        self._writing = WriteLock()

    def waits(self) -> Cooldowns:
        """Give the waits of each model, as last read while another thread is writing: a read waits for nobody."""
        if self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return {**self._waits, **self._unwritten}

    def note(self, use: UsageRecord) -> None:
        """Let a use lengthen, or end, the waits of its model."""
        with self._lock:
            self._refresh()
            ends = use.outcome is None and use.called and self._of(use.model)
            if not ends and (use.outcome is None or KINDS[use.outcome].cooldown is None):
                return
            try:
                self._write(use)
            except OSError as error:
                self._keep(use)
                if not self._warned:
                    logger.warning("%s cannot be written: %s; other processes may call what fails", self.path, error)
                self._warned = True

    def _of(self, model: str) -> list[Cooling]:
        return self._unwritten.get(model, self._waits.get(model, []))

    def _write(self, use: UsageRecord) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing.held(self.path.with_name(f"{self.path.name}.lock"), of=self.path):
            self._refresh()
            waits = {**self._waits, **self._unwritten, use.model: next_cooldowns(self._of(use.model), use)}
            waits = without_forgotten(waits, datetime.now(timezone.utc))
            write_whole(self.path, json.dumps(waits, indent=1) + "\n")
            self._waits, self._unwritten, self._read = waits, {}, signature(self.path)
            self._warned = False

    def _keep(self, use: UsageRecord) -> None:
        """Let a use hold here, whatever the file says of its model."""
        ended = {model: waits for model, waits in self._unwritten.items() if not waits}
        lasting = without_forgotten(self._unwritten, datetime.now(timezone.utc))
        self._unwritten = {**ended, **lasting, use.model: next_cooldowns(self._of(use.model), use)}

    def _refresh(self) -> None:
        found = signature(self.path)
        if found == self._read:
            return
        if found is None:  # somebody deleted it
            self._waits, self._read = {}, None
            return
        try:
            self._waits = _checked(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            logger.warning("%s cannot be read; it is written anew after the next failure", self.path)
        self._read = found


def _checked(found: Any) -> dict[str, list[Cooling]]:
    """Take what has the right shape."""
    models = found.items() if isinstance(found, dict) else ()
    return {str(model): _waits(waits) for model, waits in models}


def _waits(found: Any) -> list[Cooling]:
    whole = [wait for wait in found if isinstance(wait, dict)] if isinstance(found, list) else []
    return [_cooling(wait) for wait in whole if {"kind", "until"} <= wait.keys() and isinstance(wait.get("times"), int)]


def _cooling(wait: dict[str, Any]) -> Cooling:
    cooling = Cooling(kind=str(wait["kind"]), until=str(wait["until"]), times=wait["times"])
    if isinstance(wait.get("decision"), str):
        cooling["decision"] = wait["decision"]
    return cooling
