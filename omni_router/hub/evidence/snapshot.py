"""The rows of all boards as they are in memory: what a choice of model reads, at once."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from omni_router.hub.evidence.arena_names import ArenaNames

WITH_NOTES = "#notes"  # ends the name of the board of the values that were measured in a way of their own

# Why a row is left out.
MALFORMED = "malformed row"
PULL_REQUEST = "open pull request"
EXCLUDED_SOURCE = "excluded source"
QUANTISED = "quantised copy"
OTHER_TASK = "another task of the benchmark"
TOO_MANY = "more rows than are read"
OLDER = "older publish date"
UNKNOWN_NAME = "name of Arena that no served model has"
OTHER_VARIANT = "another variant of a model that has a closer name"
UNREADABLE = "board that may not be read"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """The value of one model on one board.

    Values with notes, such as "with tools", belong to a board of their own, whose name ends with #notes.
    """

    board: str
    model: str
    value: float
    lower_is_better: bool = False
    published: str | None = None  # the day as YYYY-MM-DD; None: the board does not say

    @property
    def notes(self) -> bool:
        """Whether the value was measured in a way that its notes describe."""
        return self.board.endswith(WITH_NOTES)


class Rating(NamedTuple):
    """A rating of Arena, under Arena's own name of the model."""

    board: str
    name: str
    organization: str
    rating: float
    published: str  # the day as YYYY-MM-DD


class MatchedRows(NamedTuple):
    """The rows of official boards, and those ratings of Arena whose model is served."""

    rows: tuple[BoardRow, ...]
    dropped: Mapping[str, int]  # by why, the rows left out when they were read as well as those without a served model


@dataclass(frozen=True)
class EvidenceSnapshot:
    """All that is known at a moment; another object whenever something has changed."""

    rows: tuple[BoardRow, ...] = ()  # of the official boards
    ratings: tuple[Rating, ...] = ()  # of Arena
    at: float | None = None  # when the oldest part was fetched, in seconds since 1970; None: nothing is known
    stale: bool = False  # a part was due to be fetched again, and could not be yet
    missing: tuple[str, ...] = ()  # what could never be fetched so far
    dropped: Mapping[str, int] = field(default_factory=dict)  # rows left out when they were read, by why

    @property
    def boards(self) -> frozenset[str]:
        """The names of all boards."""
        return frozenset(row.board for row in self.rows) | {rating.board for rating in self.ratings}

    def matched(self, served: Collection[str]) -> MatchedRows:
        """Return the rows in the form that `selection.board_values` takes.

        It takes milliseconds: call it once for a snapshot and a set of served models, not once a turn.

        Args:
            served: the ids that Arena's names are compared with.
        """
        names = ArenaNames(served)
        closest: dict[tuple[str, str], tuple[int, float, Rating]] = {}
        dropped = Counter(self.dropped)
        for rating in self.ratings:
            match = names.find(rating.name, rating.organization)
            if match is None:
                dropped[UNKNOWN_NAME] += 1
                continue
            key, rank = (rating.board, match.model), (match.removed, rating.rating, rating)
            if key in closest:
                dropped[OTHER_VARIANT] += 1
            # Of two variants that are as close, the lower rating: providers serve the one that thinks less.
            closest[key] = min(rank, closest.get(key, rank))
        ratings = tuple(
            BoardRow(board, model, value, published=rating.published)
            for (board, model), (_, value, rating) in closest.items()
        )
        return MatchedRows((*self.rows, *ratings), dict(dropped))


NOTHING = EvidenceSnapshot()


class Evidence(Protocol):
    """Knows what boards say about models."""

    def current(self) -> EvidenceSnapshot:
        """Return what is in memory: it never waits for the network and never raises.

        What is old is fetched in the background.
        """
        ...


def boards_named(names: Iterable[str], boards: Iterable[str]) -> frozenset[str]:
    """Return the boards that a route names in its policy.

    A name stands for the board, for that of its values with notes, and for all boards below it: the name of Arena's
    dataset and a config, for those of all categories.
    """
    wanted = frozenset(names)
    found = set()
    for board in boards:
        name = board.removesuffix(WITH_NOTES)
        parents = [name[:place] for place, letter in enumerate(name) if letter == "/"]
        if not wanted.isdisjoint((name, *parents)):
            found.add(board)
    return frozenset(found)
