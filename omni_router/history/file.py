"""History in route_config.json: for one machine, readable and editable by hand."""

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_router import _sandbox
from omni_router.config.route_file import RouteFile
from omni_router.errors import PolicyFileError
from omni_router.history.cooldown import Waits
from omni_router.history.cooling_file import CoolingFile
from omni_router.history.fold import as_entry, fold, fold_verdict, learn, lift_into, read_record
from omni_router.history.protocol import ModelRecord, Use, Verdict
from omni_router.model_id import is_sandbox_model
from omni_router.routers.reply import OTHER

logger = logging.getLogger("omni_router")


@dataclass(eq=False)
class _Waiting:
    """A use on its way to the file."""

    use: Use
    stored: bool = False


class FileHistory:
    """The models of each route, kept beside the policy in one file.

    Uses that come while the file is written are written together, by whoever is next: runs that end at the same time
    wait for one write and not for each other's. A use that cannot be written (the file is broken or read-only) waits in
    memory and is written with the next one, on the next read, or when the process ends.
    """

    def __init__(self, file: RouteFile) -> None:
        self._file = file
        self._cooling = CoolingFile(file.path.with_name(f".{file.path.name}.cooling"))
        self._waiting: list[_Waiting] = []
        self._warned = ""  # the last warning: every read tries again, and would say the same
        self._lock = threading.RLock()
        atexit.register(_flush, weakref.ref(self))

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route, in the order of the file."""
        if self._waiting and not self._file.is_broken():
            self.flush()
        return self._file.document().models.get(route.casefold(), ())

    def cooling(self) -> Waits:
        """Give the models that failed lately, on any route, each with its waits."""
        return self._cooling.waits()

    def examples(self, route: str) -> Sequence[str]:
        """Give the requests that verdicts have made examples of a route."""
        return self._file.document().learned.get(route.casefold(), ())

    def record(self, use: Use) -> str | None:
        """Store a use; the file it went to, or None when there was nothing to store or it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not _sandbox.active():
            return None
        self._cooling.note(use)
        mine = _Waiting(use)
        self._waiting.append(mine)  # before the lock: whoever has it next writes this too
        self.flush()
        return str(self._file.path) if mine.stored else None

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting = list(self._waiting)
            if not waiting:
                return
            folded = list[_Waiting]()

            def change(entries: list[dict[str, Any]]) -> bool:
                by_name = _by_name(entries)
                for each in waiting:
                    entry = by_name.get(each.use.route.casefold())
                    if entry is None:
                        told = (each.use.route, self._file.path)
                        logger.warning("route %r is no longer in %s: its use is dropped", *told)
                    elif (models := self._list(entry, "models")) is not None and fold(models, each.use):
                        folded.append(each)
                return bool(folded)

            try:
                self._file.update(change)
            except (PolicyFileError, OSError) as error:
                self._warn(f"{error}; {len(waiting)} record(s) wait until it can be written")
                return
            del self._waiting[: len(waiting)]  # they came first, and others only append
            self._warned = ""
            for each in folded:
                each.stored = True

    def judge(self, verdict: Verdict) -> str | None:
        """Store a verdict; the file it went to, or None when its model and route are not known here.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        learns = verdict.should_be or (verdict.route if verdict.verdict == "good" else None)

        def change(entries: list[dict[str, Any]]) -> bool:
            changed = False
            if verdict.text and verdict.text.strip() and learns:
                _have_other(entries, learns)
            for name, entry in _by_name(entries).items():
                judged = verdict.model and name == verdict.route.casefold()
                models = self._list(entry, "models") if judged else None
                changed |= models is not None and fold_verdict(models, verdict)
                if verdict.text and learns:
                    changed |= self._learn(entry, verdict.text, here=name == learns.casefold())
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

    def lift(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `export` gave: of each count the higher one holds. Routes that the policy lacks are passed over.

        Raises:
            PolicyFileError: the file is unusable; it is left untouched.
            OSError: it cannot be written.
        """
        changes = 0

        def change(mine: list[dict[str, Any]]) -> bool:
            nonlocal changes
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
                changes += sum(models is not None and lift_into(models, record) for record in records)
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

    def _warn(self, text: str) -> None:
        if text != self._warned:
            self._warned = text
            logger.warning("%s", text)


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
