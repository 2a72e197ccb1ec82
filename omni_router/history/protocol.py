from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from typing_extensions import NotRequired, Required, TypedDict

from omni_router.errors import ErrorKind


class LastFailure(TypedDict):
    """The newest failure that speaks against a model; taken away by a success."""

    at: str
    kind: str


class ModelRecord(TypedDict, total=False):
    """One model of one route, as it stands in route_config.json; times are UTC, ISO 8601, seconds, `Z`."""

    id: Required[str]  # org/name
    provider: str  # of an id written as org/name:provider
    first_seen: str
    last_used: str
    last_reason: str
    uses: int
    successes: int
    failures: dict[str, int]  # by error kind
    last_failure: LastFailure
    good: int  # verdicts of users and evaluators
    bad: int
    recent: list[str]  # the last calls, oldest first: "<at> <outcome> <seconds>s"
    median_seconds: float  # of the answered ones among them
    by_callers: int  # uses that a caller settled: they rank nothing
    decisions: list[str]  # the last ones counted here, each once: "<at> <id>"


class Cooling(TypedDict):
    """Why a model is not called for the moment, and until when."""

    kind: str  # of the failure
    until: str
    times: int  # failures of this kind in a row; the wait grows with them
    decision: NotRequired[str]  # the id of the one that failed last


@dataclass(frozen=True)
class UsageRecord:
    """An accepted decision and what came of it."""

    route: str
    model: str
    reason: str
    at: str
    outcome: ErrorKind | None = None  # None: answered, or nobody was called
    called: bool = True  # False: only routed
    seconds: float | None = None  # how long the call took
    retry_after: float | None = None  # seconds the server asked to wait
    by_caller: bool = False  # the caller settled it: it adds, ranks and cools nothing for others
    decision: str | None = None  # the id: a run that is resumed records its decision again, which is not counted again


@dataclass(frozen=True)
class Feedback:
    """What a user or an evaluator says of a decision afterwards.

    `good` and `bad` rate the model; `should_be` names the correct route instead. If its text is known, the request of a
    good decision, or of one with a correct route, becomes an example of that route.
    """

    route: str  # the one decided
    model: str
    verdict: Literal["good", "bad", "should_be"]
    correct_route: str | None = None  # a route, or `other`
    text: str | None = None  # of the request, if it may be kept


class History(Protocol):
    """A store of what was decided and what came of it."""

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route, in no particular order."""
        ...

    def cooling(self) -> Mapping[str, Sequence[Cooling]]:
        """Give the models that failed lately, each with its waits, some of which may be over."""
        ...

    def examples(self, route: str) -> Sequence[str]:
        """Give the requests that verdicts have made examples of a route, or of `other`."""
        ...

    def record(self, use: UsageRecord) -> str | None:
        """Store a use and name the place; None when there was nothing to store, or it has to wait."""
        ...

    def add_feedback(self, feedback: Feedback) -> str | None:
        """Store a verdict and name the place; None when there was nothing to store."""
        ...

    def export(self) -> list[dict[str, Any]]:
        """Give everything as entries of a route_config.json: name, models, learned."""
        ...

    def import_(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `export` gave, and say how many models and examples changed.

        Of each count the higher one holds, so that the same entries may be taken in twice, or come back.
        """
        ...
