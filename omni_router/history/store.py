"""History in a LangGraph store: for many processes and machines. store_items.py says how writers keep apart."""

import atexit
import os
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from weakref import WeakKeyDictionary, ref

from langgraph.store.base import BaseStore
from langgraph.store.base.batch import AsyncBatchedBaseStore

from omni_router.errors import KINDS, ConfigurationError, HistoryUnreachable
from omni_router.history.backlog import Backlog
from omni_router.history.cooldowns import Cooldowns, next_cooldowns
from omni_router.history.protocol import Feedback, ModelRecord, UsageRecord
from omni_router.history.store_items import Value, digest, folded, joined, missing, storable
from omni_router.history.store_replica import News, Replica
from omni_router.history.usage import (
    MAX_LEARNED_CHARACTERS,
    apply_feedback,
    apply_usage,
    as_entry,
    counted,
    merge_max,
    read_record,
)
from omni_router.model_id import is_sandbox_model
from omni_router.simulation import is_simulated
from omni_router.storage.store_link import put

MOST_WAITING = 10_000  # uses between two tries to write them, which are then added up


class StoreHistory:
    """What all writers know of each route, read from memory; each process writes items of its own.

    Uses that cannot be written are added up in memory, and written with the next one or when the process ends.

    Args:
        store: gives the store; called for each use, since a host's store is there in its own runs only.
        place: what a record is said to have gone to.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        store: Callable[[], BaseStore],
        place: str = "the store",
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._store, self._place, self._now = store, place, now
        # Simulated models do not belong in a real history.
        self._root = ("omni_router", "sandbox") if is_simulated() else ("omni_router",)
        self._replicas: WeakKeyDictionary[BaseStore, Replica] = WeakKeyDictionary()
        self._last: ref[BaseStore] | None = None
        atexit.register(self._flush_at_exit)

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route as all writers know them."""
        return self._replica().fresh().models.get(folded(route), ())

    def cooling(self) -> Cooldowns:
        """Give the models that failed lately, on any route and machine, each with its waits."""
        replica = self._replica()
        return {**replica.fresh().cooling, **replica.unwritten}

    def examples(self, route: str) -> Sequence[str]:
        """Give the requests that verdicts have made examples of a route."""
        return self._replica().fresh().examples.get(folded(route), ())

    def record(self, use: UsageRecord) -> str | None:
        """Store a use; None when there was nothing to store, or the store does not answer and it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not is_simulated():
            return None
        use = replace(use, route=storable(use.route), reason=storable(use.reason))
        replica, news = self._replica(), News(use)
        if not use.by_caller:
            _cool(replica, use)
        replica.waiting.append(news)
        replica.link.attempt(lambda: _flush(replica))  # another thread's may have taken it along
        return self._place if news.stored else None

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store a verdict; None when its model is not known here and no example was learnt.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica = self._replica()
        learns = feedback.correct_route or (feedback.route if feedback.verdict == "good" else None)
        with replica.talking():
            drafts: dict[str, Value] = {}
            changed = apply_feedback(_models(replica, drafts, feedback.route, feedback.model), feedback)
            known = replica.view.examples.get(folded(learns), ()) if learns else ()
            lesson = _lesson(learns, feedback.text, known, self._now()) if learns and feedback.text else []
            replica.write(drafts if changed else {}, *(put(replica.examples, *each) for each in lesson))
            replica.read()
        return self._place if changed or lesson else None

    def export(self) -> list[dict[str, Any]]:
        """Give everything as entries of a route_config.json.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica = self._replica()
        with replica.talking():
            view = replica.view
        return [
            {"name": view.names[route], "models": models, "learned": learned}
            for route in sorted(view.names)
            for models in [[as_entry(record) for record in view.models.get(route, ())]]
            for learned in [list(view.examples.get(route, ()))]
            if models or learned
        ]

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `export` gave: of each count the higher one holds.

        An example that the store has already stays with its route. Two who lift at once may count twice.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica, entries = self._replica(), storable(entries)
        with replica.talking():
            drafts: dict[str, Value] = {}
            changes = sum(_lift(replica, drafts, entry) for entry in entries)
            known = {text for texts in replica.view.examples.values() for text in texts}
            lessons: dict[str, dict[str, Any]] = {}
            for route, text in [(str(e["name"]).strip(), text) for e in entries for text in e.get("learned", [])]:
                at = self._now() + timedelta(microseconds=len(lessons))  # in their order
                lessons |= {key: value for key, value in _lesson(route, text, known, at) if key not in lessons}
            replica.write(drafts, *(put(replica.examples, *each) for each in lessons.items()))
            replica.read()
        return changes + len(lessons)

    def _replica(self) -> Replica:
        """Find what this process knows of the store; a host's may be another one in each run."""
        try:
            store = self._store()
        except ConfigurationError:
            last = self._last() if self._last else None  # outside of a run, as for feedback, it is the last run's
            if last is None:
                raise
            store = last
        self._last = ref(store)
        replica = self._replicas.get(store)
        if replica is None:
            replica = self._replicas.setdefault(store, Replica(store, self._root, self._now))
        if replica.process != os.getpid():  # a fork: from here on they are two writers
            replica = self._replicas[store] = Replica(store, self._root, self._now)
        return replica

    def _flush_at_exit(self) -> None:
        for store, replica in list(self._replicas.items()):
            # One that needs its event loop cannot be asked any more: the loop has ended.
            waits = replica.waiting or replica.backlog
            if waits and replica.process == os.getpid() and not isinstance(store, AsyncBatchedBaseStore):
                with suppress(HistoryUnreachable), replica.talking():
                    _flush(replica)


