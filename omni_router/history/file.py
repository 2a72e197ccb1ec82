"""History in route_config.json: for one machine, readable and editable by hand."""

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omni_router.config.records import ModelRecord, as_entries, read_records
from omni_router.config.route_file import RouteFile
from omni_router.errors import PolicyFileError
from omni_router.history.backlog import Backlog, PendingUsage
from omni_router.history.cooldowns import CooldownFile, Cooldowns
from omni_router.history.protocol import Feedback, UsageRecord
from omni_router.history.usage import apply_feedback, import_record, learn
from omni_router.model_id import is_sandbox_model
from omni_router.simulation import is_simulated
from omni_router.storage.files import Pause, signature
from omni_router.tasks import OTHER

logger = logging.getLogger("omni_router")


class FileHistory:
    """The models of each route, beside the policy in one file.

    Uses that arrive while the file is being written are written together by whoever is next, so that runs that end at
    the same time wait for one write only. Uses that cannot be written (the file is broken, the disk is full, a stuck
    process holds the lock) are added up in memory, and written with the next one, on a read, or when the process ends,
    with growing pauses in between. A read never waits.
    """

    def __init__(self, file: RouteFile) -> None:
        self._file = file
        self._cooldowns = CooldownFile(file.path.with_name(f".{file.path.name}.cooling"))
        self._pending: list[PendingUsage] = []
        self._backlog = Backlog()
        self._pause = Pause()
        self._warned = ""  # the last failure: every try would report the same
        self._lock = threading.RLock()
        atexit.register(_flush, weakref.ref(self))

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Return the models of a route, in the order of the file."""
        if self._backlog and not self._file.is_broken() and self._lock.acquire(blocking=False):
            try:
                self._write(wait=False)
            finally:
                self._lock.release()
        return self._file.document().models.get(route.casefold(), ())

    def cooling(self) -> Cooldowns:
        """Return the models that failed recently, on any route, each with its cooldowns."""
        return self._cooldowns.read()

    def examples(self, route: str) -> Sequence[str]:
        """Return the requests that feedback has made examples of a route."""
        return self._file.document().learned.get(route.casefold(), ())

    def record(self, use: UsageRecord) -> str | None:
        """Store a use, and return the file; None when there was nothing to store or it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not is_simulated():
            return None
        if not use.by_caller:
            self._cooldowns.record(use)
        pending = PendingUsage(use)
        self._pending.append(pending)  # appended before the lock is taken: its next holder writes this too
        with self._lock:
            self._write()
        return str(self._file.path) if pending.stored else None

    def flush(self) -> None:
        """Write the pending uses, whatever prevented it before."""
        self._pause.end()
        with self._lock:
            self._write()

    def _write(self, *, wait: bool = True) -> None:
        """Write the pending uses, unless that failed a moment ago; the lock is held."""
        pending = list(self._pending)
        if not pending and not self._backlog:
            return
        try:
            if self._pause.over(signature(self._file.path)):
                self._write_now(pending, wait=wait)
            else:
                self._backlog.extend(pending)
        except (PolicyFileError, OSError) as error:
            if not isinstance(error, TimeoutError):  # a lock that is held costs nothing to try again
                self._pause.lengthen(signature(self._file.path))
            self._backlog.extend(pending)
            self._warn(str(error))
        del self._pending[: len(pending)]  # they came first, and others only append

    def _write_now(self, pending: Sequence[PendingUsage], *, wait: bool) -> None:
        stored: list[PendingUsage] = []

        def change(entries: list[dict[str, Any]]) -> bool:
            by_name = _by_name(entries)
            changed = False
            for total in self._backlog:
                changed |= self._apply(by_name, total.route, total.apply_to)
            # It is called again when the file was edited meanwhile.
            stored[:] = [each for each in pending if self._apply(by_name, each.use.route, each.apply_to)]
            return changed or bool(stored)

        self._file.update(change, wait=wait)
        self._pause.end()
        self._backlog, self._warned = Backlog(), ""
        for each in stored:
            each.stored = True

    def _apply(self, by_name: dict[str, dict[str, Any]], route: str, apply_to: Callable[[list[Any]], bool]) -> bool:
        """Apply a change to the models of a route; return whether anything changed."""
        entry = by_name.get(route.casefold())
        if entry is None:
            logger.warning("route %r is no longer in %s: the use is not recorded", route, self._file.path)
            return False
        models = self._list(entry, "models")
        return models is not None and apply_to(models)

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store feedback, and return the file; None when its model and route are not known here.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        changed = False

        def change(entries: list[dict[str, Any]]) -> bool:
            nonlocal changed
            changed = self._apply_feedback(entries, feedback)
            return changed

        self._file.update(change)
        return str(self._file.path) if changed else None

    def _apply_feedback(self, entries: list[dict[str, Any]], feedback: Feedback) -> bool:
        changed = False
        example, route = feedback.text, feedback.example_of
        if example and example.strip() and route:
            _ensure_other(entries, route)
        for name, entry in _by_name(entries).items():
            if feedback.model and name == feedback.route.casefold():
                models = self._list(entry, "models")
                changed |= models is not None and apply_feedback(models, feedback)
            if example and route and name == route.casefold():
                changed |= self._learn(entry, example)
            elif example and route:
                changed |= _unlearn(entry, example)
        return changed

    def export(self) -> list[dict[str, Any]]:
        """Return everything as entries of a route_config.json."""
        document = self._file.document()
        entries: list[dict[str, Any]] = []
        for entry in document.entries:
            name = entry["name"].strip().casefold()
            models = as_entries(document.models[name])
            learned = list(document.learned.get(name, ()))
            if models or learned:
                entries.append({"name": entry["name"], "models": models, "learned": learned})
        return entries

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Add what `export` returned, and keep the higher of two counts. Routes that the policy lacks are skipped.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        changes = 0

        def change(own: list[dict[str, Any]]) -> bool:
            nonlocal changes
            changes = 0  # it is called again when the file was edited meanwhile
            for entry in entries:
                if entry.get("learned"):
                    _ensure_other(own, str(entry["name"]).strip())
            by_name = _by_name(own)
            for entry in entries:
                changes += self._import_entry(by_name, entry)
            return changes > 0

        self._file.update(change)
        return changes

    def _import_entry(self, by_name: dict[str, dict[str, Any]], entry: Mapping[str, Any]) -> int:
        """Add an entry to that of the same route; return how many models and examples changed."""
        own = by_name.get(str(entry["name"]).strip().casefold())
        if own is None:
            logger.warning("route %r is not in %s: its history is skipped", entry["name"], self._file.path)
            return 0
        changes = 0
        records = read_records(entry.get("models", []))
        models = self._list(own, "models") if records else None
        if models is not None:
            for record in records:
                changes += import_record(models, record)
        for text in entry.get("learned", []):
            changes += self._learn(own, text)
        return changes

    def _learn(self, entry: dict[str, Any], text: str) -> bool:
        """Add a text to the examples of a route; return whether anything changed."""
        learned = self._list(entry, "learned")
        return learned is not None and learn(learned, text)

    def _list(self, entry: dict[str, Any], key: str) -> list[Any] | None:
        value = entry.setdefault(key, [])
        if isinstance(value, list):
            return value
        logger.warning("%s: %r of route %r is not an array: not recorded", self._file.path, key, entry["name"])
        return None

    def _warn(self, fault: str) -> None:
        if fault != self._warned:
            self._warned = fault
            logger.warning("%s; %d record(s) wait until it can be written", fault, self._backlog.uses)


def _flush(history: "weakref.ref[FileHistory]") -> None:
    """Write the pending uses when the process ends; a weak reference, since this must not keep a history alive."""
    if alive := history():
        alive.flush()


def _by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"].strip().casefold(): entry for entry in entries}


def _ensure_other(entries: list[dict[str, Any]], name: str) -> None:
    """Add the entry of `other`, which a policy need not have, before it learns its first example."""
    if name.casefold() == OTHER and OTHER not in _by_name(entries):
        entries.append({"name": OTHER, "learned": []})


def _unlearn(entry: dict[str, Any], text: str) -> bool:
    """Remove a text from the examples of a route, since it is one of another; return whether anything changed."""
    learned = entry.get("learned")
    if isinstance(learned, list) and text.strip() in learned:
        learned.remove(text.strip())
        return True
    return False
