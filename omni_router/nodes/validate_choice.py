from typing import Any

from omni_router.config.policy import Route
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError
from omni_router.routers import OTHER, Proposal
from omni_router.services import Services
from omni_router.state import Decision, State


def validate_choice(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Turn the proposal into a decision; without a usable model its `model` is None.

    Raises:
        ConfigurationError: the fallback route is none of the policy.
    """
    proposal = Proposal(**state["proposal"]) if state["proposal"] else Proposal(None, None, "the router gave no reply")
    routes = {route.name.casefold(): route for route in services.policy.routes()}
    fallback = _fallback(settings, routes)
    route = routes.get(proposal.route.casefold()) if proposal.route else None
    if route is not None and route.name in state["candidates"]:
        return {"decision": _decision(route, proposal, state, usable=_is_usable(proposal.model, routes))}
    if fallback is not None:
        why = f"the fallback route, because {_refusal(proposal)}"
        return {"decision": _decision(fallback, proposal, state, usable=False, reason=why)}
    return {"decision": _no_decision(proposal, state)}


def _fallback(settings: Settings, routes: dict[str, Route]) -> Route | None:
    if settings.fallback_route is None:
        return None
    route = routes.get(settings.fallback_route.casefold())
    if route is None:
        known = ", ".join(route.name for route in routes.values())
        raise ConfigurationError(f"fallback_route is {settings.fallback_route!r}; the policy has {known}")
    return route


def _is_usable(model: str | None, routes: dict[str, Route]) -> bool:
    """Refuse a route's name in the place of a model; the rest was checked where the reply was read."""
    return model is not None and model.casefold() not in routes


def _decision(route: Route, proposal: Proposal, state: State, *, usable: bool, reason: str | None = None) -> Decision:
    return Decision(
        route=route.name,
        task=route.task,
        model=proposal.model if usable else None,
        provider=proposal.provider if usable else None,
        reason=reason or proposal.reason,
        source="router" if usable else None,
        confidence=state["confidence"],
    )


def _no_decision(proposal: Proposal, state: State) -> Decision:
    return Decision(
        route=OTHER if proposal.route else None,
        task=None,
        model=None,
        provider=None,
        reason=proposal.reason if (proposal.route or OTHER).casefold() == OTHER else _refusal(proposal),
        source=None,
        confidence=state["confidence"],
    )


def _refusal(proposal: Proposal) -> str:
    if proposal.route is None:
        return "the router gave no readable route"
    if proposal.route.casefold() == OTHER:
        return "the router found no route that fits"
    return f"the router named {proposal.route!r}, which is no route on offer here"
