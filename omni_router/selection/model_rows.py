"""The models that are served for a task or a route: in the order of choice, with the numbers that it depends on."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, NamedTuple

from omni_router.config.parameters import Prefer
from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.history import History, ModelRecord
from omni_router.history.cooldowns import Cooldowns
from omni_router.hub.availability import choose, why_not
from omni_router.hub.capabilities import CatalogModel, ProviderEntry
from omni_router.hub.catalog import Availability, HubCatalog, Listing
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
DIGITS = 6  # of scores; more than are shown, so that those are rounded once


@dataclass(frozen=True)
class Row:
    """A model; for a route also whether it may be called, and, where the history has it, its place in the order."""

    model: CatalogModel
    place: int | None = None
    notes: tuple[str, ...] = ()
    required: Requirements | None = None  # what the route requires
    ranked: RankedModel | None = None  # what its score consists of, where boards know models of the route

    def out(self) -> str | None:
        """Return why the model may not be called for the route."""
        if self.required is None or not self.model.entries:
            return None
        refused = why_not(self.model, self.required)
        return refused.why if refused else None

    def as_json(self) -> dict[str, Any]:
        """Return the model with its providers, each with the gate that it does not pass."""
        providers = [{**asdict(entry), "gate": self._gate(entry)} for entry in self.model.entries]
        provider, expected = self._choice()
        return {
            "id": self.model.id,
            "providers": providers,
            "place": self.place,
            "notes": self.notes,
            "out": self.out(),
            "provider": provider,
            "expected_provider": expected,
            "provider_rule": self.required.provider_rule if self.required else None,
            "ranking": ranking_as_json(self.ranked) if self.ranked else None,
        }

    def _choice(self) -> tuple[str | None, str | None]:
        """Return the provider that the route's preference names, and the one that is expected to answer.

        The first is None where the choice is left to Hugging Face; both are where no provider may be called.
        """
        if self.required is None or not self.model.entries or self.out():
            return None, None
        choice = choose(self.model, self.required)
        return choice.provider, choice.expected.provider if choice.expected else None

    def _gate(self, entry: ProviderEntry) -> str | None:
        if self.required is None:
            return None
        refused = why_not(CatalogModel(self.model.id, (entry,)), self.required)
        return refused.gate if refused else None


def ranking_as_json(ranked: RankedModel) -> dict[str, Any]:
    """Return the numbers of a score."""
    score, facts = ranked.score, ranked.score.facts
    return {
        "score": round(score.total, DIGITS),
        "place_on_boards": ranked.standing.place if ranked.standing else None,
        "models_on_boards": ranked.standing.of if ranked.standing else None,
        "boards": facts.strength.boards,
        "prior": round(score.prior, DIGITS),
        "quality": round(score.quality, DIGITS),
        "availability": round(score.availability, DIGITS),
        "price": ranked.terms.price,
        "price_term": round(score.price_term, DIGITS),
        "latency_term": round(score.latency_term, DIGITS),
        "trial_term": round(score.trial_term, DIGITS),
    }


@dataclass(frozen=True)
class KnownModels:
    """A route, and where its models are known from."""

    route: Route
    served: Listing  # all that the catalog knows to be served for the task
    history: History
    catalog: HubCatalog | JoinedCatalog | OwnCatalog
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
