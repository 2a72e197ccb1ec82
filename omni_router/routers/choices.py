"""Choices in words: one of a few labels for a text or a conversation, whatever the labels are, with probabilities.

Each label is a route made for the question, with its description and, where there are some, examples. A set of labels
that was asked for before costs no fit: a semantic router keeps the heads of the last few sets.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.routers.cascade.labels import LabelStore, MemoryLabelStore
from omni_router.routers.cascade.router import TARGET, CascadeRouter
from omni_router.routers.protocol import (
    BaseRouter,
    ProbabilisticRouter,
    Reply,
    RouteOption,
    RouteProbabilities,
    Router,
    Turn,
)
from omni_router.routers.semantic.concurrency import LruCache
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.tasks import OTHER

# The labels that stand for "none of these" wherever they are among the choices; LangChain's documentation names both.
ABSTENTIONS = ("other", "none_of_the_above")
MAX_SETS = 16  # sets of choices whose heads are kept in memory: of ten descriptions each, a few megabytes in all


@dataclass(frozen=True)
class Option:
    """One of the labels to choose from."""

    label: str
    description: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The label that was chosen, and the probability of each."""

    label: str
    probabilities: dict[str, float]  # by label, in the order of the options; they sum to one
    confidence: float  # the probability of the label


class Abstained(OmniRouterError):  # noqa: N818 (a state, not an error)
    """No label is probable enough, and none of them stands for that."""


def abstention_of(options: Sequence[Option], label: str | None = None) -> str | None:
    """Return the label that stands for none of the others: the one that is named, else one of `ABSTENTIONS`.

    Raises:
        InvalidRequest: the one that is named is not among the options, or `other` is as well.
    """
    labels: list[str] = list(map(attrgetter("label"), options))
    if label is not None:
        if label not in labels:
            raise InvalidRequest(f"there is no choice {label!r} to abstain to; there are {', '.join(labels)}")
        if OTHER in labels and label != OTHER:
            raise InvalidRequest(f"{OTHER!r} is among the choices, so that {label!r} cannot be the one to abstain to")
        return label
    for each in labels:
        if each.casefold().replace(" ", "_").replace("-", "_") in ABSTENTIONS:
            return each
    return None


def choose(
    router: ProbabilisticRouter,
    conversation: Sequence[Turn],
    options: Sequence[Option],
    *,
    min_confidence: float = 0.0,
    abstain_to: str | None = None,
) -> Choice:
    """Choose one of the options for the newest request of a conversation.

    With a label for none of the others, that label gets the probability that no other fits. Without one, one of them
    is taken to fit.

    Args:
        router: knows how probable each option is.
        conversation: oldest first; the last user turn is what is judged, in the light of the earlier ones.
        options: with labels of their own, at least one.
        min_confidence: below this probability no label is chosen but the one for none of the others.
        abstain_to: the label for none of the others; absent: see `abstention_of`.

    Raises:
        Abstained: no option is probable enough, and there is no such label.
        ConfigurationError: the router cannot be loaded.
        InvalidRequest: `abstain_to` is not among the options.
    """
    none = abstention_of(options, abstain_to)
    probabilities = _probabilities(router, conversation, options, none)
    best = max(probabilities, key=probabilities.__getitem__)
    if probabilities[best] < min_confidence:
        if none is None:
            raise Abstained(
                f"the most probable choice is {best!r} with {probabilities[best]:.0%}, and {min_confidence:.0%} is "
                f"asked for; a choice named {' or '.join(ABSTENTIONS)} would be chosen now"
            )
        best = none
    return Choice(best, probabilities, probabilities[best])


def _probabilities(
    router: ProbabilisticRouter, conversation: Sequence[Turn], options: Sequence[Option], none: str | None
) -> dict[str, float]:
    """Return the probability of each label."""
    none_examples: tuple[str, ...] = ()
    for option in options:
        if option.label == none:
            none_examples = option.examples
    routes: list[RouteOption] = []
    for label, description, examples in map(attrgetter("label", "description", "examples"), options):
        if label != none:
            routes.append(RouteOption(label, description, examples, out_of_scope_examples=none_examples))
    labels: list[str] = list(map(attrgetter("name"), routes))
    if none is None:
        return dict(zip(labels, _flattened(router.probabilities(conversation, routes)), strict=True))
    if not routes:
        return {none: 1.0}
    of_routes, in_domain = router.probabilities(conversation, routes)
    by_label = dict(zip(labels, of_routes, strict=True))
    result: dict[str, float] = {}
    for option in options:
        result[option.label] = in_domain * by_label.get(option.label, 0.0)
    return {**result, none: 1.0 - in_domain}


def _flattened(known: RouteProbabilities) -> list[float]:
    """Return the probabilities of the routes, nearer to each other the less a request is like any of them.

    Their logarithms are multiplied by the probability that one of them fits. Chosen on CLINC150's ten domains and the
    own set's descriptions (benchmarks/decisions.py).
    """
    powers = [of_route**known.in_domain for of_route in known.of_routes]
    total = math.fsum(powers)
    return [power / total for power in powers]


class CascadePerSet(BaseRouter):
    """A cascade for each set of routes, with labels of its own: what one set has taught says nothing about another.

    Args:
        student: the embedded router, whose heads all of them share.
        teacher: any router.
        store: opens the labels of a new set.
        target: the confidence from which on the student decides alone.
        max_sets: how many sets are kept.
    """

    def __init__(
        self,
        student: SemanticRouter,
        teacher: Router,
        store: Callable[[], LabelStore] = MemoryLabelStore,
        *,
        target: float = TARGET,
        max_sets: int = MAX_SETS,
    ) -> None:
        self._student, self._teacher, self._store, self._target = student, teacher, store, target
        self._cascades: LruCache[object, CascadeRouter] = LruCache(max_sets)
        self._lock = threading.Lock()

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the cascade for these routes.

        Raises:
            ConfigurationError: one of its routers cannot be loaded.
        """
        return self.cascade(routes).reply(conversation, routes)

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return how probable each route is to the cascade for these routes.

        Raises:
            ConfigurationError: one of its routers cannot be loaded.
        """
        return self.cascade(routes).probabilities(conversation, routes)

    def cascade(self, routes: Sequence[RouteOption]) -> CascadeRouter:
        """Return the cascade for these routes."""
        key = tuple(map(attrgetter("name", "description", "examples", "out_of_scope_examples"), routes))
        with self._lock:
            cascade = self._cascades.get(key)
            if cascade is None:
                cascade = CascadeRouter(self._student, self._teacher, self._store(), target=self._target)
                self._cascades.put(key, cascade)
            return cascade
