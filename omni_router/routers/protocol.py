"""The contract of a router: its input, its answer, and what it may do before its first request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from typing_extensions import TypedDict


class Turn(TypedDict):
    """One message of a conversation as a router sees it: text only, an image is the words [Image attached]."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True)
class RouteOption:
    """A route a router may choose, with the models it may name for it, best first."""

    name: str
    description: str  # short phrases, separated by semicolons or other marks
    examples: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()  # model ids, org/name
    out_of_scope_examples: tuple[str, ...] = ()  # requests that no route serves, for routers that learn from examples
    learned: frozenset[str] = frozenset()  # the examples that are users' words: a reason does not quote them


@dataclass(frozen=True)
class Reply:
    """The answer of a router: raw text, to be read by `parse_reply`, and its confidence."""

    text: str
    confidence: float | None = None  # 0..1; None when the router has none
    by: str | None = None  # the tier of a cascade that decided; None where one had to stand in for the other


class RouteProbabilities(NamedTuple):
    """How probable each route is for a request."""

    of_routes: tuple[float, ...]  # by the order of the routes without `other`, if one of them fits; they sum to one
    in_domain: float  # the probability that one of them fits


class Router(Protocol):
    """Chooses a route, and a model for it, for the newest request of a conversation.

    `reply` is all that a router needs. One that also loads weights, or that learns from the routes, is a
    `PreparableRouter`.
    """

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the JSON object `{"route", "model", "reason"}`, or route `other` when none fits.

        Args:
            conversation: oldest first; the last user turn holds the request to route.
            routes: at least one.

        Raises:
            ConfigurationError: the router cannot be loaded. Any other exception counts as no reply.
        """
        ...


class RemoteRouter(Router, Protocol):
    """A router that something else answers for, and that fails with `EndpointFailed`, so that another stands by."""

    model: str  # its name there

    @property
    def title(self) -> str:
        """What answers, as messages name it: "endpoint http://localhost:8000"."""
        ...


@runtime_checkable
class PreparableRouter(Router, Protocol):
    """A router with work to do before its first request; a process that warms up calls these methods."""

    def load(self) -> None:
        """Load what every request needs, such as weights.

        Raises:
            ConfigurationError: it cannot be loaded.
        """
        ...

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Compute what requests on these routes need, so that none of them waits for it.

        Raises:
            ConfigurationError: the router cannot be loaded.
        """
        ...


@runtime_checkable
class ComparingRouter(Router, Protocol):
    """A router that can tell how alike two requests are, by the embedding with which it routes."""

    def likeness(self, first: str, second: str) -> float | None:
        """Return how alike two texts are: 1 for the same, about 0 for two with nothing in common; None: not known.

        Raises:
            ConfigurationError: the router cannot be loaded.
        """
        ...


@runtime_checkable
class ProbabilisticRouter(Router, Protocol):
    """A router that knows how probable each route is, and not only the one that it chooses."""

    def probabilities(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> RouteProbabilities:
        """Return how probable each route is for the newest request of a conversation.

        Raises:
            ConfigurationError: the router cannot be loaded.
        """
        ...


class BaseRouter:
    """The preparation of a router that has nothing to prepare: inherit from it, and override what applies."""

    def load(self) -> None:
        """Load nothing."""

    def prepare(self, routes: Sequence[RouteOption]) -> None:
        """Compute nothing."""


class _ReplyOnly(BaseRouter):
    """A router that has `reply` alone, with the preparation that does nothing."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        return self._router.reply(conversation, routes)


def preparable(router: Router) -> PreparableRouter:
    """Return the router itself if it can be prepared, else the same router with a preparation that does nothing."""
    if isinstance(router, PreparableRouter):
        return router
    return _ReplyOnly(router)
