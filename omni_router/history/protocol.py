from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import Required, TypedDict

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


@dataclass(frozen=True)
class Use:
    """An accepted decision and what came of it."""

    route: str
    model: str
    reason: str
    at: str
    outcome: ErrorKind | None = None  # None: answered, or nobody was called
    called: bool = True  # False: only routed


class History(Protocol):
    """A store of uses."""

    def models(self, route: str) -> Sequence[ModelRecord]:
        """Give the models of a route, best first."""
        ...

    def record(self, use: Use) -> str | None:
        """Store a use and name the place; None when there was nothing to store, or it has to wait."""
        ...
