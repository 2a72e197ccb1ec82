"""The models of a route in the order of their scores, each with the grounds of its place."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from omni_router.config.routes import Route
from omni_router.history import ModelRecord
from omni_router.history.cooldowns import read_time
from omni_router.hub.catalog import CatalogModel, Listing
from omni_router.hub.evidence import EvidenceSnapshot
from omni_router.hub.requirements import Requirements
from omni_router.selection.board_values import UNKNOWN
from omni_router.selection.known_models import (
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
from omni_router.selection.remembered import Remembered
from omni_router.selection.scoring import ModelFacts, Score, faded, in_order, score_for

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


@dataclass(frozen=True)
class Ranking:
    """The models of a route by score, and those that do not pass the gates, with their terms."""

    models: tuple[RankedModel, ...] = ()
    failing: Mapping[str, Terms] = field(default_factory=dict)


_rankings: Remembered[Ranking | None] = Remembered(128)


def rank_models(
    route: Route,
    records: Sequence[ModelRecord],
    listing: Listing,
    *,
    snapshot: EvidenceSnapshot,
    required: Requirements,
    now: datetime,
) -> Ranking | None:
    """Return the models of a route's history and of the catalog by score; None where no board knows any of them.

    Args:
        route: whose boards count more than the others.
        records: the models of its history.
        listing: the models that the catalog lists for its task.
        snapshot: what is published about models.
        required: what a request requires; models that do not pass its gates have no score.
        now: the time at which old verdicts are weighed.
    """
    listed = {model.id for model in listing}
    others = tuple(record["id"] for record in records if record["id"] not in listed)
    evidence = route_evidence(snapshot, listing, others, route.parameters.boards or ())
    if not evidence.strengths:
        return None
    alike = rounded(required, listing)
    terms = terms_of(listing, alike)

    def rank() -> Ranking:
        return _rank(records, listing, evidence, terms, alike, now)

    key = (required.prefer, tuple(_facts_of(record, now) for record in records))
    return _rankings.get((evidence, terms), key, rank)


def _facts_of(record: ModelRecord, now: datetime) -> Hashable:
    """Return all of a record that counts here, so that it is the same for as long as the ranking is."""
    failures = sum(record.get("failures", {}).values())
    counts = tuple(record.get(name, 0) for name in ("successes", "good", "bad", "median_seconds"))
    return record["id"], record.get("provider"), failures, *counts, _age(record, now).days


def _age(record: ModelRecord, now: datetime) -> timedelta:
    return max(now - read_time(record.get("last_used", "")), timedelta())


def _rank(
    records: Sequence[ModelRecord],
    listing: Listing,
    evidence: RouteEvidence,
    terms: Mapping[str, Terms],
    required: Requirements,
    now: datetime,
) -> Ranking:
    by_id = {record["id"]: record for record in by_rank(records, now)}
    listed = {model.id: model for model in listing}
    known_terms = {**terms, **_terms_by_provider(by_id, listed, required)}
    ids = list(dict.fromkeys((*by_id, *listed)))
    failing = {model: known_terms[model] for model in ids if known_terms.get(model, NO_TERMS).refused}
    facts = [
        _facts(model, listed.get(model), by_id.get(model), evidence, known_terms.get(model, NO_TERMS), now)
        for model in ids
        if model not in failing
    ]
    ranked = [
        RankedModel(
            score,
            known_terms.get(score.model, NO_TERMS),
            evidence.standings.get(score.model),
            by_id.get(score.model),
        )
        for score in in_order(score_for(facts, required.prefer))
    ]
    return Ranking(tuple(ranked), failing)


def _terms_by_provider(
    records: Mapping[str, ModelRecord], listed: Mapping[str, CatalogModel], required: Requirements
) -> dict[str, Terms]:
    """Return the terms of the models that the history names with a provider."""
    return {
        name: model_terms(listed[name], required, record["provider"])
        for name, record in records.items()
        if record.get("provider") and name in listed
    }


def _facts(
    name: str,
    model: CatalogModel | None,
    record: ModelRecord | None,
    evidence: RouteEvidence,
    terms: Terms,
    now: datetime,
) -> ModelFacts:
    facts = ModelFacts(
        name,
        strength=evidence.strengths.get(name, UNKNOWN),
        price=terms.price,
        released=released(model) if model and model.created else None,
    )
    if record is None:
        return facts
    age = _age(record, now)
    return ModelFacts(
        name,
        facts.strength,
        facts.price,
        facts.released,
        answers=record.get("successes", 0),
        failures=sum(record.get("failures", {}).values()),
        good=faded(record.get("good", 0), age),
        bad=faded(record.get("bad", 0), age),
        seconds=record.get("median_seconds"),
    )
