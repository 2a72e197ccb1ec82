"""The cascade: the embedded router decides what it is sure of, a large router the rest, whose answers become lessons.

So the share of requests that waits for the large router falls with use. Lessons are trusted less than examples that
people wrote (see `head.LESSON`), since a large router is wrong as well, and the less the older they are.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from omni_router.errors import ConfigurationError
from omni_router.routers.conversation import shorten
from omni_router.routers.protocol import Reply, RouteOption, Router, Turn
from omni_router.routers.reply import parse_reply
from omni_router.routers.semantic.router import Judgement, SemanticRouter, make_reply
from omni_router.routers.semantic.single_threaded import one_thread
from omni_router.routers.semantic.training_set import NO_LESSONS, Lessons
from omni_router.tasks import OTHER

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger("omni_router")

# From this confidence on the embedded router decides alone. On 5,000 requests of CLINC150, from descriptions only and
# beside a large router that is right in 93 %, these decisions were right in 97 to 99 %; from 0.85 on in 95 at first.
TARGET = 0.9
SIZE = 1500  # lessons kept: each weighs on every refit, and the stream above had no use for more
CHARACTERS = 2000  # of what was asked, where it is kept: what is longer is mostly pasted
SURE = 0.5  # a large router that tells its confidence teaches from this one on
HALF_LIFE = 60 * 86_400.0  # seconds until a lesson counts half: routes and what people ask change within months
OLDEST = 10.0  # half-lives that are told apart: of a weight of next to nothing no head can be fitted
# A refit takes a second beside the requests: one comes with every tenth part of the lessons new, and at least so many.
GROWTH, AT_LEAST = 0.1, 20
LOOK = 60.0  # seconds until the lessons of other processes are looked for


class LargeRouterAway(Exception):  # noqa: N818 (no fault of anybody's)
    """The large router is known to be away, which was told already."""


class Lesson(NamedTuple):
    """What a large router decided."""

    route: str
    vector: "Tensor"  # of the request, read with what was said before it
    at: float  # seconds since 1970
    text: str | None = None  # of the request, if it may be kept


class LessonBook(Protocol):
    """Where lessons are kept, within a bound of its own."""

    def read(self) -> Sequence[Lesson] | None:
        """Give the lessons, oldest first; None where they are out of reach.

        Raises:
            ConfigurationError: the place of the lessons, or the encoder, is missing.
        """
        ...

    def add(self, lesson: Lesson) -> None:
        """Keep a lesson if that can be done, and let go of the oldest ones when there are too many.

        Raises:
            ConfigurationError: the place of the lessons is missing.
        """
        ...


class ClosedBook:
    """The lessons of another book, and no new ones."""

    def __init__(self, book: LessonBook) -> None:
        self._book = book

    def read(self) -> Sequence[Lesson] | None:
        """Give the lessons, oldest first; None where they are out of reach."""
        return self._book.read()

    def add(self, lesson: Lesson) -> None:
        """Keep nothing."""


class CascadeRouter:
    """Asks `large` only where `small` is not sure enough, and teaches `small` what it says.

    Args:
        small: the embedded router.
        large: any router; when it fails on a request, `small` decides.
        book: the lessons of this process and of others.
        target: the confidence from which on `small` decides alone; it is calibrated, so about the share it is right in.
        keep_text: whether a lesson holds what was asked, and not the embedding alone.
        clock: seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 (three routers' worth of parts, and three settings by name)
        self,
        small: SemanticRouter,
        large: Router,
        book: LessonBook,
        *,
        target: float = TARGET,
        keep_text: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._small, self._large, self._book = small, large, book
        self._target, self._keep_text, self._clock = target, keep_text, clock
        self._lock = threading.Lock()
        self._lessons = NO_LESSONS
        self._state = (0, 0.0)  # how many these are, and when the last one was learnt
        self._new = 0  # written since they were read
        self._read_at = float("-inf")
        self._refit: threading.Thread | None = None

    def load(self) -> None:
        """Load the large router, which a request that is easy does not need.

        Raises:
            ConfigurationError: it cannot be loaded.
        """
        if load := getattr(self._large, "load", None):
            load()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with one of the two.

        Raises:
            ConfigurationError: one of them cannot be loaded.
        """
        self._learn(routes)
        judged = self._small.judge([(conversation, routes)], self._lessons)[0]
        if judged.confidence >= self._target:
            return replace(make_reply(judged, routes), by="semantic")
        try:
            reply = self._large.reply(conversation, routes)
        except ConfigurationError:
            raise
        except LargeRouterAway:
            return make_reply(judged, routes)
        except Exception:
            logger.exception("the large router failed on this prompt; semantic decides")
            return make_reply(judged, routes)
        self._keep(reply, judged, conversation, routes)
        return replace(reply, by="large")

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Fit what the embedded router needs for these routes, with the lessons in use.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        with one_thread():
            self._small.head(routes, self._lessons)

    def settle(self) -> None:
        """Wait until what was learnt is in use."""
        if self._refit:
            self._refit.join()

    def _keep(
        self, reply: Reply, judged: Judgement, conversation: Sequence[Turn], routes: Sequence[RouteOption]
    ) -> None:
        """Make a lesson of an answer that names a route, unless the large router doubts it itself."""
        said = (parse_reply(reply.text).route or "").casefold()
        route = next((name for name in (*(route.name for route in routes), OTHER) if name.casefold() == said), None)
        if route is None or (reply.confidence is not None and reply.confidence < SURE):
            return
        asked = next((turn["content"] for turn in reversed(conversation) if turn["role"] == "user"), "")
        text = shorten(asked, CHARACTERS) if self._keep_text else None
        self._book.add(Lesson(route, judged.vector, self._clock(), text))
        with self._lock:
            self._new += 1

    def _learn(self, routes: Sequence[RouteOption]) -> None:
        """Take up new lessons: at once in the first request, later beside the requests."""
        with self._lock:
            first = self._read_at == float("-inf")
            due = self._new >= max(AT_LEAST, GROWTH * self._state[0]) or self._clock() - self._read_at >= LOOK
            if not due or (self._refit and self._refit.is_alive()):
                return
            self._read_at, self._new = self._clock(), 0
            here = copy_context()  # a store of the host's graph is found by the run that asks
            self._refit = threading.Thread(target=here.run, args=(self._take_up, routes), name="lessons", daemon=True)
            self._refit.start()
        if first:
            self._refit.join()

    def _take_up(self, routes: Sequence[RouteOption]) -> None:
        try:
            found = self._book.read()
            if found is None:  # those that are known stay in use
                return
            state = (len(found), found[-1].at if found else 0.0)
            if state == self._state:
                return
            lessons = _by_route(found, self._clock())
            with one_thread():
                self._small.head(routes, lessons)  # fitted before anybody needs it
        except ConfigurationError:  # the request will say so
            return
        except Exception:
            logger.exception("what the large router decided could not be learnt; going on without it")
            return
        self._lessons, self._state = lessons, state


def _by_route(lessons: Sequence[Lesson], now: float) -> Lessons:
    """Sort lessons by their routes, and weigh them by their age."""
    import torch

    grouped: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        grouped.setdefault(lesson.route, []).append(lesson)
    return Lessons(
        {route: torch.stack([lesson.vector for lesson in each]) for route, each in grouped.items()},
        {
            route: torch.tensor([0.5 ** min(max(0.0, now - lesson.at) / HALF_LIFE, OLDEST) for lesson in each])
            for route, each in grouped.items()
        },
    )
