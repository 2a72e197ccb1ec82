"""The cascade: the embedded router answers when it is sure; otherwise a teacher answers, and the student learns.

So the share of requests that waits for the teacher falls with use. Teacher labels are trusted less than examples that
people wrote (see `head.LABEL_TRUST`), since a teacher is wrong as well, and the less the older they are.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace

from omni_router.errors import ConfigurationError
from omni_router.routers.cascade.labels import LabelStore, TeacherLabel, weigh_by_age
from omni_router.routers.cascade.teacher import ask, most_probable, named_route
from omni_router.routers.conversation import shorten
from omni_router.routers.protocol import (
    BaseRouter,
    ProbabilisticRouter,
    Reply,
    RouteOption,
    RouteProbabilities,
    Router,
    Turn,
    preparable,
)
from omni_router.routers.semantic.concurrency import single_threaded
from omni_router.routers.semantic.judgement import Judgement, make_reply
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.routers.semantic.training_set import NO_LABELS

logger = logging.getLogger("omni_router")

# From this confidence on the student decides alone. On 5,000 requests of CLINC150, from descriptions only and beside a
# teacher that is right in 93 %, these decisions were right in 97 to 99 %; from 0.85 on in 95 at first.
TARGET = 0.9
TEXT_CHARACTERS = 2000  # characters kept of a request: a longer one is mostly pasted
MIN_TEACHER_CONFIDENCE = 0.5  # if the teacher states its confidence, an answer below this makes no label
# A refit takes a second beside the requests: one comes with every tenth part of the labels new, and at least so many.
GROWTH, MIN_NEW_LABELS = 0.1, 20
RELOAD_SECONDS = 60.0  # seconds until the labels of other processes are read


class CascadeRouter(BaseRouter):
    """Asks the teacher only where the student is not sure enough, and has the student learn from its answers.

    Args:
        student: the embedded router.
        teacher: any router; when it fails on a request, the student decides.
        store: the labels of this process and of others.
        target: the confidence from which on the student decides alone; it is calibrated, so that about this share of
            its decisions is right.
        keep_text: whether a label holds the text of the request, and not its embedding alone.
        clock: seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 (three parts, and three settings by name)
        self,
        student: SemanticRouter,
        teacher: Router,
        store: LabelStore,
        *,
        target: float = TARGET,
        keep_text: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.student, self.teacher, self.store = student, teacher, store
        self.target, self.keep_text, self._clock = target, keep_text, clock
        self._lock = threading.Lock()
        self._labels = NO_LABELS
        self._learnt = (0, 0.0)  # how many labels these are, and when the last one was made
        self._new = 0  # written since the labels were read
        self._read_at = float("-inf")
        self._refit: threading.Thread | None = None

    @property
    def labels_in_use(self) -> int:
        """The number of teacher labels that the student has learned from."""
        return self._learnt[0]

    def likeness(self, first: str, second: str) -> float | None:
        """Return how alike two texts are to the student.

        Raises:
            ConfigurationError: it cannot be loaded.
        """
        return self.student.likeness(first, second)

    def load(self) -> None:
        """Load the teacher, which an easy request does not need.

        Raises:
            ConfigurationError: it cannot be loaded.
        """
        preparable(self.teacher).load()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with one of the two.

        Raises:
            ConfigurationError: one of them cannot be loaded.
        """
        self._update_labels(routes)
        judgement = self.student.judge([(conversation, routes)], self._labels)[0]
        if judgement.confidence >= self.target:
            return replace(make_reply(judgement, routes), by="semantic")
        reply = ask(self.teacher.reply, conversation, routes)
        if reply is None:
            return make_reply(judgement, routes)
        self._keep(named_route(reply, routes), reply.confidence, judgement, conversation)
        return replace(reply, by="large")

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return how probable each route is to the student, or to the teacher where the student is not sure enough.

        A teacher that has no probabilities is not asked.

        Raises:
            ConfigurationError: one of them cannot be loaded.
        """
        self._update_labels(routes)
        judgement = self.student.judge([(conversation, routes)], self._labels)[0]
        if judgement.confidence >= self.target or not isinstance(self.teacher, ProbabilisticRouter):
            return judgement.probabilities
        taught = ask(self.teacher.probabilities, conversation, routes)
        if taught is None:
            return judgement.probabilities
        self._keep(*most_probable(taught, routes), judgement, conversation)
        return taught

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Fit the student's head for these routes, with the labels in use.

        Raises:
            ConfigurationError: the encoder cannot be loaded.
        """
        with single_threaded():
            self.student.head(routes, self._labels)

    def settle(self) -> None:
        """Wait until the labels that have been read are in use."""
        if self._refit:
            self._refit.join()

    def _keep(
        self, route: str | None, confidence: float | None, judgement: Judgement, conversation: Sequence[Turn]
    ) -> None:
        """Store a label for an answer that names a route, unless the teacher itself doubts it."""
        doubted = confidence is not None and confidence < MIN_TEACHER_CONFIDENCE
        if route is None or doubted:
            return
        text: str | None = None
        if self.keep_text:
            text = shorten(_newest_request(conversation), TEXT_CHARACTERS)
        self.store.add(TeacherLabel(route, judgement.vector, self._clock(), text))
        with self._lock:
            self._new += 1

    def _update_labels(self, routes: Sequence[RouteOption]) -> None:
        """Start to use new labels: at once in the first request, later beside the requests."""
        with self._lock:
            first = self._read_at == float("-inf")
            if not self._is_refit_due() or (self._refit and self._refit.is_alive()):
                return
            self._read_at, self._new = self._clock(), 0
            context = copy_context()  # a store of the host's graph is found through the run that asks
            self._refit = threading.Thread(target=context.run, args=(self._learn, routes), name="labels", daemon=True)
            self._refit.start()
        if first:
            self._refit.join()

    def _is_refit_due(self) -> bool:
        if self._new >= max(MIN_NEW_LABELS, GROWTH * self._learnt[0]):
            return True
        return self._clock() - self._read_at >= RELOAD_SECONDS

    def _learn(self, routes: Sequence[RouteOption]) -> None:
        try:
            stored = self.store.read()
            if stored is None:  # the labels in use stay in use
                return
            learnt = (len(stored), stored[-1].at if stored else 0.0)
            if learnt == self._learnt:
                return
            labels = weigh_by_age(stored, self._clock())
            with single_threaded():
                self.student.head(routes, labels)  # fitted before any request needs it
        except ConfigurationError:  # the request raises it, too
            return
        except Exception:
            logger.exception("the large router's decisions could not be learned; continuing without them")
            return
        self._labels, self._learnt = labels, learnt


def _newest_request(conversation: Sequence[Turn]) -> str:
    for turn in reversed(conversation):
        if turn["role"] == "user":
            return turn["content"]
    return ""
