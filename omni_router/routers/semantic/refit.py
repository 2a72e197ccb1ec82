"""Heads that are fitted again behind the requests: until then an earlier head of nearly the same routes answers.

A verdict adds one example, and a head of thousands of texts takes seconds to fit, which no request should wait for.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from omni_router.routers.protocol import RouteOption
from omni_router.routers.semantic.concurrency import LruCache, single_threaded
from omni_router.routers.semantic.training_set import TeacherLabels

if TYPE_CHECKING:
    from omni_router.routers.semantic.head import Head

MOST_CHANGED = 20  # examples that came or went: with more, a policy is another one, and requests wait for its head
LEAST_TEXTS = 1000  # of a head that takes long enough: a smaller one is fitted in a tenth of a second
MAX_EARLIER = 4

Fitting = Callable[[Sequence[RouteOption], TeacherLabels], "Head"]
logger = logging.getLogger(__name__)


class _Earlier(NamedTuple):
    routes: Sequence[RouteOption]
    head: "Head"


class BackgroundFits:
    """Fits one head at a time on a thread of its own, and of those that are waiting only the newest.

    Args:
        fit: fits the head for some routes and labels, and keeps it.
    """

    def __init__(self, fit: Fitting) -> None:
        self._fit = fit
        self._earlier: LruCache[object, _Earlier] = LruCache(MAX_EARLIER)
        self._lock = threading.Lock()
        self._waiting: tuple[Sequence[RouteOption], TeacherLabels] | None = None
        self._thread: threading.Thread | None = None

    def keep(self, routes: Sequence[RouteOption], head: "Head") -> None:
        """Keep a large head, which answers while one for changed routes is fitted."""
        if len(head.texts) >= LEAST_TEXTS:
            self._earlier.put(_outline(routes), _Earlier(routes, head))

    def answer_meanwhile(self, routes: Sequence[RouteOption], labels: TeacherLabels) -> "Head | None":
        """Return an earlier head and begin to fit the one for these routes; None when there is none near enough."""
        earlier = self._earlier.get(_outline(routes))
        if earlier is None or _changes(earlier.routes, routes) > MOST_CHANGED:
            return None
        with self._lock:
            self._waiting = routes, labels
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="omni-router fits", daemon=True)
                self._thread.start()
        return earlier.head

    def wait(self) -> None:
        """Wait until nothing is being fitted."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                task, self._waiting = self._waiting, None
                if task is None:
                    self._thread = None
                    return
            try:
                with single_threaded():
                    self._fit(*task)
            except Exception:
                logger.exception("A head could not be fitted again: the earlier one goes on answering")


def _outline(routes: Sequence[RouteOption]) -> object:
    return tuple(map(attrgetter("name", "description"), routes))


def _changes(before: Sequence[RouteOption], after: Sequence[RouteOption]) -> int:
    """Count the examples that one of two policies has and the other has not."""
    changes = 0
    for old, new in zip(before, after, strict=True):
        changes += len(set(_texts_of(old)) ^ set(_texts_of(new)))
    return changes


def _texts_of(route: RouteOption) -> Sequence[str]:
    return list(chain(route.examples, route.out_of_scope_examples))
