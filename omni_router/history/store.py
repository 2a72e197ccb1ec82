"""History in a LangGraph store: for many processes and machines. store_items.py says how writers keep apart."""

import atexit
import copy
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from langgraph.store.base import BaseStore

from omni_router import _sandbox
from omni_router.errors import KINDS
from omni_router.history.cooldown import Waits, cooled, write_time
from omni_router.history.fold import (
    MAX_LEARNED_CHARACTERS,
    as_entry,
    fold,
    fold_verdict,
    lifted,
    merge,
    read_record,
)
from omni_router.history.protocol import ModelRecord, Use, Verdict
from omni_router.history.store_items import Key, Value, Word, examples, missing, records
from omni_router.history.store_view import COOLING, ITEMS, View
from omni_router.model_id import is_sandbox_model


class StoreHistory:
    """What all writers know of each route, read from memory and renewed in the background.

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
        self._view = View(now)
        self._writer = ("", 0, "")  # day, process, name
        self._own: dict[str, Value] = {}  # this writer's items of today, by route
        self._joined: dict[str, tuple[object, object, list[ModelRecord]]] = {}  # by route: joined from what, to what
        self._waiting: list[Use] = []
        self._lock = threading.RLock()
        self._flushes_at_exit = False

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route as all writers know them."""
        self._view.renew(self._store)
        route = route.casefold()
        others, own = self._view.values.get(route), self._own.get(route)
        known = self._joined.get(route)
        if known is None or known[0] is not others or known[1] is not own:
            known = self._joined[route] = (others, own, records(self._values(route)))
        return known[2]

    def cooling(self) -> Waits:
        """Give the models that failed lately, on any route and machine, each with its waits."""
        self._view.renew(self._store)
        return self._view.cooling

    def examples(self, route: str) -> Sequence[str]:
        """Give the requests that verdicts have made examples of a route."""
        self._view.renew(self._store)
        return examples(self._values(route.casefold()))

    def record(self, use: Use) -> str | None:
        """Store a use; None when there was nothing to store, or the store is out of reach and it has to wait.

        A sandbox model is refused outside the sandbox: nobody serves it there.
        """
        if is_sandbox_model(use.model) and not _sandbox.active():
            return None
        self._view.renew(self._store)  # whether others know the model decides what a failure counts for
        with self._lock:
            self._cool(use)
            self._waiting.append(use)
            stored = self.flush()
        return self._place if use in stored else None

    def flush(self) -> list[Use]:
        """Write what waits, and give what was stored of it."""
        with self._lock:
            done: list[Use] = []
            for route in dict.fromkeys(use.route for use in self._waiting):
                uses = [use for use in self._waiting if use.route == route]
                stored: list[Use] = []

                def change(values: dict[str, Value], uses: list[Use] = uses, stored: list[Use] = stored) -> None:
                    for use in uses:
                        models = self._value(values, use.route)["models"]
                        self._add_if_others_know_it(models, use.route, use.model)
                        if fold(models, use):
                            stored.append(use)

                if not self._write({route}, change):
                    break
                self._waiting = [use for use in self._waiting if use.route != route]
                done += stored
            return done

    def judge(self, verdict: Verdict) -> str | None:
        """Store a verdict; None when its model is not known here and no example was learnt, or it cannot be written."""
        self._view.renew(self._store)
        learns = verdict.should_be or (verdict.route if verdict.verdict == "good" else None)
        changed = False

        def change(values: dict[str, Value]) -> None:
            nonlocal changed
            models = self._value(values, verdict.route)["models"]
            self._add_if_others_know_it(models, verdict.route, verdict.model)
            changed = fold_verdict(models, verdict)
            if verdict.text and learns:
                for route in {*self._routes(), learns.casefold()}:
                    here = route == learns.casefold()
                    changed |= self._learn(self._value(values, learns if here else route), verdict.text, here=here)

        with self._lock:
            written = self._write({verdict.route, *self._routes(), *([learns] if learns else [])}, change)
        return self._place if written and changed else None

    def export(self) -> list[dict[str, Any]]:
        """Give everything as entries of a route_config.json."""
        self._view.renew(self._store)
        return [
            {"name": values[0]["route"], "models": models, "learned": learned}
            for route in self._routes()
            for values in [self._values(route)]
            for models in [[as_entry(record) for record in records(values)]]
            for learned in [examples(values)]
            if models or learned
        ]

    def lift(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `export` gave: of each count the higher one holds."""
        self._view.renew(self._store)
        changes = 0

        def change(values: dict[str, Value]) -> None:
            nonlocal changes
            for entry in entries:
                value = self._value(values, str(entry["name"]).strip())
                known = {record["id"]: record for record in records(self._values(value["route"].casefold()))}
                for record in [record for model in entry.get("models", []) if (record := read_record(model))]:
                    wanted = lifted(known.get(record["id"]), record)
                    if wanted != known.get(record["id"]):
                        changes += 1
                        own = [r for e in value["models"] if (r := read_record(e))]
                        joined = merge([*own, missing(known.get(record["id"]), wanted)])
                        value["models"] = [as_entry(each) for each in joined]
                for text in entry.get("learned", []):
                    changes += self._learn(value, str(text), here=True)

        with self._lock:
            written = self._write({str(entry["name"]).strip() for entry in entries}, change)
        return changes if written else 0

    def _routes(self) -> list[str]:
        return sorted({*self._view.values, *self._own})

    def _values(self, route: str) -> list[Value]:
        """Give what is known of a route: what others wrote, and what this writer did since."""
        own = self._own.get(route)
        return [*self._view.values.get(route, ()), *([own] if own else [])]

    def _value(self, values: dict[str, Value], route: str) -> Value:
        return values.setdefault(route.casefold(), Value(route=route, models=[], learned=[]))

    def _add_if_others_know_it(self, models: list[Any], route: str, model: str) -> None:
        """Make a place for a model of others in this writer's own list, so that its failures count."""
        own = {record["id"] for entry in models if (record := read_record(entry))}
        if model not in own and any(record["id"] == model for record in records(self._values(route.casefold()))):
            models.append({"id": model})

    def _learn(self, value: Value, text: str, *, here: bool) -> bool:
        text = text.strip()[:MAX_LEARNED_CHARACTERS]
        known = text in examples(self._values(value["route"].casefold()))
        if not text or known is here:
            return False
        value["learned"] = [word for word in value["learned"] if word["text"] != text]
        value["learned"].append(Word(text=text, at=write_time(self._now()), here=here))
        return True

    def _write(self, routes: set[str], change: Callable[[dict[str, Value]], None]) -> bool:
        """Change this writer's items of some routes, and put those that came out different; one `put` each."""
        self._begin_day()
        names = {route.casefold() for route in routes}
        drafts = {name: copy.deepcopy(self._own[name]) for name in names if name in self._own}
        change(drafts)
        try:
            for name, value in drafts.items():
                before = self._own.get(name) or Value(route=value["route"], models=[], learned=[])
                if value != before:
                    key = Key(self._writer[0], self._writer[2], name)
                    self._store().put(ITEMS, str(key), {**value}, index=False)
                    self._own[name] = value
        except Exception as error:  # noqa: BLE001 (stores raise what their drivers raise; a run goes on without one)
            self._view.out_of_reach(error)
            self._flush_at_exit()
            return False
        return True

    def _begin_day(self) -> None:
        """Become another writer with each UTC day, so that days end, and after a fork: no two write one item."""
        day, process = f"{self._now():%Y-%m-%d}", os.getpid()
        if self._writer[:2] != (day, process):
            for route, value in self._own.items():  # what was written as another is from now on read as another's
                self._view.values[route] = [*self._view.values.get(route, ()), value]
            self._own = {}
            self._writer = (day, process, f"{socket.gethostname()}-{process}-{uuid4().hex[:8]}".replace("/", "-"))
            self._view.own_name = self._writer[2]

    def _cool(self, use: Use) -> None:
        before = self._view.cooling.get(use.model, ())
        ends = use.outcome is None and use.called and before
        if not ends and (use.outcome is None or KINDS[use.outcome].cooldown is None):
            return
        waits = cooled(before, use)
        self._view.cooling = {**self._view.cooling, use.model: waits}
        try:
            self._store().put(COOLING, use.model, {"waits": waits}, index=False)
        except Exception as error:  # noqa: BLE001 (as above)
            self._view.out_of_reach(error)

    def _flush_at_exit(self) -> None:
        if not self._flushes_at_exit:  # not earlier: what closes the store at exit has to come after
            self._flushes_at_exit = True
            atexit.register(self.flush)
