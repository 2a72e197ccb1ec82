"""History in a LangGraph store: for many processes and machines. store_items.py explains how writers stay apart."""

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary, ref

from langgraph.store.base import BaseStore
from langgraph.store.base.batch import AsyncBatchedBaseStore

from omni_router.config.records import ModelRecord, as_entries, ids_of, read_records
from omni_router.errors import ConfigurationError, HistoryUnreachable
from omni_router.history.backlog import Backlog, PendingUsage
from omni_router.history.cooldowns import Cooldowns, changes_cooldowns, next_cooldowns
from omni_router.history.merging import merge_max, subtract
from omni_router.history.protocol import Feedback, UsageRecord
from omni_router.history.store_items import Value, example_item, merge_bounded, route_key, storable
from omni_router.history.store_replica import Replica
from omni_router.history.usage import apply_feedback, apply_usage, is_counted
from omni_router.model_id import is_sandbox_model
from omni_router.simulation import is_simulated

MOST_WAITING = 10_000  # uses between two tries to write them, which are then added up

Drafts = dict[str, Value]  # this writer's items by route, in the form that is written


class StoreHistory:
    """What all writers know of each route, read from memory; each process writes items of its own.

    Uses that cannot be written are added up in memory, and written with the next one or when the process ends.

    Args:
        store: returns the store; called for each use, since a host's store exists in its own runs only.
        place: what `record` returns as the place of what it stored.
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
        """Return the models of a route as all writers know them."""
        return self._replica().fresh().models.get(route_key(route), ())

    def cooling(self) -> Cooldowns:
        """Return the models that failed recently, on any route and machine, each with its cooldowns."""
        replica = self._replica()
        return {**replica.fresh().cooldowns, **replica.unwritten}

    def examples(self, route: str) -> Sequence[str]:
        """Return the requests that feedback has made examples of a route."""
        return self._replica().fresh().examples.get(route_key(route), ())

    def record(self, use: UsageRecord) -> str | None:
        """Store a use; None when there was nothing to store, or the store does not answer and it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not is_simulated():
            return None
        use = replace(use, route=storable(use.route), reason=storable(use.reason))
        replica, pending = self._replica(), PendingUsage(use)
        if not use.by_caller:
            _record_cooldowns(replica, use)
        replica.pending.append(pending)
        replica.link.attempt(lambda: _flush(replica))  # another thread may have written it meanwhile
        return self._place if pending.stored else None

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store feedback; None when its model is not known here and no example was added.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica, route = self._replica(), feedback.example_of
        with replica.session():
            drafts: Drafts = {}
            rated = apply_feedback(_draft(replica, drafts, feedback.route, feedback.model), feedback)
            examples: dict[str, dict[str, Any]] = {}
            if route and feedback.text:
                known = replica.view.examples.get(route_key(route), ())
                examples = example_item(route, feedback.text, known, self._now())
            replica.write(drafts if rated else {}, examples)
            replica.read()
        return self._place if rated or examples else None

    def export(self) -> list[dict[str, Any]]:
        """Return everything as entries of a route_config.json.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica = self._replica()
        with replica.session():
            view = replica.view
        entries: list[dict[str, Any]] = []
        for route in sorted(view.names):
            models = as_entries(view.models.get(route, ()))
            learned = list(view.examples.get(route, ()))
            if models or learned:
                entries.append({"name": view.names[route], "models": models, "learned": learned})
        return entries

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Add what `export` returned, and keep the higher of two counts.

        An example that the store has already stays with its route. Two processes that import at once may count twice.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica, entries = self._replica(), storable(entries)
        with replica.session():
            drafts: Drafts = {}
            changes = 0
            for entry in entries:
                changes += _import_models(replica, drafts, entry)
            examples = self._new_examples(replica, entries)
            replica.write(drafts, examples)
            replica.read()
        return changes + len(examples)

    def _new_examples(self, replica: Replica, entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return an item for each example that the store does not have, in their order."""
        known = set(chain.from_iterable(replica.view.examples.values()))
        items: dict[str, dict[str, Any]] = {}
        for entry in entries:
            for text in entry.get("learned", []):
                at = self._now() + timedelta(microseconds=len(items))
                for key, item in example_item(str(entry["name"]).strip(), text, known, at).items():
                    items.setdefault(key, item)
        return items

    def _replica(self) -> Replica:
        """Return what this process knows of the store; a host may have another store in each run."""
        try:
            store = self._store()
        except ConfigurationError:  # outside of a run, as for feedback: the last run's store
            last = self._last() if self._last else None
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
            if isinstance(store, AsyncBatchedBaseStore) or replica.process != os.getpid():
                continue  # a store that needs its event loop no longer answers: the loop has ended
            if replica.pending or replica.backlog:
                with suppress(HistoryUnreachable), replica.session():
                    _flush(replica)


def _flush(replica: Replica) -> None:
    """Write the pending uses; the lock is held."""
    while len(replica.pending) > MOST_WAITING:
        replica.pending.popleft()
    pending = [replica.pending.popleft() for _ in range(len(replica.pending))]
    if not pending and not replica.backlog:
        return
    try:
        replica.read(older_than=float("inf"))  # never yet, or a day began
        drafts: Drafts = {}
        for total in replica.backlog:
            total.apply_to(_draft(replica, drafts, total.route, total.model))
        stored = [_apply_usage(replica, drafts, each.use) for each in pending]
        replica.write(drafts)
    except HistoryUnreachable:
        replica.backlog.extend(pending)
        raise
    replica.backlog = Backlog()
    for each, done in zip(pending, stored, strict=True):
        each.stored = done


def _apply_usage(replica: Replica, drafts: Drafts, use: UsageRecord) -> bool:
    for record in replica.view.models.get(route_key(use.route), ()):
        if record["id"] == use.model and is_counted(record, use):
            return True  # counted by this writer, or by one that was killed since
    return apply_usage(_draft(replica, drafts, use.route, use.model), use)


def _draft(replica: Replica, drafts: Drafts, route: str, model: str) -> list[Any]:
    """Return this writer's models of a route to change, with an entry for a model that only other writers know.

    Without it a failure of that model would not be counted.
    """
    models = replica.draft(drafts, route)
    known = ids_of(replica.view.models.get(route_key(route), ()))
    if model in known - ids_of(read_records(models)):
        models.append({"id": model})
    return models


def _record_cooldowns(replica: Replica, use: UsageRecord) -> None:
    """Start, lengthen or end the cooldowns of a use's model; they hold here even if they cannot be written."""
    before = replica.unwritten.get(use.model, replica.fresh().cooldowns.get(use.model, ()))
    if changes_cooldowns(before, use):
        replica.unwritten[use.model] = next_cooldowns(before, use)


def _import_models(replica: Replica, drafts: Drafts, entry: Mapping[str, Any]) -> int:
    """Add an entry's models to this writer's, so that all writers together reach its counts; return how many changed.

    What is added is the difference between the merged record and what the writers know already.
    """
    route, changes = str(entry["name"]), 0
    known = {record["id"]: record for record in replica.view.models.get(route_key(route), ())}
    for record in read_records(entry.get("models", [])):
        before = known.get(record["id"])
        merged = merge_max(before, record)
        if merged != before:
            models = replica.draft(drafts, route)
            total = merge_bounded([*read_records(models), subtract(merged, before)])
            models[:] = as_entries(total)
            known[record["id"]] = merged
            changes += 1
    return changes
