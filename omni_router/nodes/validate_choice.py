from datetime import datetime, timezone
from typing import Any

from omni_router.config.settings import Settings
from omni_router.hub.capabilities import required_capabilities
from omni_router.routers import OTHER, Proposal
from omni_router.selection.candidates import thread_model, verify_first_choice
from omni_router.selection.order import Situation
from omni_router.selection.overrides import callers_model, tool_loops_model
from omni_router.selection.routes import RouteChoice, choose_route
from omni_router.services import Services
from omni_router.state import Candidate, Decision, State


def validate_choice(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Turn the proposal into a decision; without a usable model its `model` is None, and `passed_over` says why.

    Raises:
        ConfigurationError: the settings name a fallback route that the policy does not have.
    """
    proposal = Proposal(**state["proposal"]) if state["proposal"] else Proposal(None, None, "the router gave no reply")
    routes = services.policy.routes()
    choice = choose_route(proposal, state["confidence"], settings, routes, state["candidates"])
    decision = _decision(choice, proposal, state)
    if choice.route is None:
        return {"decision": decision}
    caller = callers_model(settings)
    tool_loop = None if caller else tool_loops_model(state.get("messages", []), decision, services)
    is_explicit = caller is not None or tool_loop is not None
    is_route = (proposal.model or "").casefold() in {route.name.casefold() for route in routes}  # so it is not a model
    proposed = _proposed(proposal) if choice.is_proposed and not is_route and not is_explicit else None
    if not is_explicit and proposed is None:
        return {"decision": decision}  # history and catalog choose the model, in recall_model
    situation = Situation(
        datetime.now(timezone.utc),
        services.history.cooling(),
        thread_model(state["previous"], choice.route.name),
        caller,
        tool_loop,
        proposed,
    )
    candidates = state["candidates"].get(choice.route.name, [])
    return {
        "decision": verify_first_choice(
            decision, candidates, situation, services.catalog, required_capabilities(settings)
        )
    }


def _proposed(proposal: Proposal) -> Candidate | None:
    if proposal.model is None:
        return None
    return Candidate(model=proposal.model, provider=proposal.provider, source="router", why=proposal.reason)


def _decision(choice: RouteChoice, proposal: Proposal, state: State) -> Decision:
    """Return a decision for a route, without a model yet, or for no route."""
    route = choice.route
    other = OTHER if proposal.route else None
    return Decision(
        id=state["turn"],
        route=route.name if route else other,
        task=route.task if route else None,
        model=None,
        provider=None,
        reason=choice.reason,
        source=None,
        confidence=state["confidence"],
        verified=None,
        passed_over=[],
        proposed_route=proposal.route if route and not choice.is_proposed else None,
    )
