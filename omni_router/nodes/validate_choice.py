from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.hub.requirements import requirements
from omni_router.routers import OTHER, Proposal
from omni_router.selection.candidates import thread_model, verify_first_choice
from omni_router.selection.order import Situation
from omni_router.selection.overrides import callers_model, replaced_answer, tool_loops_model, without_replaced
from omni_router.selection.route_choice import RouteChoice, choose_route
from omni_router.selection.sources import services_for
from omni_router.services import Services
from omni_router.state import Candidate, Decision, State, new_decision


def validate_choice(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Turn the proposal into a decision; without a usable model its `model` is None, and `passed_over` says why.

    Raises:
        ConfigurationError: the settings name a fallback route that the policy does not have.
    """
    proposal = Proposal(None, None, "the router returned no reply")
    if state["proposal"]:
        proposal = Proposal(**state["proposal"])
    routes = services.policy.routes()
    choice = choose_route(proposal, state["confidence"], settings, routes, state["candidates"])
    decision = _decision(choice, proposal, state)
    if choice.route is None:
        return {"decision": decision}
    if replaced := replaced_answer(settings, state.get("messages", [])):
        return {"decision": without_replaced(decision, replaced)}  # recall_model chooses the next best
    services = services_for(services, [choice.route], settings)
    situation = Situation(
        datetime.now(timezone.utc),
        services.history.cooling(),
        thread_model(state["previous"], choice.route.name),
        callers_model(settings),
    )
    if situation.caller is None:
        loop = tool_loops_model(state.get("messages", []), decision, services)
        situation = replace(situation, tool_loop=loop)
    if choice.is_proposed and not (situation.caller or situation.tool_loop):
        situation = replace(situation, proposed=_proposed(proposal, routes))
    if not (situation.caller or situation.tool_loop or situation.proposed):
        return {"decision": decision}  # history and catalog choose the model, in recall_model
    candidates = state["candidates"].get(choice.route.name, [])
    required = requirements(settings, state.get("messages", []), choice.route.parameters)
    return {"decision": verify_first_choice(decision, candidates, situation, services.catalog, required)}


def _proposed(proposal: Proposal, routes: Sequence[Route]) -> Candidate | None:
    """Return the model that the router named; some routers name a route in its place."""
    if proposal.model is None or proposal.model.casefold() in {route.name.casefold() for route in routes}:
        return None
    return Candidate(model=proposal.model, provider=proposal.provider, source="router", why=proposal.reason)


def _decision(choice: RouteChoice, proposal: Proposal, state: State) -> Decision:
    """Return a decision for a route, without a model yet, or for no route."""
    decision = new_decision(state["turn"], choice.reason, state["confidence"])
    if choice.route is not None:
        decision["route"], decision["task"] = choice.route.name, choice.route.task
        if not choice.is_proposed:
            decision["proposed_route"] = proposal.route
    elif proposal.route:
        decision["route"] = OTHER
    return decision
