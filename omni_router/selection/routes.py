"""Which routes a request may take, what a router is shown of them, and which route its reply leads to.

Nothing here imports LangGraph, so that a router can be measured without it. All who ask a router, or warm one up,
build its options here: a router that learns from its routes is fitted anew for every other set of them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from omni_router.config.routes import Document, Route, out_of_scope_examples_of
from omni_router.config.settings import Settings, fallback_route
from omni_router.errors import ConfigurationError
from omni_router.routers import OTHER, Proposal, Reply, RouteOption, Router, Turn
from omni_router.services import Services
from omni_router.tasks import TASKS

if TYPE_CHECKING:  # LangGraph comes with it
    from omni_router.state import Candidate

logger = logging.getLogger("omni_router")


def eligible_routes(routes: Iterable[Route], *, image_now: bool, image_before: bool) -> list[Route]:
    """Return the routes that can apply.

    An image in the newest request needs a route that takes images; without any image in the thread none of those can be
    meant; with an image in an earlier message any route can.
    """
    if image_before and not image_now:
        return list(routes)
    return [route for route in routes if TASKS[route.task].takes_images is image_now]


def routes_with_tools(routes: Iterable[Route]) -> list[Route]:
    """Return the routes that a request with tools may take."""
    return [route for route in routes if TASKS[route.task].takes_tools]


def tasks_of(routes: Iterable[Route]) -> list[str]:
    """Return the tasks of the routes, each once."""
    return list(dict.fromkeys(route.task for route in routes))


def usual_sets(routes: Sequence[Route]) -> list[list[Route]]:
    """Return the sets of routes that requests meet: with a text, with a text and tools, with an image; none twice."""
    text = eligible_routes(routes, image_now=False, image_before=False)
    image = eligible_routes(routes, image_now=True, image_before=True)
    sets: list[list[Route]] = []
    for each in (text, routes_with_tools(text), image):
        if each and each not in sets:
            sets.append(each)
    return sets


# ---- what a router is shown


def route_options(
    routes: Iterable[Route],
    learned: Callable[[str], Iterable[str]],
    out_of_scope_examples: Iterable[str],
    candidates: Mapping[str, Iterable["Candidate"]] | None = None,
) -> list[RouteOption]:
    """Return what a router is shown of the routes.

    Args:
        routes: the eligible ones.
        learned: returns the requests that feedback has added to the examples of a route, or of `other`.
        out_of_scope_examples: the requests that no route serves, as the policy lists them.
        candidates: the models of each route, best first; absent: no models are named.
    """
    others = tuple(dict.fromkeys((*out_of_scope_examples, *learned(OTHER))))
    models = candidates or {}
    return [_option(route, tuple(learned(route.name)), others, models.get(route.name, ())) for route in routes]


def options_of_services(
    services: Services, routes: Iterable[Route], candidates: Mapping[str, Iterable["Candidate"]] | None = None
) -> list[RouteOption]:
    """Return what a router is shown of the routes in a run with these services."""
    return route_options(routes, services.history.examples, out_of_scope_examples_of(services.policy), candidates)


def options_of_document(
    document: Document, routes: Iterable[Route], candidates: Mapping[str, Iterable["Candidate"]] | None = None
) -> list[RouteOption]:
    """Return what a router is shown of a policy file's routes, without any history outside of it."""

    def learned(name: str) -> Iterable[str]:
        return document.learned.get(name.casefold(), ())

    return route_options(routes, learned, document.out_of_scope_examples, candidates)


def ask_router(router: Router, conversation: Sequence[Turn], options: Sequence[RouteOption]) -> Reply | None:
    """Return the reply of the router; None if it fails on this prompt.

    Raises:
        ConfigurationError: the router cannot be loaded.
    """
    try:
        return router.reply(conversation, options)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on this prompt; the turn goes on without its reply")
        return None


def _option(
    route: Route, learned: tuple[str, ...], others: tuple[str, ...], candidates: Iterable["Candidate"]
) -> RouteOption:
    return RouteOption(
        route.name,
        route.description,
        examples=(*route.examples, *learned),
        candidates=tuple(map(_model_name, candidates)),
        out_of_scope_examples=others,
        learned=frozenset(learned) - frozenset(route.examples),
    )


def _model_name(candidate: "Candidate") -> str:
    if candidate["provider"] is None:
        return candidate["model"]
    return f"{candidate['model']}:{candidate['provider']}"


# ---- which route a reply leads to


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
