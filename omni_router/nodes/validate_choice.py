from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from omni_router.config.routes import Route
from omni_router.config.settings import Settings, fallback_route
from omni_router.hub.capabilities import Needs, needs_of
from omni_router.routers import OTHER, Proposal
from omni_router.selection.order import cooling_down, rejected
from omni_router.selection.overrides import named_model, tool_loop
from omni_router.selection.verify import decide_for
from omni_router.services import Services
from omni_router.state import Candidate, Decision, RejectedCandidate, State


def validate_choice(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Turn the proposal into a decision; without a usable model its `model` is None, and `passed_over` says why.

    Raises:
        ConfigurationError: the settings name a fallback route that the policy does not have.
    """
    proposal = Proposal(**state["proposal"]) if state["proposal"] else Proposal(None, None, "the router gave no reply")
    routes = {route.name.casefold(): route for route in services.policy.routes()}
    fallback = fallback_route(settings, [*routes.values()])
    route = routes.get(proposal.route.casefold()) if proposal.route else None
    sure = state["confidence"]
    unsure = fallback is not None and sure is not None and sure < settings.min_confidence
    if route is not None and route.name in state["candidates"] and not unsure:
        decision = _undecided(route, proposal.reason, state)
    elif (taken := _substitute(settings, fallback, routes, state)) is not None:
        why = f"the router was only {sure:.0%} sure of {proposal.route}" if unsure else _refusal(proposal, sure)
        reason = f"{'fallback route' if taken == fallback else 'first route that can serve this'}: {why}"
        decision = {**_undecided(taken, reason, state), "proposed_route": proposal.route}
        proposal = replace(proposal, model=None)  # it was for another route
    else:
        return {"decision": _no_decision(proposal, state)}
    needs = needs_of(settings)
    if settled := _settled_model(settings, state, decision, services):
        return {"decision": decide_for(decision, settled, services.catalog, needs)}
    named = proposal.model is not None and proposal.model.casefold() not in routes  # a route's name is no model
    return {"decision": _with_model(decision, proposal, state, services, needs) if named else decision}


def _settled_model(settings: Settings, state: State, decision: Decision, services: Services) -> Candidate | None:
    """Give the model that is called whatever history says of it: the caller's, or that of a tool loop.

    What a loop's messages say may have been written by anybody: a model that the route does not offer is the caller's.
    """
    if settings.model is not None:
        model, provider = named_model(settings.model)
        return Candidate(model=model, provider=provider, source="caller", why="the caller named the model")
    loop = tool_loop(state.get("messages", []))
    if loop and loop.route == decision["route"]:
        source = loop.source if _offers(decision, loop.model, services) else "caller"
        return Candidate(model=loop.model, provider=loop.provider, source=source, why=decision["reason"])
    return None


def _offers(decision: Decision, model: str, services: Services) -> bool:
    """Return whether history or catalog has a model for the route of a decision."""
    route, task = str(decision["route"]), str(decision["task"])
    known = {record["id"] for record in services.history.models(route)}
    return model in known or any(model == listed.id for listed in services.catalog.models([task])[task])


def _with_model(decision: Decision, proposal: Proposal, state: State, services: Services, needs: Needs) -> Decision:
    """Decide between the model that the router named and the one that this thread used last for the route."""
    line = state["candidates"][str(decision["route"])]
    named = Candidate(model=str(proposal.model), provider=proposal.provider, source="router", why=proposal.reason)
    wanted, over = named, list[RejectedCandidate]()
    previous = state["previous"]
    last = (previous["route"], previous["model"]) if previous else None
    kept = line[0] if line and last == (decision["route"], line[0]["model"]) else None
    # A proposal that is only picked from the list gives way; an id of the router's own is a wish for another model.
    if kept and kept["model"] != named["model"] and any(named["model"] == candidate["model"] for candidate in line):
        over.append(rejected(named, "this thread goes on with its model for the route"))
        wanted = kept
    if cooling := cooling_down(wanted["model"], services.history.cooling(), datetime.now(timezone.utc)):
        return {**decision, "passed_over": [*over, rejected(wanted, cooling)]}
    decided = decide_for({**decision, "passed_over": over}, wanted, services.catalog, needs)
    if kept and wanted is named and decided["verified"] is False and kept["model"] != named["model"]:
        over.append(rejected(named, "it could not be verified, and this thread has a model for the route"))
        return decide_for({**decision, "passed_over": over}, kept, services.catalog, needs)
    return decided


def _substitute(settings: Settings, fallback: Route | None, routes: dict[str, Route], state: State) -> Route | None:
    """Return the route taken in place of the router's choice; None when the request is refused.

    That is the fallback route. Where it cannot serve the request (it takes no picture, or no tools), or there is none
    and the caller gave a model or tools, which are to be used whatever the route, it is the first eligible route.
    """
    names = [name.casefold() for name in state["candidates"]]
    eligible = [routes[name] for name in names if name in routes]  # the policy may have been edited meanwhile
    if fallback in eligible or not eligible:
        return fallback
    wanted = fallback is not None or settings.model is not None or bool(settings.tools)
    return eligible[0] if wanted else None


def _undecided(route: Route | None, reason: str, state: State) -> Decision:
    return Decision(
        id=state["turn"],
        route=route.name if route else None,
        task=route.task if route else None,
        model=None,
        provider=None,
        reason=reason,
        source=None,
        confidence=state["confidence"],
        verified=None,
        passed_over=[],
        proposed_route=None,
    )


def _no_decision(proposal: Proposal, state: State) -> Decision:
    reason = proposal.reason if (proposal.route or OTHER).casefold() == OTHER else _refusal(proposal, None)
    return {**_undecided(None, reason, state), "route": OTHER if proposal.route else None}


def _refusal(proposal: Proposal, sure: float | None) -> str:
    """Say why the router's choice is not taken."""
    if proposal.route is None:
        return "the router gave no readable route"
    if proposal.route.casefold() == OTHER:
        confidence = "" if sure is None else f" (confidence {sure:.2f})"
        return f"the router found no route that fits: other{confidence}"
    return f"the router named {proposal.route!r}, which is not one of the routes it could choose from"
