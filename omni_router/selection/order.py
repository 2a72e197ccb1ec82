"""The order of choice: which of a route's models is called first, and which after it.

`place_of` is the table that docs/order-of-choice.md shows, row by row, and `choices_in_order` puts candidates into that
order. Both are pure functions: whether a model is served is verified before it is called (candidates.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from omni_router.history.cooldowns import Cooldowns, active_cooldown
from omni_router.history.protocol import Cooling, ModelRecord
from omni_router.hub.catalog import CatalogModel
from omni_router.selection.ranking import by_rank, describe_record
from omni_router.state import Candidate, models_in

# Enough to choose from; a 1.5B router reads every one of them in its prompt, for every route.
MAX_CANDIDATES = 5

IN_THREAD = "this thread's model for the route"


class Place(IntEnum):
    """The rows of the table, the first choice first."""

    CALLER = 0
    TOOL_LOOP = 1
    NEW_ID = 2
    THREAD = 3
    PICK = 4
    SCORE = 5
    HISTORY = 6
    CATALOG = 7
    COOLING_DOWN = 8


class Row(NamedTuple):
    """The cells of a place in the published table."""

    model: str
    source: str
    condition: str


TABLE: dict[Place, Row] = {
    Place.CALLER: Row("the model of `Settings.model`; no other is called after it", "`caller`", "the same checks"),
    Place.TOOL_LOOP: Row(
        "in a tool loop, the model that called the tools",
        "that of the call; `caller` if neither history nor catalog has the model for the route",
        "the turn takes the route of the call; also while the model is cooling down",
    ),
    Place.NEW_ID: Row(
        "an id that the router named itself, which was not on its list",
        "`router`",
        "the catalog says it is served for the task; if the catalog is unavailable, only in a thread that has no "
        "model for the route",
    ),
    Place.THREAD: Row(
        "the model that this thread used last for the same route",
        "`history` or `catalog`, or `caller` if the caller had named it",
        "also before a proposal that is merely picked from the list, so that follow-ups stay",
    ),
    Place.PICK: Row("the router's pick from the list", "`router`", "the thread has no other model for this route"),
    Place.SCORE: Row(
        "the route's history and what the catalog lists for the task together, by [score](#score)",
        "`history` or `catalog`",
        "boards know some of these models, and `OMNI_EVIDENCE` is `on`",
    ),
    Place.HISTORY: Row("the route's history, by its [record](#without-evidence)", "`history`", "there are no scores"),
    Place.CATALOG: Row("what the catalog lists for the task, trending first", "`catalog`", "there are no scores"),
    Place.COOLING_DOWN: Row(
        "whatever is cooling down, the shortest remaining time first",
        "as above",
        "so that a route with a single model still answers",
    ),
}


@dataclass(frozen=True)
class Situation:
    """The facts that the order depends on, beside a route's candidates."""

    now: datetime
    cooldowns: Cooldowns = field(default_factory=dict)
    previous: str | None = None  # the model that this thread used last for the route
    caller: Candidate | None = None  # the model of `Settings.model`
    tool_loop: Candidate | None = None  # the model that waits for the results of its tools
    proposed: Candidate | None = None  # the model that the router named

    def cooldown(self, model: str) -> Cooling | None:
        """Return the cooldown of a model that ends last; None if the model is not cooling down."""
        if model not in self.cooldowns:
            return None
        return active_cooldown(self.cooldowns[model], self.now)


class Choice(NamedTuple):
    """A candidate and the place that it has."""

    candidate: Candidate
    place: Place


