"""Uses that could not be written yet, added up, so that they stay small however many they become."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omni_router.config.records import read_record
from omni_router.history.protocol import UsageRecord
from omni_router.history.usage import add, apply_usage

MOST = 1000  # pairs of a route and a model; of more, those that were used longest ago are let go


@dataclass(frozen=True)
class Sum:
    """What the uses of a model on a route add up to.

    A failure adds no model, and whether the model is there already is only known when the sum is written.
    """

    route: str
    model: str
    if_known: list[Any]  # one entry of `models`
    if_new: list[Any]  # one, or none while there were only failures

    def add_to(self, models: list[Any]) -> bool:
        """Add it to the raw `models` list of its route, in place; tell whether anything changed."""
        known = any(record["id"] == self.model for record in map(read_record, models) if record)
        given = [read_record(entry) for entry in (self.if_known if known else self.if_new)]
        for record in filter(None, given):
            add(models, record)
        return bool(given)


class Backlog:
    """The sums, by route and model; as a whole it is thrown away once they are written."""

    def __init__(self) -> None:
        self.uses = 0
        self._sums: dict[tuple[str, str], Sum] = {}

    def __iter__(self) -> Iterator[Sum]:
        """Go over the sums, the one that was used longest ago first."""
        return iter(list(self._sums.values()))

    def __len__(self) -> int:
        """Return how many sums there are."""
        return len(self._sums)

    def add(self, use: UsageRecord) -> None:
        """Add one more use."""
        key = use.route, use.model
        found = self._sums.pop(key, None) or Sum(use.route, use.model, [{"id": use.model}], [])
        apply_usage(found.if_known, use)
        apply_usage(found.if_new, use)
        self._sums[key] = found
        self.uses += 1
        if len(self._sums) > MOST:
            del self._sums[next(iter(self._sums))]