def _flush(replica: Replica) -> None:
    """Write what waits; the lock is held."""
    while len(replica.waiting) > MOST_WAITING:
        replica.waiting.popleft()
    taken = [replica.waiting.popleft() for _ in range(len(replica.waiting))]
    if not taken and not replica.backlog:
        return
    try:
        replica.read(older_than=float("inf"))  # never yet, or a day began
        drafts: dict[str, Value] = {}
        for each in replica.backlog:
            each.add_to(_models(replica, drafts, each.route, each.model))
        stored = [_fold(replica, drafts, news.use) for news in taken]
        replica.write(drafts)
    except HistoryUnreachable:
        for news in taken:
            replica.backlog.add(news.use)
        raise
    replica.backlog = Backlog()
    for news, done in zip(taken, stored, strict=True):
        news.stored = done


def _fold(replica: Replica, drafts: dict[str, Value], use: UsageRecord) -> bool:
    known = next((r for r in replica.view.models.get(folded(use.route), ()) if r["id"] == use.model), None)
    if known and counted(known, use):  # by this writer, or by one that was killed since
        return True
    return apply_usage(_models(replica, drafts, use.route, use.model), use)


def _models(replica: Replica, drafts: dict[str, Value], route: str, model: str) -> list[Any]:
    """Give this writer's models of a route, with a place for a model that only others know: its failures count too."""
    models = replica.draft(drafts, route)
    known = any(record["id"] == model for record in replica.view.models.get(folded(route), ()))
    if known and not any(record["id"] == model for record in map(read_record, models) if record):
        models.append({"id": model})
    return models


def _cool(replica: Replica, use: UsageRecord) -> None:
    """Let a use lengthen, or end, the waits of its model; they hold here even if they cannot be written."""
    before = replica.unwritten.get(use.model, replica.fresh().cooling.get(use.model, ()))
    ends = use.outcome is None and use.called and before
    if ends or (use.outcome is not None and KINDS[use.outcome].cooldown is not None):
        replica.unwritten[use.model] = next_cooldowns(before, use)


def _lesson(route: str, text: str, known: Container[str], at: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Give the item, if there is anything new in it, that makes a text an example of a route, and of no other."""
    text = storable(text).strip()[:MAX_LEARNED_CHARACTERS]
    if not text or text in known:
        return []
    return [(digest(text), {"text": text, "route": storable(route), "at": at.isoformat(timespec="microseconds")})]


def _lift(replica: Replica, drafts: dict[str, Value], entry: Mapping[str, Any]) -> int:
    """Join another copy's models of a route into this writer's, so that all writers together say as much as it."""
    route, changes = str(entry["name"]), 0
    known = {record["id"]: record for record in replica.view.models.get(folded(route), ())}
    for given in filter(None, map(read_record, entry.get("models", []))):
        before = known.get(given["id"])
        wanted = merge_max(before, given)
        if wanted != before:
            models = replica.draft(drafts, route)
            own = filter(None, map(read_record, models))
            models[:] = [as_entry(record) for record in joined([*own, missing(before, wanted)])]
            known[given["id"]] = wanted
            changes += 1
    return changes