def place_of(candidate: Candidate, listed: Collection[str], situation: Situation) -> Place:
    """Return the row of the table for a candidate; `listed` are the models that the router could pick from."""
    model = candidate["model"]
    is_proposed = _names(situation.proposed, model)
    conditions = {
        Place.CALLER: _names(situation.caller, model),
        Place.TOOL_LOOP: _names(situation.tool_loop, model),
        Place.COOLING_DOWN: situation.cooldown(model) is not None,
        Place.NEW_ID: is_proposed and model not in listed,
        Place.THREAD: model == situation.previous,
        Place.PICK: is_proposed and not _thread_goes_on(listed, situation),
        Place.SCORE: "score" in candidate,
        Place.HISTORY: candidate["source"] != "catalog",
        Place.CATALOG: True,
    }
    for place, is_met in conditions.items():
        if is_met:
            return place
    raise AssertionError("the last condition is always met")


def choices_in_order(candidates: Sequence[Candidate], situation: Situation) -> list[Choice]:
    """Sort a route's candidates, and those that the situation adds, in the order of the table, each model once.

    Candidates of the same place stay in the order that they come in, but those that are cooling down, of which the one
    with the shortest remaining time comes first.
    """
    if situation.caller:
        return [Choice(situation.caller, Place.CALLER)]
    unique: dict[str, Candidate] = {}
    for candidate in (situation.tool_loop, situation.proposed, *candidates):
        if candidate:
            unique.setdefault(candidate["model"], candidate)
    listed = models_in(candidates)
    choices = [Choice(candidate, place_of(candidate, listed, situation)) for candidate in unique.values()]
    return sorted(choices, key=lambda choice: (choice.place, _remaining(choice, situation)))


def rank_candidates(
    records: Iterable[ModelRecord],
    listed: Iterable[CatalogModel],
    *,
    previous: str | None = None,
    cooldowns: Cooldowns,
    now: datetime,
) -> list[Candidate]:
    """Return a route's models, best first, each once: what a router is shown, and what follows the first choice.

    Args:
        records: the models of the route's history.
        listed: the models that the catalog lists for the task, in its order.
        previous: the model that this thread used last for the route.
        cooldowns: the models that failed lately.
        now: the time at which cooldowns are read and scores computed.
    """
    candidates: list[Candidate] = []
    for record in by_rank(records, now):
        provider, why = record.get("provider"), describe_record(record, now)
        candidates.append(Candidate(model=record["id"], provider=provider, source="history", why=why))
    for number, model in enumerate(listed, 1):
        why = f"number {number} in the catalog"
        candidates.append(Candidate(model=model.id, provider=None, source="catalog", why=why))
    for candidate in candidates:
        if candidate["model"] == previous:
            candidate["why"] = IN_THREAD
    situation = Situation(now, cooldowns, previous)
    return [choice.candidate for choice in choices_in_order(candidates, situation)]


def cooling_down(model: str, cooldowns: Cooldowns, now: datetime) -> str | None:
    """Return why a model is not called for the moment, and until when; None if it may be called."""
    cooldown = active_cooldown(cooldowns.get(model, ()), now)
    if cooldown is None:
        return None
    return f"cooling down after {cooldown['kind']} until {cooldown['until']}"


def untried(
    candidates: Iterable[Candidate],
    attempts: Iterable[Mapping[str, object]],
    rejections: Iterable[Mapping[str, object]],
) -> list[Candidate]:
    """Return the candidates that were neither called in this turn nor refused without a call."""
    excluded = models_in(attempts)
    for rejection in rejections:
        if rejection["kind"]:
            excluded.add(str(rejection["model"]))
    return [candidate for candidate in candidates if candidate["model"] not in excluded]


def _names(candidate: Candidate | None, model: str) -> bool:
    return candidate is not None and candidate["model"] == model


def _thread_goes_on(listed: Collection[str], situation: Situation) -> bool:
    """Return whether the thread has a model for the route that is still to be had."""
    previous = situation.previous
    return previous is not None and previous in listed and not situation.cooldown(previous)


def _remaining(choice: Choice, situation: Situation) -> str:
    """Return when a candidate's cooldown ends; the times sort as texts."""
    if choice.place is not Place.COOLING_DOWN:
        return ""
    cooldown = situation.cooldown(choice.candidate["model"])
    return cooldown["until"] if cooldown else ""
