"""The models of a route in the order of their scores, each with the grounds of its place."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from operator import attrgetter

from omni_router.config.records import bad_ratings
from omni_router.config.routes import Route
from omni_router.history import ModelRecord
from omni_router.history.cooldowns import read_time
from omni_router.hub.catalog import CatalogModel, Listing
from omni_router.hub.evidence import EvidenceSnapshot
from omni_router.hub.requirements import Requirements
from omni_router.selection.board_values import UNKNOWN
from omni_router.selection.known_models import (
    Remembered,
    RouteEvidence,
    Standing,
    Terms,
    model_terms,
    released,
    rounded,
    route_evidence,
    terms_of,
)
from omni_router.selection.ranking import by_rank
from omni_router.selection.scoring import ModelFacts, Score, in_order, score_for
from omni_router.selection.verdicts import faded

NO_TERMS = Terms(None)


@dataclass(frozen=True)
class RankedModel:
    """A model with its score, and what that consists of."""

    score: Score
    terms: Terms
    standing: Standing | None  # None: no board knows the model
    record: ModelRecord | None  # None: the route's history does not have the model

    @property
    def model(self) -> str:
        """The model."""
        return self.score.model

    @property
    def provider(self) -> str | None:
        """The provider that the history names."""
        return self.record.get("provider") if self.record else None


@dataclass(frozen=True)
class Ranking:
    """The models of a route by score, and those that do not pass the gates, with their terms."""

    models: tuple[RankedModel, ...] = ()
    failing: Mapping[str, Terms] = field(default_factory=dict)


@dataclass(frozen=True)
class RouteModels:
    """The models that a route may take for a request."""

    route: Route  # whose boards count more than the others
    records: Sequence[ModelRecord]  # the models of its history
    listing: Listing  # the models that the catalog lists for its task
    required: Requirements  # models that do not pass its gates have no score
    now: datetime  # at which old verdicts are weighed

    @cached_property
    def listed(self) -> Mapping[str, CatalogModel]:
        """The listed models by id."""
        return dict(zip(map(attrgetter("id"), self.listing), self.listing, strict=True))

    @cached_property
    def by_id(self) -> Mapping[str, ModelRecord]:
        """The records by id, the best first."""
        return {record["id"]: record for record in by_rank(self.records, self.now)}

    @cached_property
    def unlisted(self) -> tuple[str, ...]:
        """The models of the history that are not listed."""
        return tuple(record["id"] for record in self.records if record["id"] not in self.listed)

    def key(self) -> Hashable:
        """Return all that counts of the records, so that it is the same for as long as the ranking is."""
        return self.required.prefer, tuple(_counts(record, self.now) for record in self.records)


MAX_ROUTES = 64  # routes whose rankings are prepared

_rankings: Remembered[Ranking] = Remembered(128)
_latest: dict[str, RouteModels] = {}  # by route, what was ranked last


def rank_models(models: RouteModels, snapshot: EvidenceSnapshot) -> Ranking | None:
    """Return the models of a route's history and of the catalog by score; None where no board knows any of them."""
    if len(_latest) >= MAX_ROUTES:
        _latest.clear()
    _latest[models.route.name] = models
    return _ranking(models, snapshot)


def prepare(snapshot: EvidenceSnapshot) -> None:
    """Rank the models of the routes of late by a snapshot that nothing is chosen by yet; the rankings are kept."""
    for models in list(_latest.values()):
        _ranking(models, snapshot)


def _ranking(models: RouteModels, snapshot: EvidenceSnapshot) -> Ranking | None:
    boards = models.route.parameters.boards or ()
    evidence = route_evidence(snapshot, models.listing, models.unlisted, boards)
    if not evidence.strengths:
        return None
    models = replace(models, required=rounded(models.required, models.listing))
    terms = terms_of(models.listing, models.required)
    return _rankings.get((evidence, terms), models.key(), lambda: _rank(models, evidence, terms))


def _rank(models: RouteModels, evidence: RouteEvidence, terms: Mapping[str, Terms]) -> Ranking:
    known_terms = {**terms, **_terms_by_provider(models)}
    ids = dict.fromkeys((*models.by_id, *models.listed))
    failing: dict[str, Terms] = {}
    facts: list[ModelFacts] = []
    for name in ids:
        known = known_terms.get(name, NO_TERMS)
        if known.refused:
            failing[name] = known
        else:
            facts.append(_facts(models, name, evidence, known.price))
    ranked: list[RankedModel] = []
    for score in in_order(score_for(facts, models.required.prefer)):
        name = score.model
        known = known_terms.get(name, NO_TERMS)
        ranked.append(RankedModel(score, known, evidence.standings.get(name), models.by_id.get(name)))
    return Ranking(tuple(ranked), failing)


def _terms_by_provider(models: RouteModels) -> dict[str, Terms]:
    """Return the terms of the models that the history names with a provider."""
    terms: dict[str, Terms] = {}
    for name, record in models.by_id.items():
        if name in models.listed and (provider := record.get("provider")):
            terms[name] = model_terms(models.listed[name], models.required, provider)
    return terms


def _facts(models: RouteModels, name: str, evidence: RouteEvidence, price: float | None) -> ModelFacts:
    listed, record = models.listed.get(name), models.by_id.get(name)
    facts = ModelFacts(
        name,
        strength=evidence.strengths.get(name, UNKNOWN),
        price=price,
        released=released(listed) if listed and listed.created else None,
    )
    if record is None:
        return facts
    age, answers = _age(record, models.now), record.get("successes", 0)
    return replace(
        facts,
        answers=answers,
        recent_answers=faded(answers, age),
        failures=sum(record.get("failures", {}).values()),
        good=faded(record.get("good", 0), age),
        bad=faded(bad_ratings(record), age),
        seconds=record.get("median_seconds"),
    )


def _counts(record: ModelRecord, now: datetime) -> Hashable:
    failures = sum(record.get("failures", {}).values())
    answered, good, seconds = record.get("successes", 0), record.get("good", 0), record.get("median_seconds", 0)
    verdicts = good, bad_ratings(record), _age(record, now).days
    return record["id"], record.get("provider"), failures, answered, seconds, verdicts


def _age(record: ModelRecord, now: datetime) -> timedelta:
    return max(now - read_time(record.get("last_used", "")), timedelta())
