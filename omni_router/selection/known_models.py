"""What is known of the models that a route may take, beside its history: strengths on boards, prices, gates.

Both are found out once for a snapshot of the evidence and a list of the catalog, not in each turn.
"""

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

from omni_router.hub.availability import choose, why_not
from omni_router.hub.capabilities import CatalogModel, Listing, ProviderEntry
from omni_router.hub.evidence import EvidenceSnapshot, boards_named
from omni_router.hub.gates import Unavailable, context_of
from omni_router.hub.requirements import Requirements
from omni_router.selection.board_values import BoardValues, Strength, board_values, strengths
from omni_router.selection.scoring import INPUT_SHARE, mixed_price


class Standing(NamedTuple):
    """The place of a model among those that the boards know."""

    place: int
    of: int


@dataclass(frozen=True)
class RouteEvidence:
    """What boards say about the models of a route; it is empty where they know none of them."""

    strengths: Mapping[str, Strength]
    standings: Mapping[str, Standing]


class Terms(NamedTuple):
    """On what terms a listed model may be called."""

    refused: Unavailable | None
    offer: ProviderEntry | None = None  # that is expected to answer; None where that is not known
    price: float | None = None  # US dollars for a million tokens


Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """The last results of a function whose large inputs are the same objects for as long as they have not changed."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._results: OrderedDict[Hashable, tuple[tuple[object, ...], Result]] = OrderedDict()

    def get(self, large: tuple[object, ...], small: Hashable, make: Callable[[], Result]) -> Result:
        """Return what was made of these inputs, or make it; the large ones are kept, so that no other has their id."""
        key = (*map(id, large), small)
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key][1]
        result = make()
        with self._lock:
            self._results[key] = (large, result)
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return result


_values: Remembered[BoardValues] = Remembered(16)
_evidence: Remembered[RouteEvidence] = Remembered(64)
_terms: Remembered[Mapping[str, Terms]] = Remembered(64)
_windows: Remembered[tuple[int, ...]] = Remembered(16)


def route_evidence(
    snapshot: EvidenceSnapshot, listing: Listing, others: tuple[str, ...], boards: tuple[str, ...]
) -> RouteEvidence:
    """Return what the boards say about the models of a route.

    Args:
        snapshot: the rows of all boards.
        listing: the models that the catalog lists for the task.
        others: the models of the route's history that are not listed.
        boards: those that the route names its own.
    """
    sources = snapshot.rows, snapshot.ratings  # they stay when the snapshot is only marked as stale

    def values() -> BoardValues:
        served = frozenset((*map(attrgetter("id"), listing), *others))
        return board_values(snapshot.matched(served).rows, served)

    def find() -> RouteEvidence:
        known = _values.get((*sources, listing), others, values)
        own = boards_named(boards, known.scales)
        dates: dict[str, date] = {}
        for model in listing:
            if model.created:
                dates[model.id] = released(model)
        return _with_standings(strengths(known, own, dates))

    return _evidence.get((*sources, listing), (others, boards), find)


def _with_standings(found: Mapping[str, Strength]) -> RouteEvidence:
    ordered = sorted(found, key=lambda model: -found[model].value)
    standings: dict[str, Standing] = {}
    for place, model in enumerate(ordered, 1):
        standings[model] = Standing(place, len(ordered))
    return RouteEvidence(found, standings)


def released(model: CatalogModel) -> date:
    """Return the day on which the Hub got a model of which it says that."""
    return datetime.fromtimestamp(model.created or 0, timezone.utc).date()


def terms_of(listing: Listing, required: Requirements) -> Mapping[str, Terms]:
    """Return on what terms each listed model may be called, for requirements that are `rounded`."""
    return _terms.get((listing,), required, lambda: {model.id: model_terms(model, required) for model in listing})


def model_terms(model: CatalogModel, required: Requirements, provider: str | None = None) -> Terms:
    """Return on what terms a model may be called, through one provider if the history names one."""
    if provider:
        model = replace(model, entries=tuple(entry for entry in model.entries if entry.provider == provider))
    if not model.entries:
        return Terms(None)
    if refused := why_not(model, required):
        return Terms(refused)
    offer = choose(model, required).expected
    price = mixed_price(*offer.prices) if offer and offer.prices else None
    return Terms(None, offer, price)


def _windows_of(listing: Listing) -> tuple[int, ...]:
    """Return the different sizes of the context windows of a list, the smallest first."""
    return tuple(sorted({context_of(entry) for model in listing for entry in model.entries}))


def rounded(required: Requirements, listing: Listing) -> Requirements:
    """Return the requirements with a length that fits the same windows of the list, so that many requests share it.

    It is the smallest of these windows, or more than all. Prices are compared for three tokens read and one written.
    """
    windows = _windows.get((listing,), None, lambda: _windows_of(listing))
    tokens = required.tokens
    if windows:
        place = bisect_left(windows, tokens)
        tokens = windows[place] if place < len(windows) else windows[-1] + 1
    tokens_out = round((1 - INPUT_SHARE) * tokens)
    return replace(required, tokens_in=tokens - tokens_out, tokens_out=tokens_out)
