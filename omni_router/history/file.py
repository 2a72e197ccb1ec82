"""History in route_config.json: for one machine, readable and editable by hand."""

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_router.config.route_file import RouteFile
from omni_router.errors import PolicyFileError
from omni_router.history.backlog import Backlog
from omni_router.history.cooldowns import Cooldowns
from omni_router.history.cooling_file import CoolingFile
from omni_router.history.protocol import Feedback, ModelRecord, UsageRecord
from omni_router.history.usage import apply_feedback, apply_usage, as_entry, import_record, learn, read_record
from omni_router.model_id import is_sandbox_model
from omni_router.simulation import is_simulated
from omni_router.storage.files import Pause, signature
from omni_router.tasks import OTHER

logger = logging.getLogger("omni_router")


@dataclass(eq=False)
class _Waiting:
    """A use on its way to the file."""

    use: UsageRecord
    stored: bool = False

    def fold_into(self, models: list[Any]) -> bool:
        """Fold it into the raw `models` list of its route."""
        return apply_usage(models, self.use)


class FileHistory:
    """The models of each route, kept beside the policy in one file.

    Uses that come while the file is written are written together, by whoever is next: runs that end at the same time
    wait for one write and not for each other's. Uses that cannot be written (the file is broken, the disk is full, or a
    process that is stuck holds the lock) are added up in memory. They are written with the next one, on a read, or when
    the process ends; in between there are pauses that grow. A read waits for nobody.
    """

    def __init__(self, file: RouteFile) -> None:
        self._file = file
        self._cooling = CoolingFile(file.path.with_name(f".{file.path.name}.cooling"))
        self._waiting: list[_Waiting] = []
        self._backlog = Backlog()
        self._pause = Pause()
        self._warned = ""  # the last failure: every try would say the same
        self._lock = threading.RLock()
        atexit.register(_flush, weakref.ref(self))

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route, in the order of the file."""
        if self._backlog and not self._file.is_broken() and self._lock.acquire(blocking=False):
            try:
                self._write(wait=False)
            finally:
                self._lock.release()
        return self._file.document().models.get(route.casefold(), ())

    def cooling(self) -> Cooldowns:
        """Give the models that failed lately, on any route, each with its waits."""
        return self._cooling.waits()

    def examples(self, route: str) -> Sequence[str]:
        """Give the requests that verdicts have made examples of a route."""
        return self._file.document().learned.get(route.casefold(), ())

    def record(self, use: UsageRecord) -> str | None:
        """Store a use; the file it went to, or None when there was nothing to store or it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not is_simulated():
            return None
        if not use.by_caller:
            self._cooling.note(use)
        mine = _Waiting(use)
        self._waiting.append(mine)  # before the lock: whoever has it next writes this too
        with self._lock:
            self._write()
        return str(self._file.path) if mine.stored else None

    def flush(self) -> None:
        """Write what waits, whatever it was that hindered it."""
        self._pause.end()
        with self._lock:
            self._write()

    def _write(self, *, wait: bool = True) -> None:
        """Write what waits, unless that failed a moment ago; the lock is held."""
        waiting, stored = list(self._waiting), list[_Waiting]()

        def change(entries: list[dict[str, Any]]) -> bool:
            by_name = _by_name(entries)
            sums = [each for each in self._backlog if self._fold(by_name, each.route, each.add_to)]
            stored[:] = [each for each in waiting if self._fold(by_name, each.use.route, each.fold_into)]
            return bool(sums or stored)

        if not waiting and not self._backlog:
            return
        try:
            if self._pause.over(signature(self._file.path)):
                self._file.update(change, wait=wait)
                self._pause.end()
                self._backlog, self._warned = Backlog(), ""
                for each in stored:
                    each.stored = True
            else:
                self._put_aside(waiting)
        except (PolicyFileError, OSError) as error:
            if not isinstance(error, TimeoutError):  # a lock that is held costs nothing to try again
                self._pause.lengthen(signature(self._file.path))
            self._put_aside(waiting)
            self._warn(str(error))
        del self._waiting[: len(waiting)]  # they came first, and others only append

    def _put_aside(self, waiting: Sequence["_Waiting"]) -> None:
        for each in waiting:
            self._backlog.add(each.use)

    def _fold(self, by_name: dict[str, dict[str, Any]], route: str, fold: Callable[[list[Any]], bool]) -> bool:
        """Fold something into the models of a route; tell whether there was a place for it."""
        entry = by_name.get(route.casefold())
        if entry is None:
            logger.warning("route %r is no longer in %s: its use is dropped", route, self._file.path)
            return False
        models = self._list(entry, "models")
        return models is not None and fold(models)

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store a verdict; the file it went to, or None when its model and route are not known here.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        learns = feedback.correct_route or (feedback.route if feedback.verdict == "good" else None)

        def change(entries: list[dict[str, Any]]) -> bool:
            changed = False
            if feedback.text and feedback.text.strip() and learns:
                _have_other(entries, learns)
            for name, entry in _by_name(entries).items():
                judged = feedback.model and name == feedback.route.casefold()
                models = self._list(entry, "models") if judged else None
                changed |= models is not None and apply_feedback(models, feedback)
                if feedback.text and learns:
                    changed |= self._learn(entry, feedback.text, here=name == learns.casefold())
            return changed

        return str(self._file.path) if self._changed(change) else None

    def export(self) -> list[dict[str, Any]]:
        """Give everything as entries of a route_config.json."""
        document = self._file.document()
        return [
            {"name": entry["name"], "models": models, "learned": learned}
            for entry in document.entries
            for models in [[as_entry(record) for record in document.models[entry["name"].strip().casefold()]]]
            for learned in [list(document.learned.get(entry["name"].strip().casefold(), ()))]
            if models or learned
        ]

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `export` gave: of each count the higher one holds. Routes that the policy lacks are passed over.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        changes = 0

        def change(mine: list[dict[str, Any]]) -> bool:
            nonlocal changes
            changes = 0  # it is called again when the file was edited meanwhile
            for given in entries:
                if given.get("learned"):
                    _have_other(mine, str(given["name"]).strip())
            by_name = _by_name(mine)
            for given in entries:
                entry = by_name.get(str(given["name"]).strip().casefold())
                if entry is None:
                    logger.warning("route %r is not in %s: its history is passed over", given["name"], self._file.path)
                    continue
                records = [record for model in given.get("models", []) if (record := read_record(model))]
                models = self._list(entry, "models") if records else None
                changes += sum(models is not None and import_record(models, record) for record in records)
                changes += sum(self._learn(entry, text, here=True) for text in given.get("learned", []))
            return changes > 0

        self._file.update(change)
        return changes

    def _changed(self, change: Callable[[list[dict[str, Any]]], bool]) -> bool:
        done = False

        def noted(entries: list[dict[str, Any]]) -> bool:
            nonlocal done
            done = change(entries)
            return done

        self._file.update(noted)
        return done

    def _learn(self, entry: dict[str, Any], text: str, *, here: bool) -> bool:
        """Make a text an example of this route, or, when it belongs to another one, no longer."""
        if here:
            learned = self._list(entry, "learned")
            return learned is not None and learn(learned, text)
        known = entry.get("learned")
        if isinstance(known, list) and text.strip() in known:
            known.remove(text.strip())
            return True
        return False

    def _list(self, entry: dict[str, Any], key: str) -> list[Any] | None:
        found = entry.setdefault(key, [])
        if isinstance(found, list):
            return found
        told = (self._file.path, entry["name"], key)
        logger.warning("%s: nothing is recorded for route %r, whose %s are no array", *told)
        return None

    def _warn(self, fault: str) -> None:
        if fault != self._warned:
            self._warned = fault
            logger.warning("%s; %d record(s) wait until it can be written", fault, self._backlog.uses)


def _flush(history: "weakref.ref[FileHistory]") -> None:
    """Write at the end what waits; a history that nobody has any more is not kept for it."""
    if found := history():
        found.flush()


def _by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"].strip().casefold(): entry for entry in entries}


def _have_other(entries: list[dict[str, Any]], name: str) -> None:
    """Make the entry of `other`, which a policy need not have, before it learns its first example."""
    if name.casefold() == OTHER and OTHER not in _by_name(entries):
        entries.append({"name": OTHER, "learned": []})
