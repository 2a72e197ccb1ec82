from datetime import datetime, timezone
from typing import Any

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.hub.availability import LISTED_GATES
from omni_router.hub.requirements import Requirements, requirements
from omni_router.selection.candidates import candidates_by_route, thread_model, verify_candidate
from omni_router.selection.order import Situation, choices_in_order, cooling_down, untried
from omni_router.selection.overrides import callers_model
from omni_router.services import Services
from omni_router.state import Attempt, Candidate, Decision, RejectedCandidate, State, models_in, rejected

MAX_CHECKS = 10  # candidates a turn asks the Hub about, one after the other, before it gives up
MAX_REJECTIONS = 20  # candidates of which the decision keeps why they were not called


def recall_model(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Choose the route's next model that is served and not tried in this turn; change no model if none is left."""
    decision, attempts = state["decision"], state["attempts"]
    if decision is None or decision["route"] is None or decision["task"] is None:
        return {}
    route = _route(decision["route"], decision["task"], services)
    previous = state["previous"]
    required = requirements(settings, state["messages"], route.parameters)
    services = services.within([required])
    gathered = candidates_by_route(services, [route], previous, {route.name: required}, with_failing=True)
    situation = Situation(
        datetime.now(timezone.utc),
        services.history.cooling(),
        thread_model(previous, route.name),
        callers_model(settings),
    )
    ordered = [choice.candidate for choice in choices_in_order(gathered[route.name], situation)]
    tried = _tried(decision, attempts)
    open_ones = untried(ordered, attempts, decision["passed_over"])
    open_ones = [candidate for candidate in open_ones if candidate["model"] not in tried]
    decision = _first_callable(decision, open_ones, state, services, required)
    if decision["model"] not in (None, *tried):
        decision = _note_cooldowns(decision, ordered, situation, tried)
    return {"decision": decision}


def _tried(decision: Decision, attempts: list[Attempt]) -> set[str]:
    """Return the models that were called in this turn, or have answered the request before."""
    return {*models_in(attempts), *decision.get("instead_of", ())}


def _route(name: str, task: str, services: Services) -> Route:
    """Return the route of a decision; the policy may have been edited since it was made."""
    for route in services.policy.routes():
        if route.name == name and route.task == task:
            return route
    return Route(name, task, description="")


def _first_callable(
    decision: Decision, candidates: list[Candidate], state: State, services: Services, required: Requirements
) -> Decision:
    """Set the first candidate that may be called as the decision's model; without one it stays as it is."""
    attempts, checks = state["attempts"], 0
    occasion, tried = _occasion(decision, state), _tried(decision, attempts)
    for candidate in candidates:
        explained: Candidate = {**candidate, "why": f"{candidate['why']}; {occasion}"}
        recalled = verify_candidate(decision, explained, services.catalog, required)
        if recalled["model"] and recalled["model"] not in tried:  # a renamed one may have been tried by its new name
            return recalled
        rejections = recalled["passed_over"]
        if not (attempts or decision["passed_over"]):
            occasion = f"{occasion}; {_first_rejected(rejections)}"
        if not rejections or rejections[-1]["gate"] not in LISTED_GATES:  # the lists alone cannot tell
            checks += 1
        decision = {**decision, "passed_over": rejections[:MAX_REJECTIONS]}
        if checks == MAX_CHECKS:
            break
    return decision


def _occasion(decision: Decision, state: State) -> str:
    """Return why history and catalog are used for the choice."""
    attempts = state["attempts"]
    if attempts:
        return f"after {attempts[-1]['model']} failed ({attempts[-1]['outcome']})"
    if replaced := decision.get("instead_of"):
        return f"another model than {replaced[-1]} was asked for"
    if decision["passed_over"]:
        return _first_rejected(decision["passed_over"])
    if decision["proposed_route"] is not None or state["reply"] is None:  # the router was not asked
        return decision["reason"]
    return f"the router named no usable model: {decision['reason']}".rstrip(": ")


def _first_rejected(rejections: list[RejectedCandidate]) -> str:
    refused = rejections[-1]
    return f"{refused['model']}, the first choice, was rejected: {refused['why']}"


def _note_cooldowns(decision: Decision, candidates: list[Candidate], situation: Situation, tried: set[str]) -> Decision:
    """Add the candidates that were not chosen because they are cooling down to those rejected."""
    rejections = list(decision["passed_over"])
    noted = {decision["model"], *tried, *models_in(rejections)}
    for candidate in candidates:
        cooling = cooling_down(candidate["model"], situation.cooldowns, situation.now)
        if cooling and candidate["model"] not in noted:
            rejections.append(rejected(candidate, "cooling_down", cooling))
    return {**decision, "passed_over": rejections}
