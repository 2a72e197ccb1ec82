"""Which models are left alone for the moment, in a small file beside the history; nobody edits it by hand."""

import json
import logging
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from omni_router.errors import KINDS
from omni_router.files import LOCK_TIMEOUT, Signature, signature, write_whole
from omni_router.history.cooldown import Waits, cooled, without_forgotten
from omni_router.history.protocol import Cooling, Use

logger = logging.getLogger("omni_router")


class CoolingFile:
    """Waits by model, shared by the processes of a machine; what cannot be written holds in this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waits: dict[str, list[Cooling]] = {}
        self._read: Signature | None = None  # the version of the file that `_waits` came from
        self._lock = threading.Lock()

    def waits(self) -> Waits:
        """Give the waits of each model."""
        with self._lock:
            self._refresh()
            return self._waits

    def note(self, use: Use) -> None:
        """Let a use lengthen, or end, the waits of its model."""
        with self._lock:
            self._refresh()
            ends = use.outcome is None and use.called and use.model in self._waits
            if not ends and (use.outcome is None or KINDS[use.outcome].cooldown is None):
                return
            from filelock import FileLock

            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=LOCK_TIMEOUT):
                    self._refresh()
                    self._change(use)
                    write_whole(self.path, json.dumps(self._waits, indent=1) + "\n")
                self._read = signature(self.path)
            except OSError as error:
                self._change(use)
                logger.warning("%s cannot be written (%s): other processes may call %s", self.path, error, use.model)

    def _change(self, use: Use) -> None:
        waits = {**self._waits, use.model: cooled(self._waits.get(use.model, ()), use)}
        self._waits = without_forgotten(waits, datetime.now(timezone.utc))

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
    return {
        str(model): [
            Cooling(kind=str(wait["kind"]), until=str(wait["until"]), times=int(wait["times"]))
            for wait in (waits if isinstance(waits, list) else [])
            if isinstance(wait, dict) and wait.keys() >= {"kind", "until", "times"} and isinstance(wait["times"], int)
        ]
        for model, waits in (found.items() if isinstance(found, dict) else ())
    }
