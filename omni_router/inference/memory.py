"""Answers of a slow place, kept: fresh ones are given at once, stale ones while they are asked for again.

One flight a key, whoever asks; a failure is remembered too, so that an outage costs one wait a minute and not one a
message.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

from omni_router.inference.disk_cache import DiskCache

logger = logging.getLogger("omni_router")

TIMEOUT = 3.0  # seconds: it stands before the answer, and history does without it
KEEP = 600.0  # seconds: what providers serve changes within days
KEEP_FAILURE = 60.0  # seconds: soon enough back, and an outage costs a wait once a minute, not once a message
KEEP_STALE = 7 * 24 * 3600.0  # seconds: better an old list than none; what changed shows when a model is called
MAX_ENTRIES = 1000


class Kept(NamedTuple):
    """An answer and when it was given; `stale` ones are being asked for again, or could not be."""

    value: Any
    at: float
    stale: bool = False


@dataclass(frozen=True)
class Question:
    """Something to ask: a name for logs and disk, and the call that asks it."""

    name: str
    ask: Callable[[], Any]
    scope: Hashable = None  # whose answer it is; one with a scope never goes to disk
    stale_is_fine: bool = True


class Memory:
    """Answers by question, in memory and, where they are everybody's, on disk."""

    def __init__(self, disk: DiskCache | None, clock: Callable[[], float]) -> None:
        self._disk, self._clock = disk, clock
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._flights: dict[Hashable, tuple[Future[Any], float]] = {}
        self._failed: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, *questions: Question) -> list[Kept | None]:
        """Answer each question; None for one that could not be answered within `TIMEOUT`, all asked at once."""
        answers = [self._known(question) for question in questions]
        flights = [
            self._flight(question) if answer is None or answer.stale else None
            for question, answer in zip(questions, answers, strict=True)
        ]
        return [
            answer or (self._landed(question, *flight) if flight else self._known(question))
            for question, answer, flight in zip(questions, answers, flights, strict=True)
        ]

    def failed_lately(self, *questions: Question) -> bool:
        """Tell whether one of the questions could not be answered within the last minute."""
        with self._lock:
            return any(self._has_failed(_key(question)) for question in questions)

    def knows(self, question: Question) -> bool:
        """Tell whether the question can be answered without asking."""
        return self._known(question) is not None

    def keep(self, question: Question, value: Any) -> None:
        """Keep an answer, and let go of what was not asked for longest."""
        kept = Kept(value, self._clock())
        with self._lock:
            self._kept[_key(question)] = kept
            self._kept.move_to_end(_key(question))
            while len(self._kept) > MAX_ENTRIES:
                self._kept.popitem(last=False)
        if self._disk and question.scope is None:
            self._disk.put(question.name, value, kept.at)

    def _known(self, question: Question) -> Kept | None:
        key = _key(question)
        kept = self._kept.get(key)
        if kept is None and self._disk and question.scope is None and (found := self._disk.get(question.name)):
            kept = self._kept[key] = Kept(*found)
        age = self._clock() - kept.at if kept else KEEP_STALE
        if kept is None or age >= KEEP_STALE:
            return None
        if age < KEEP:
            return kept
        return kept._replace(stale=True) if question.stale_is_fine else None

    def _flight(self, question: Question) -> tuple[Future[Any], float] | None:
        """Join the call under way, or start one unless the last failed a moment ago."""
        key = _key(question)
        with self._lock:
            if key not in self._flights:
                kept = self._kept.get(key)
                if self._has_failed(key) or (kept and self._clock() - kept.at < KEEP):  # it may just have landed
                    return None
                self._flights[key] = (Future(), self._clock())
                # A daemon, so that a Hub that never answers does not hold the process at its end.
                arguments = (question, self._flights[key][0])
                threading.Thread(target=self._fly, args=arguments, name=f"catalog {question.name}", daemon=True).start()
            return self._flights[key]

    def _has_failed(self, key: Hashable) -> bool:
        return self._clock() - self._failed.get(key, float("-inf")) < KEEP_FAILURE

    def _fly(self, question: Question, future: "Future[Any]") -> None:
        key = _key(question)
        try:
            value = question.ask()
            self.keep(question, value)
            error = None
        except Exception as failure:  # noqa: BLE001 (told here, and whoever waits gets None)
            error = failure
        with self._lock:
            self._flights.pop(key, None)
            self._failed.pop(key, None)
            if error:
                self._failed[key] = self._clock()
                while len(self._failed) > MAX_ENTRIES:
                    self._failed.popitem(last=False)
        if error:
            logger.warning("the Hub could not be asked for %s: %s", question.name, type(error).__name__)
            future.set_exception(error)
        else:
            future.set_result(value)

    def _landed(self, question: Question, future: "Future[Any]", started: float) -> Kept | None:
        patience = max(0.0, started + TIMEOUT - self._clock())
        wait([future], patience)
        if not future.done():
            if patience:  # who comes later does not wait, and need not be told again
                logger.warning("the Hub did not answer for %s within %g s", question.name, TIMEOUT)
            return None
        return None if future.exception() else Kept(future.result(), self._clock())


def real_time() -> float:
    """Give the time that is written to disk; a process of another day has to be able to read it."""
    return time.time()


def _key(question: Question) -> Hashable:
    return (question.name, question.scope)
