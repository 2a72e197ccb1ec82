"""A history that many processes share: what it answers, and how feedback and imports reach it, whatever stores it."""

import atexit
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any

from omni_router.config.records import ModelRecord, as_entries, read_records
from omni_router.errors import HistoryUnreachable
from omni_router.history.backlog import Sum
from omni_router.history.cooldowns import Cooldowns
from omni_router.history.merging import merge_max, subtract
from omni_router.history.protocol import Feedback, UsageRecord
from omni_router.history.replica import Pair, Replica
from omni_router.history.usage import MAX_LEARNED_CHARACTERS, route_key, storable
from omni_router.model_id import is_sandbox_model
from omni_router.simulation import is_simulated

TEXTS = "route", "model", "reason", "at", "decision"  # what a use has to be stored of


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(timezone.utc)


class SharedHistory(ABC):
    """What all processes know of each route, read from memory.

    Uses that cannot be written are added up in memory, and written with the next one or when the process ends.
    """

    place: str  # what `record` returns as the place of what it stored

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        atexit.register(self._flush_at_exit)

    @abstractmethod
    def replica(self) -> Replica:
        """Return this process's copy."""

    @abstractmethod
    def replicas(self) -> Iterable[Replica]:
        """Return the copies that may be written when the process ends."""

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Return the models of a route as all processes know them."""
        return self.replica().fresh().models.get(route_key(route), ())

    def cooling(self) -> Cooldowns:
        """Return the models that failed recently, on any route and machine, each with its cooldowns."""
        return self.replica().cooldowns

    def examples(self, route: str) -> Sequence[str]:
        """Return the requests that feedback has made examples of a route."""
        return self.replica().fresh().examples.get(route_key(route), ())

    def record(self, use: UsageRecord) -> str | None:
        """Store a use; None when there was nothing to store, or the store does not answer and it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not is_simulated():
            return None
        use = replace(use, **{key: storable(getattr(use, key)) for key in TEXTS})
        return self.place if self.replica().record(use) else None

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store feedback; None when its model is not known here and no example was added.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica, route = self.replica(), feedback.example_of
        with replica.session():
            stored = False
            if feedback.verdict != "should_be":  # where the route was wrong, it is not the model's fault
                entry = {"id": storable(feedback.model), feedback.verdict: 1}
                stored = replica.add_sums([Sum(storable(feedback.route), entry["id"], [entry], [])])
            if route and feedback.text:
                known = replica.view.examples.get(route_key(route), ())
                stored |= bool(self._add_examples(replica, [(route, feedback.text)], known))
            replica.read()
        return self.place if stored else None

    def export(self) -> list[dict[str, Any]]:
        """Return everything as entries of a route_config.json.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica = self.replica()
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
        """Add what `export` returned, and return how many models and examples changed.

        Raises:
            HistoryUnreachable: the store does not answer.
        """
        replica, entries = self.replica(), storable(entries)
        with replica.session():
            sums, changes = _differences(replica, entries)
            replica.add_sums(sums)
            known = set(chain.from_iterable(replica.view.examples.values()))
            examples: list[tuple[str, str]] = []
            for entry in entries:
                examples += [(str(entry["name"]).strip(), text) for text in entry.get("learned", [])]
            changes += self._add_examples(replica, examples, known)
            replica.read()
        return changes

    def _add_examples(self, replica: Replica, examples: Iterable[tuple[str, str]], known: Iterable[str]) -> int:
        """Make texts examples of routes, in their order, but for those that are known; return how many there were."""
        new: dict[str, str] = {}
        for route, each in examples:
            text = storable(each).strip()[:MAX_LEARNED_CHARACTERS]
            if text and text not in known:
                new.setdefault(text, storable(route))
        replica.put_examples(new, self.now())
        return len(new)

    def _flush_at_exit(self) -> None:
        for replica in self.replicas():
            if replica.waiting and replica.process == os.getpid():
                with suppress(HistoryUnreachable), replica.session():
                    replica.flush()


def example_times(number: int, at: datetime) -> list[str]:
    """Return the times of examples that come at once, which keep their order."""
    return [(at + timedelta(microseconds=each)).isoformat(timespec="microseconds") for each in range(number)]


def _differences(replica: Replica, entries: Sequence[Mapping[str, Any]]) -> tuple[list[Sum], int]:
    """Return what must be added so that the history reaches the counts of entries, and how many records change."""
    before: dict[Pair, ModelRecord | None] = {}
    after: dict[Pair, tuple[str, ModelRecord]] = {}
    changes = 0
    for entry in entries:
        name = str(entry["name"])
        for record in read_records(entry.get("models", [])):
            pair = (route_key(name), record["id"])
            known = before.setdefault(pair, replica.view.record(pair))
            if pair in after:
                known = after[pair][1]
            merged = merge_max(known, record)
            if merged != known:
                after[pair] = (name, merged)
                changes += 1
    sums: list[Sum] = []
    for pair, (name, merged) in after.items():
        rest = as_entries([subtract(merged, before[pair])])
        sums.append(Sum(name, pair[1], rest, rest))
    return sums, changes
