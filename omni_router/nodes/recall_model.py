from datetime import datetime, timezone
from itertools import islice
from typing import Any

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.hub.capabilities import required_capabilities
from omni_router.selection.candidates import candidates_by_route, thread_model, verify_candidate
from omni_router.selection.order import Situation, choices_in_order, cooling_down, untried
from omni_router.selection.overrides import callers_model
from omni_router.services import Services
from omni_router.state import Attempt, Candidate, Decision, State, models_in, rejected

MAX_CHECKS = 10  # candidates a turn asks the Hub about, one after the other, before it gives up


def recall_model(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Choose the route's next model that is served and not tried in this turn; change no model if none is left."""
    decision, attempts = state["decision"], state["attempts"]
    if decision is None or decision["route"] is None or decision["task"] is None:
        return {}
    needs, previous = required_capabilities(settings), state["previous"]
    route = Route(decision["route"], decision["task"], description="")
    candidates = candidates_by_route(services, [route], previous, needs)[route.name]
    situation = Situation(
        datetime.now(timezone.utc),
        services.history.cooling(),
        thread_model(previous, route.name),
        callers_model(settings),
    )
    ordered = [choice.candidate for choice in choices_in_order(candidates, situation)]
    occasion = _occasion(decision, attempts)
    tried = models_in(attempts)
    for candidate in islice(untried(ordered, attempts, decision["passed_over"]), MAX_CHECKS):
        explained: Candidate = {**candidate, "why": f"{candidate['why']}; {occasion}"}
        recalled = verify_candidate(decision, explained, services.catalog, needs)
        if recalled["model"] and recalled["model"] not in tried:  # a renamed one may have been tried by its new name
            return {"decision": _note_cooldowns(recalled, ordered, situation, tried)}
        decision = {**decision, "passed_over": recalled["passed_over"]}
    return {"decision": decision}


def _occasion(decision: Decision, attempts: list[Attempt]) -> str:
    """Return why history and catalog are used for the choice."""
    if attempts:
        return f"after {attempts[-1]['model']} failed ({attempts[-1]['outcome']})"
    if decision["passed_over"]:
        refused = decision["passed_over"][-1]
        return f"{refused['model']}, the first choice, was rejected: {refused['why']}"
    if decision["proposed_route"] is not None:
        return decision["reason"]
    return f"the router named no usable model: {decision['reason']}".rstrip(": ")


def _note_cooldowns(decision: Decision, candidates: list[Candidate], situation: Situation, tried: set[str]) -> Decision:
    """Add the candidates that were not chosen because they are cooling down to those rejected."""
    rejections = list(decision["passed_over"])
    noted = {decision["model"], *tried, *models_in(rejections)}
    for candidate in candidates:
        cooling = cooling_down(candidate["model"], situation.cooldowns, situation.now)
        if cooling and candidate["model"] not in noted:
            rejections.append(rejected(candidate, "cooling_down", cooling))
    return {**decision, "passed_over": rejections}
