"""The candidates of a route: gathered from history and catalog, and verified with the catalog before a call."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from omni_router.config.routes import Route
from omni_router.history import History, ModelRecord
from omni_router.hub.availability import passes, why_not
from omni_router.hub.catalog import Catalog, CatalogModel, Listing
from omni_router.hub.evidence import HubEvidence
from omni_router.hub.requirements import NO_REQUIREMENTS, Requirements
from omni_router.model_id import is_sandbox_model
from omni_router.own_models.joined_catalog import OwnCatalog
from omni_router.selection.grounds import without_evidence
from omni_router.selection.order import (
    MAX_CANDIDATES,
    Choice,
    Place,
    Situation,
    choices_in_order,
    cooling_down,
    rank_candidates,
)
from omni_router.selection.ranked_models import Ranking, RouteModels, prepare, rank_models
from omni_router.selection.routes import tasks_of
from omni_router.selection.scored_candidates import in_shadow, scored_candidates, with_grounds, with_remark
from omni_router.selection.sources import routes_by_services
from omni_router.services import Services
from omni_router.simulation import is_simulated
from omni_router.state import Candidate, Decision, Previous, RejectedCandidate, rejected, without_model


def candidates_by_route(
    services: Services,
    routes: Iterable[Route],
    previous: Previous | None,
    required: Mapping[str, Requirements] | None = None,
    *,
    with_failing: bool = False,
) -> dict[str, list[Candidate]]:
    """Return the candidates of each route, best first; sandbox models that a file holds are left out of real runs.

    Args:
        services: history, catalog, and what boards say about models.
        routes: the eligible ones.
        previous: what the thread did last.
        required: what a request requires on each route; listed models that do not pass its gates are left out, unless
            none passes. Without it all are candidates.
        with_failing: whether models that do not pass stay, so that each is rejected with its reason.
    """
    candidates: dict[str, list[Candidate]] = {}
    for sources, group in routes_by_services(services, routes, required or {}):
        request = _Request(sources, group, previous, required or {}, with_failing=with_failing)
        candidates |= {route.name: request.candidates(route) for route in group}
    if previous and previous.get("by_caller"):
        for candidate in candidates.get(previous["route"] or "", []):
            if candidate["model"] == previous["model"]:
                candidate["source"] = "caller"
    return candidates


class _Request:
    """What the candidates of all routes depend on, read once for a request."""

    def __init__(
        self,
        services: Services,
        routes: Sequence[Route],
        previous: Previous | None,
        required: Mapping[str, Requirements],
        *,
        with_failing: bool,
    ) -> None:
        self._services, self._previous, self._required = services, previous, required
        self._with_failing = with_failing
        self._listings = services.catalog.models(tasks_of(routes))
        if isinstance(services.evidence, HubEvidence):
            services.evidence.prepare = prepare
        self._snapshot = services.evidence.current() if services.evidence else None
        self._cooldowns, self._now = services.history.cooling(), datetime.now(timezone.utc)
        self._unused: dict[object, list[Candidate]] = {}  # by task and requirements, of routes without history

    def candidates(self, route: Route) -> list[Candidate]:
        """Return the candidates of a route: by score if boards know some of them, else history before catalog."""
        records = _records(self._services.history, route.name)
        ranking = self._ranking(route, records)
        if ranking is None:
            is_kept = isinstance(self._services.catalog, OwnCatalog)
            candidates = self._without_evidence(route, records)
            why = without_evidence(self._snapshot, is_kept=is_kept)
            if self._snapshot is None:
                return with_remark(candidates, why)
            return with_grounds(candidates, why)
        if self._services.shadow_evidence:
            return in_shadow(self._without_evidence(route, records), ranking)
        return scored_candidates(
            ranking,
            previous=thread_model(self._previous, route.name),
            cooldowns=self._cooldowns,
            now=self._now,
            with_failing=self._with_failing,
        )

    def _ranking(self, route: Route, records: Sequence[ModelRecord]) -> Ranking | None:
        """Return the models of a route by score; None without evidence about any of them."""
        if self._snapshot is None:
            return None
        required = self._required.get(route.name, Requirements())
        models = RouteModels(route, records, self._listings[route.task], required, self._now)
        return rank_models(models, self._snapshot)

    def _without_evidence(self, route: Route, records: Sequence[ModelRecord]) -> list[Candidate]:
        """Return the models of the history, then those of the catalog; routes that were not used share the work."""
        in_thread, needs = thread_model(self._previous, route.name), self._required.get(route.name)
        is_unused, key = not records and in_thread is None, (route.task, needs)
        if is_unused and key in self._unused:
            return [candidate.copy() for candidate in self._unused[key]]
        listing = self._listings[route.task]
        ranked = rank_candidates(records, listing, previous=in_thread, cooldowns=self._cooldowns, now=self._now)
        if needs and not self._with_failing:
            ranked = _without_failing(ranked, listing, needs)
        if is_unused:
            self._unused[key] = ranked
        return ranked


def thread_model(previous: Previous | None, route: str | None) -> str | None:
    """Return the model that a thread used last for a route."""
    if previous is None or previous["route"] != route:
        return None
    return previous["model"]


def verify_candidate(
    decision: Decision, candidate: Candidate, catalog: Catalog, required: Requirements = NO_REQUIREMENTS
) -> Decision:
    """Set a candidate as the decision's model if it is served for the task, or if the catalog is unavailable.

    Otherwise the decision has no model, and `passed_over` says why.
    """
    check = catalog.check(candidate["model"], candidate["provider"], str(decision["task"]), required)
    if check.refused:
        rejection = rejected(candidate, "refused", check.why, check.refused, check.gate)
        return {**without_model(decision), "passed_over": [*decision["passed_over"], rejection]}
    reasons = [candidate["why"]]
    if check.model != candidate["model"]:
        reasons.append(f"{candidate['model']} is now called {check.model}")
    if check.limited:
        reasons.append(check.provider_reason)
    if not check.verified:
        reasons.append(f"unverified: {check.why}")
    return {
        **decision,
        "model": check.model,
        "provider": check.provider,
        "provider_reason": check.provider_reason,
        "prefer": required.prefer,
        "estimated_cost": check.estimated_cost,
        "reason": "; ".join(filter(None, reasons)),
        "source": candidate["source"],
        "verified": check.verified,
    }


def verify_first_choice(
    decision: Decision,
    candidates: list[Candidate],
    situation: Situation,
    catalog: Catalog,
    required: Requirements = NO_REQUIREMENTS,
) -> Decision:
    """Set the first choice as the decision's model if the caller, a tool loop, the router or the thread named it.

    Otherwise, or if it may not be called, the decision has no model: history and catalog follow, in recall_model.
    """
    choices = choices_in_order(candidates, situation)
    first = _with_listed_grounds(choices[0], candidates)
    decision = {**decision, "passed_over": _proposal_rejected(choices, situation)}
    if first.place > Place.PICK:
        return decision
    verified = verify_candidate(decision, first.candidate, catalog, required)
    if first.place is Place.TOOL_LOOP and verified["model"] is None and first.candidate["provider"]:
        # The model goes on, by another provider if its own cannot: the conversation may have outgrown it.
        verified = verify_candidate(decision, {**first.candidate, "provider": None}, catalog, required)
    is_before_thread = first.place is Place.NEW_ID and len(choices) > 1 and choices[1].place is Place.THREAD
    if is_before_thread and verified["verified"] is False:
        why = "it could not be verified, and this thread has a model for the route"
        decision["passed_over"].append(rejected(first.candidate, "unverified", why))
        return verify_candidate(decision, choices[1].candidate, catalog, required)
    return verified


def _with_listed_grounds(choice: Choice, candidates: list[Candidate]) -> Choice:
    """Return the choice with what boards say for it, if the router picked it from the list."""
    candidate = choice.candidate
    for listed in candidates:
        if choice.place is Place.PICK and listed["model"] == candidate["model"] and "grounds" in listed:
            why = "; ".join(filter(None, (candidate["why"], listed["grounds"])))
            return choice._replace(candidate={**candidate, "why": why})
    return choice


def _without_failing(ranked: list[Candidate], listing: Listing, required: Requirements) -> list[Candidate]:
    """Return the candidates without listed models that do not pass the gates, which the next one mentions.

    All stay if no listed model passes: then each is rejected with its reason.
    """
    models = {model.id: model for model in listing}
    kept: list[Candidate] = []
    failing: list[CatalogModel] = []
    for candidate in ranked:
        model = models.get(candidate["model"])
        if model is None or candidate["source"] != "catalog":
            kept.append(candidate)
        elif passes(model, required):
            kept.append({**candidate, "why": candidate["why"] + _failed_before(failing, required)})
        else:
            failing.append(model)
    return kept if len(failing) < len(models) else ranked


def _failed_before(models: Sequence[CatalogModel], required: Requirements) -> str:
    """Return how many models did not pass before one that does, and the gates of the first of them."""
    if not models:
        return ""
    refusals = filter(None, (why_not(model, required) for model in models[:MAX_CANDIDATES]))
    gates = dict.fromkeys(str(refusal.gate).replace("_", " ") for refusal in refusals)
    return f"; {len(models)} before it did not pass: {', '.join(gates)}"


def _records(history: History, route: str) -> list[ModelRecord]:
    records = history.models(route)
    if is_simulated():
        return list(records)
    return [record for record in records if not is_sandbox_model(record["id"])]


def _proposal_rejected(choices: list[Choice], situation: Situation) -> list[RejectedCandidate]:
    """Return why the router's proposal is not the first choice; nothing if it is."""
    proposed, first = situation.proposed, choices[0]
    if proposed is None:
        return []
    if cooling := cooling_down(proposed["model"], situation.cooldowns, situation.now):
        return [rejected(proposed, "cooling_down", cooling)]
    if first.place is Place.THREAD and first.candidate["model"] != proposed["model"]:
        return [rejected(proposed, "thread_model", "this thread goes on with its model for the route")]
    return []
