from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from typing_extensions import TypedDict


class Turn(TypedDict):
    """One message of a conversation as a router sees it: text only, a picture is the words [Image attached]."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True)
class RouteOption:
    """A route a router may choose, with the models it may name for it, best first."""

    name: str
    description: str  # short phrases, separated by semicolons or other marks
    examples: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()  # model ids, org/name
    counterexamples: tuple[str, ...] = ()  # requests that no route serves, for routers that learn from examples
    learned: frozenset[str] = frozenset()  # those of the examples that are users' words: a reason does not quote them


@dataclass(frozen=True)
class Reply:
    """What a router said: raw text, to be read by `parse_reply`, and how sure it is."""

    text: str
    confidence: float | None = None  # 0..1; None when the router cannot tell
    by: str | None = None  # the tier of a cascade that decided; None where one had to stand in for the other


class Router(Protocol):
    """Chooses a route, and a model for it, for the newest request of a conversation."""

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        """Answer with the JSON object `{"route", "model", "reason"}`, or route `other` when none fits.

        Args:
            conversation: oldest first; the last user turn holds the request to route.
            routes: at least one.

        Raises:
            ConfigurationError: the router cannot be loaded. What it raises otherwise counts as no reply.
        """
        ...
