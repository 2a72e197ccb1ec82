"""What a history stores, and the methods that each backend has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from typing_extensions import NotRequired, TypedDict

from omni_router.config.records import LastFailure, ModelRecord
from omni_router.errors import ErrorKind

if TYPE_CHECKING:  # LangGraph comes with it
    from omni_router.state import TokenUsage

__all__ = ["Cooling", "Feedback", "History", "LastFailure", "ModelRecord", "UsageRecord"]


class Cooling(TypedDict):
    """A cooldown: why a model is not called for the moment, and until when."""

    kind: ErrorKind  # the kind of the failure
    until: str
    times: int  # failures of this kind in a row; the cooldown grows with them
    decision: NotRequired[str]  # the id of the decision that failed last


@dataclass(frozen=True)
class UsageRecord:
    """An accepted decision and its outcome."""

    route: str
    model: str
    reason: str
    at: str
    outcome: ErrorKind | None = None  # None: answered, or no model was called
    called: bool = True  # False: only routed
    seconds: float | None = None  # how long the call took
    retry_after: float | None = None  # seconds the server asked to wait
    by_caller: bool = False  # the caller named the model: it adds, ranks and cools nothing for others
    usage: "TokenUsage | None" = None  # the tokens that the provider has counted
    cost: float | None = None  # US dollars
    is_cost_unknown: bool = False  # something came back whose cost is not known
    decision: str | None = None  # the id: a resumed run records its decision again, which is not counted twice


@dataclass(frozen=True)
class Feedback:
    """The rating of a decision by a user or an evaluator.

    `good` and `bad` rate the model; `should_be` names the correct route instead. If its text is known, the request of a
    good decision, or of one with a correct route, becomes an example of that route.
    """

    route: str  # the one decided
    model: str
    verdict: Literal["good", "bad", "should_be"]
    correct_route: str | None = None  # a route, or `other`
    text: str | None = None  # the text of the request, if it may be kept

    @property
    def example_of(self) -> str | None:
        """The route that the request becomes an example of, if its text is known."""
        if self.correct_route:
            return self.correct_route
        if self.verdict == "good":
            return self.route
        return None


class History(Protocol):
    """A store of decisions and their outcomes."""

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Return the models of a route, in no particular order."""
        ...

    def cooling(self) -> Mapping[str, Sequence[Cooling]]:
        """Return the models that failed recently, each with its cooldowns, some of which may be over."""
        ...

    def examples(self, route: str) -> Sequence[str]:
        """Return the requests that feedback has made examples of a route, or of `other`."""
        ...

    def record(self, use: UsageRecord) -> str | None:
        """Store a use, and return the place; None when there was nothing to store, or it has to wait."""
        ...

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store feedback, and return the place; None when there was nothing to store."""
        ...

    def export(self) -> list[dict[str, Any]]:
        """Return everything as entries of a route_config.json: name, models, learned."""
        ...

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Add what `export` returned, and return how many models and examples changed.

        The higher of two counts is kept, so that the same entries may be imported twice.
        """
        ...
