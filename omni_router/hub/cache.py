"""Answers of a slow place, kept: fresh ones are given at once, stale ones too while they are asked for again.

One flight a key, whoever asks. A place that is down is left alone for a minute: an outage costs one wait a minute, not
one a message or a question.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

from omni_router.hub.disk_cache import DiskCache
from omni_router.hub.session import HUB_TIMEOUT, is_outage

logger = logging.getLogger("omni_router")

TIMEOUT = HUB_TIMEOUT
KEEP = 600.0  # seconds: what providers serve changes within days
KEEP_FAILURE = 60.0  # seconds: soon enough back, and an outage costs a wait once a minute, not once a message
KEEP_STALE = 7 * 24 * 3600.0  # seconds: better an old list than none; what changed shows when a model is called
MAX_ENTRIES = 1000  # in memory, of some hundred bytes each but for a few lists


class Kept(NamedTuple):
    """An answer and when it was given; a `stale` one is being asked for again, or could not be."""

    value: Any
    at: float
    stale: bool = False


@dataclass(frozen=True)
class Question:
    """Something to ask: what it is called, the call that asks it, and whose business the answer is."""

    name: str
    ask: Callable[[], Any]
    place: str  # what is asked; one that is down is not asked about anything else
    scope: Hashable = None  # the world it is asked in; of any but the real one, None, nothing goes to disk
    asker: Hashable = None  # whose own the answer is, if it is not everybody's
    is_everybodys: Callable[[Any], bool] = lambda _answer: True
    may_be_stale: Callable[[Any], bool] = lambda _answer: True

    @property
    def own_key(self) -> Hashable:
        """The key of an answer that is this asker's alone."""
        return (self.name, self.scope, self.asker)

    @property
    def shared_key(self) -> Hashable:
        """The key of an answer that is everybody's."""
        return (self.name, self.scope, None)


class Memory:
    """Answers by question, in memory and, where they are everybody's, on disk."""

    def __init__(self, disk: DiskCache | None, clock: Callable[[], float]) -> None:
        self._disk, self._clock = disk, clock
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._flights: dict[Hashable, tuple[Future[Kept], float]] = {}
        self._failed: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, *questions: Question, patient: bool = False) -> list[Kept | None]:
        """Answer the questions, all at once; None for one that could not be answered within `TIMEOUT`.

        Who is patient waits for a fresh answer also where a stale one is at hand.
        """
        known = [self._known(question) for question in questions]
        flights = [
            self._flight(question) if answer is None or answer.stale else None
            for question, answer in zip(questions, known, strict=True)
        ]
        return [
            (self._landed(question, *flight) or answer) if flight and (answer is None or patient) else answer
            for question, answer, flight in zip(questions, known, flights, strict=True)
        ]

    def is_down(self, place: str, scope: Hashable) -> bool:
        """Return whether a place did not answer a moment ago."""
        return self._failed_lately((place, scope))

    def note_down(self, place: str, scope: Hashable) -> None:
        """Note that a place did not answer: it is left alone for `KEEP_FAILURE`."""
        with self._lock:
            self._failed[place, scope] = self._clock()
            _drop_oldest(self._failed)

    def _known(self, question: Question) -> Kept | None:
        """Give the newest answer there is, if it may still be used."""
        found = self._remembered(question)
        if self._disk and question.scope is None and not (found and self._is_fresh(found)):
            stored = self._disk.get(question.name)  # perhaps of another process, and newer
            # One of the future was left by a clock that was wrong.
            if stored and stored.at <= self._clock() and (found is None or stored.at > found.at):
                found = Kept(*stored)
                self._remember(question.shared_key, found)
        if found is None or self._is_fresh(found):
            return found
        usable = self._clock() - found.at < KEEP_STALE and question.may_be_stale(found.value)
        return found._replace(stale=True) if usable else None

    def _remembered(self, question: Question) -> Kept | None:
        with self._lock:
            for key in (question.own_key, question.shared_key):
                if key in self._kept:
                    self._kept.move_to_end(key)
            return self._newest(question)

    def _newest(self, question: Question) -> Kept | None:
        found = [self._kept[key] for key in (question.own_key, question.shared_key) if key in self._kept]
        return max(found, key=lambda kept: kept.at, default=None)

    def _is_fresh(self, kept: Kept) -> bool:
        return 0 <= self._clock() - kept.at < KEEP  # a clock may be set back

    def _remember(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            _drop_oldest(self._kept)

    def _flight(self, question: Question) -> tuple[Future[Kept], float] | None:
        """Join the call under way, or start one unless the last failed a moment ago."""
        future: Future[Kept] = Future()
        with self._lock:
            if flight := self._flights.get(question.own_key):
                return flight
            if (landed := self._newest(question)) and self._is_fresh(landed):  # since this thread looked
                future.set_result(landed)
                return future, 0.0
            if self._has_failed(question):
                return None
            flight = self._flights[question.own_key] = future, time.monotonic()
        # A daemon, so that a Hub that never answers does not hold the process at its end.
        name = f"catalog {question.name}"
        threading.Thread(target=self._fly, args=(question, future), name=name, daemon=True).start()
        return flight

    def _fly(self, question: Question, future: "Future[Kept]") -> None:
        try:
            kept = Kept(question.ask(), self._clock())
            shared = question.is_everybodys(kept.value)
        except Exception as error:  # noqa: BLE001 (told here, and whoever waits gets None)
            logger.warning("the Hub could not be asked for %s: %s", question.name, type(error).__name__)
            self._end(question, failed=True, outage=is_outage(error))
            future.set_exception(error)
            return
        self._remember(question.shared_key if shared else question.own_key, kept)
        self._end(question, failed=False)
        if self._disk and shared and question.scope is None:
            self._disk.put(question.name, kept.value, kept.at)
        future.set_result(kept)  # now: who waited may end the process

    def _end(self, question: Question, *, failed: bool, outage: bool = False) -> None:
        with self._lock:
            del self._flights[question.own_key]
            self._note(question, failed=failed, outage=outage or not failed)

    def _landed(self, question: Question, future: "Future[Kept]", started: float) -> Kept | None:
        patience = max(0.0, started + TIMEOUT - time.monotonic())
        wait([future], patience)
        if future.done():
            return None if future.exception() else future.result()
        if patience:  # who comes later does not wait, and need not be told again
            logger.warning("the Hub did not answer for %s within %g s", question.name, TIMEOUT)
            with self._lock:
                self._note(question, failed=True, outage=True)
        return None

    def _note(self, question: Question, *, failed: bool, outage: bool) -> None:
        """Keep, or forget, the time at which a question failed, and the place of the question with it."""
        for what in (question.own_key, _place(question)) if outage else (question.own_key,):
            self._failed.pop(what, None)
            if failed:
                self._failed[what] = self._clock()
        _drop_oldest(self._failed)

    def _has_failed(self, question: Question) -> bool:
        return self._failed_lately(question.own_key) or self._failed_lately(_place(question))

    def _failed_lately(self, what: Hashable) -> bool:
        at = self._failed.get(what)
        return at is not None and 0 <= self._clock() - at < KEEP_FAILURE


def _place(question: Question) -> Hashable:
    return (question.place, question.scope)


def _drop_oldest(entries: OrderedDict[Hashable, Any]) -> None:
    while len(entries) > MAX_ENTRIES:
        entries.popitem(last=False)
