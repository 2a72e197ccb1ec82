"""The rows of `--list-models ROUTE`: the models in the order of choice, each with the numbers that it depends on."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import NamedTuple

from omni_router.cli.model_table import Row
from omni_router.config.parameters import Prefer
from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.history import History, ModelRecord
from omni_router.history.cooldowns import Cooldowns
from omni_router.hub.catalog import Availability, CatalogModel, Listing
from omni_router.hub.evidence import ATTRIBUTION, EvidenceSnapshot, HubEvidence, boards_named
from omni_router.hub.listing import LIMIT
from omni_router.hub.requirements import Requirements, requirements_with
from omni_router.model_id import is_sandbox_model
from omni_router.own_models.joined_catalog import JoinedCatalog, OwnCatalog
from omni_router.selection.board_values import OWN_WEIGHT
from omni_router.selection.grounds import compared_with_first, grounds_of, without_evidence
from omni_router.selection.ranked_models import RankedModel, Ranking, RouteModels, rank_models
from omni_router.simulation import is_simulated

WAIT = 5.0  # seconds for boards that are not on disk: a person waits; the next command goes on from there


@dataclass(frozen=True)
class KnownModels:
    """A route, and where its models are known from."""

    route: Route
    served: Listing  # all that the catalog knows to be served for the task
    history: History
    catalog: JoinedCatalog | OwnCatalog
    prefer: Prefer | float | None = None  # of the command line or the environment; None: the route's

    @property
    def required(self) -> Requirements:
        """What the route requires of any request."""
        return requirements_with(Settings(prefer=self.prefer), 0, self.route.parameters)

    def look_up(self, model: str, provider: str | None) -> Availability:
        """Check a model that is in no list."""
        return self.catalog.check(model, provider, self.route.task, wait_for_fresh=True)

    def records(self) -> list[ModelRecord]:
        """Return the models of the route's history that a run may take."""
        records = self.history.models(self.route.name)
        if is_simulated():
            return list(records)
        return [record for record in records if not is_sandbox_model(record["id"])]


def rows_of_route(known: KnownModels, evidence: HubEvidence | None, *, shadow: bool) -> tuple[list[Row], list[str]]:
    """Return the models of a route in the order of choice, and remarks on what that is founded on.

    Args:
        known: the route and its models.
        evidence: what is published about models; None if it is not asked for.
        shadow: whether what it would choose is only shown.
    """
    if evidence is None:
        return _in_order(known, None, shadow=shadow), [f"{without_evidence(None)} (OMNI_EVIDENCE)"]
    snapshot = evidence.wait(WAIT)
    listing = known.catalog.models([known.route.task])[known.route.task]
    now = datetime.now(timezone.utc)
    ranking = rank_models(RouteModels(known.route, known.records(), listing, known.required, now), snapshot)
    return _in_order(known, ranking, shadow=shadow), _remarks(known.route, snapshot, ranking, shadow=shadow)


def _remarks(route: Route, snapshot: EvidenceSnapshot, ranking: Ranking | None, *, shadow: bool) -> list[str]:
    if ranking is None:
        return [without_evidence(snapshot)]
    remarks = [f"{len(snapshot.boards)} boards are known"]
    if own := boards_named(route.parameters.boards or (), snapshot.boards):
        names = ", ".join(sorted(own))
        remarks = [f"{remarks[0]}; the route's own count {OWN_WEIGHT:g} times as much as the others: {names}"]
    if shadow:
        remarks.append("OMNI_EVIDENCE=shadow: the scores are shown, and the order without them is used")
    if snapshot.missing:
        remarks.append(f"{len(snapshot.missing)} boards could not be read yet")
    if snapshot.ratings:
        remarks.append(ATTRIBUTION)
    return remarks


class Placed(NamedTuple):
    """A model that has a place in the order, and why."""

    model: str
    provider: str | None
    why: str


def _in_order(known: KnownModels, ranking: Ranking | None, *, shadow: bool) -> list[Row]:
    """Return a row for each model: those with a place in the order first; look up those that are in no list."""
    left = {model.id: model for model in known.served}
    ranked: dict[str, RankedModel] = {each.model: each for each in ranking.models} if ranking else {}
    cooldowns = known.history.cooling()
    rows: list[Row] = []
    placed = _by_record(known) if ranking is None or shadow else _by_score(ranking, cooldowns)
    for place, (name, provider, why) in enumerate(placed, 1):
        notes = [why, _cooling(name, cooldowns)]
        model = left.pop(name, None)
        if model is None:
            model = CatalogModel(name, ())
            notes.append(_standing(known.look_up(name, provider)))
        rows.append(Row(model, place, tuple(filter(None, notes))))
    rows += (Row(model, notes=_why_no_place(model.id, ranking, shadow=shadow)) for model in left.values())
    return [replace(row, required=known.required, ranked=ranked.get(row.model.id)) for row in rows]


def _why_no_place(model: str, ranking: Ranking | None, *, shadow: bool) -> tuple[str, ...]:
    """Return why a model that is served has no place by score; those that do not pass a gate say so themselves."""
    if ranking is None or shadow or model in ranking.failing:
        return ()
    return (f"not compared, since not among the first {LIMIT} that the Hub lists for the task",)


def _by_score(ranking: Ranking, cooldowns: Cooldowns) -> list[Placed]:
    """Return the models by score, and those last that are cooling down."""
    placed: list[Placed] = []
    for place, ranked in enumerate(ranking.models, 1):
        why = grounds_of(ranking, 1) if place == 1 else compared_with_first(ranking, place)
        placed.append(Placed(ranked.model, ranked.provider, why))
    return sorted(placed, key=lambda each: _cooling(each.model, cooldowns) is not None)


def _by_record(known: KnownModels) -> list[Placed]:
    """Return the models of the history, which come before those of the catalog where boards know none."""
    records = known.records()
    if not records:
        return []
    from omni_router.selection.order import rank_candidates

    cooldowns, now = known.history.cooling(), datetime.now(timezone.utc)
    return [
        Placed(candidate["model"], candidate["provider"], candidate["why"])
        for candidate in rank_candidates(records, (), cooldowns=cooldowns, now=now)
    ]


def _cooling(model: str, cooldowns: Cooldowns) -> str | None:
    """Return why a model is not called for the moment; LangGraph is not loaded for one that failed nowhere."""
    if model not in cooldowns:
        return None
    from omni_router.selection.order import cooling_down

    return cooling_down(model, cooldowns, datetime.now(timezone.utc))


def _standing(check: Availability) -> str | None:
    """Return what the Hub knows about a model that is not in any of its lists."""
    if check.refused or not check.verified:
        return check.why
    if check.provider is None:
        return "served"
    return f"served by {check.provider}"
