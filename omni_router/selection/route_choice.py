"""Which route a reply leads to: the one that the router proposes, or its substitute where the router is not sure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from omni_router.config.routes import Route
from omni_router.config.settings import Settings, fallback_route
from omni_router.routers import OTHER, Proposal


class RouteChoice(NamedTuple):
    """The route of a request, or the reason why it has none."""

    route: Route | None
    reason: str
    is_proposed: bool  # False: another route than the router proposed


def choose_route(
    proposal: Proposal,
    confidence: float | None,
    settings: Settings,
    routes: Sequence[Route],
    eligible: Iterable[str],
) -> RouteChoice:
    """Return the route that the router proposes, if it may be taken and the router is sure enough, or its substitute.

    Args:
        proposal: what the router replied.
        confidence: how sure it is, if it can tell; below `Settings.min_confidence` the fallback route is taken.
        settings: those of the run.
        routes: the policy's.
        eligible: the names of the routes that the router could choose from.

    Raises:
        ConfigurationError: the settings name a fallback route that the policy does not have.
    """
    fallback = fallback_route(settings, routes)
    allowed = _still_there(eligible, routes)
    proposed = _route_named(proposal.route, allowed)
    unsure: str | None = None
    if fallback is not None and confidence is not None and confidence < settings.min_confidence:
        unsure = f"the router was only {confidence:.0%} sure of {proposal.route}"
    if proposed is not None and unsure is None:
        return RouteChoice(proposed, proposal.reason, is_proposed=True)
    route = first_eligible(settings, fallback, allowed)
    if route is None:
        if (proposal.route or OTHER).casefold() == OTHER:
            return RouteChoice(None, proposal.reason, is_proposed=False)
        return RouteChoice(None, _why_not(proposal, None), is_proposed=False)
    label = "first route that can serve this"
    if route == fallback:
        label = "fallback route"
    return RouteChoice(route, f"{label}: {unsure or _why_not(proposal, confidence)}", is_proposed=False)


def _route_named(name: str | None, routes: Iterable[Route]) -> Route | None:
    if name is None:
        return None
    for route in routes:
        if route.name.casefold() == name.casefold():
            return route
    return None


def _still_there(names: Iterable[str], routes: Sequence[Route]) -> list[Route]:
    """Return the routes of these names; the policy may have been edited since the router was asked."""
    named = [_route_named(name, routes) for name in names]
    return list(filter(None, named))


def first_eligible(settings: Settings, fallback: Route | None, eligible: Sequence[Route]) -> Route | None:
    """Return the route taken in place of the router's choice; None if the request is refused.

    That is the fallback route. If it cannot serve the request (it takes no image, or no tools), or if there is none and
    the caller gave a model or tools, which are to be used whatever the route, it is the first eligible route.
    """
    if fallback in eligible or not eligible:
        return fallback
    if fallback is None and settings.model is None and not settings.tools:
        return None
    return eligible[0]


def _why_not(proposal: Proposal, confidence: float | None) -> str:
    """Return why the router's choice is not taken."""
    if proposal.route is None:
        return "the router returned no readable route"
    if proposal.route.casefold() == OTHER:
        reason = "the router found no route that fits: other"
        if confidence is not None:
            reason = f"{reason} (confidence {confidence:.2f})"
        return reason
    return f"the router named {proposal.route!r}, which is not one of the routes it could choose from"
