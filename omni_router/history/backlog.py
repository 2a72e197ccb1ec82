"""Uses that wait to be written: single ones on their way, and sums once a write has failed, so that they stay small."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omni_router.config.records import ids_of, read_records
from omni_router.history.protocol import UsageRecord
from omni_router.history.usage import add_record, apply_usage

MOST = 1000  # pairs of a route and a model; of more, those that were used longest ago are dropped


@dataclass(eq=False)
class PendingUsage:
    """A use on its way into a store."""

    use: UsageRecord
    stored: bool = False

    def apply_to(self, models: list[Any]) -> bool:
        """Add the use to the raw `models` list of its route, in place; return whether there was something to store."""
        return apply_usage(models, self.use)


@dataclass(frozen=True)
class Sum:
    """The sum of the uses of a model on a route.

    A failure adds no model, and whether the model is there already is only known when the sum is written.
    """

    route: str
    model: str
    if_known: list[Any]  # one entry of `models`
    if_new: list[Any]  # one, or none while there were only failures

    def apply_to(self, models: list[Any]) -> bool:
        """Add the sum to the raw `models` list of its route, in place; return whether anything changed."""
        is_known = self.model in ids_of(read_records(models))
        entries = self.if_known if is_known else self.if_new
        for record in read_records(entries):
            add_record(models, record)
        return bool(entries)


@dataclass(frozen=True)
class Batch:
    """Sums that are written together, each of another pair of a route and a model.

    A writer numbers its batches, so that one that is sent again, since its first answer was lost, is not added twice.
    """

    writer: str
    number: int
    sums: Sequence[Sum]


class Backlog:
    """The sums, by route and model; the backlog is replaced by an empty one when they are written."""

    def __init__(self) -> None:
        self.uses = 0
        self._sums: dict[tuple[str, str], Sum] = {}

    def __iter__(self) -> Iterator[Sum]:
        """Iterate over the sums, the one that was used longest ago first."""
        return iter(list(self._sums.values()))

    def __len__(self) -> int:
        """Return how many sums there are."""
        return len(self._sums)

    def add(self, use: UsageRecord) -> None:
        """Add one more use."""
        key = use.route.strip().casefold(), use.model
        total = self._sums.pop(key, None) or Sum(use.route, use.model, [{"id": use.model}], [])
        apply_usage(total.if_known, use)
        apply_usage(total.if_new, use)
        self._sums[key] = total
        self.uses += 1
        if len(self._sums) > MOST:
            del self._sums[next(iter(self._sums))]

    def extend(self, pending: Iterable[PendingUsage]) -> None:
        """Add uses that could not be written one by one."""
        for each in pending:
            self.add(each.use)
