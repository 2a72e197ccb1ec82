"""Which routes a request may take, and what a router is shown of them.

Apart from `choice`, so that a router can be measured without LangGraph. Whoever asks a router, or warms one up, builds
what it is shown here: a router that learns from its routes fits anew for every other set of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from omni_router.config.routes import Document, Route, counterexamples_of
from omni_router.routers import OTHER, RouteOption
from omni_router.tasks import TASKS

if TYPE_CHECKING:
    from omni_router.services import Services
    from omni_router.state import Candidate


def eligible_routes(routes: Iterable[Route], *, picture_now: bool, picture_before: bool) -> list[Route]:
    """Leave out the routes that cannot apply.

    A picture in the newest request needs a route that takes pictures; without any picture in the thread none of those
    can be meant; with one further up both may.
    """
    if picture_now:
        return [route for route in routes if TASKS[route.task].takes_images]
    return [route for route in routes if picture_before or not TASKS[route.task].takes_images]


def routes_with_tools(routes: Iterable[Route]) -> list[Route]:
    """Return the routes that a request with tools may take."""
    return [route for route in routes if TASKS[route.task].takes_tools]


def usual_sets(routes: Sequence[Route]) -> list[list[Route]]:
    """Return the sets of routes that requests meet: with a text, with a text and tools, with an image; none twice."""
    text = eligible_routes(routes, picture_now=False, picture_before=False)
    image = eligible_routes(routes, picture_now=True, picture_before=True)
    sets: list[list[Route]] = []
    for each in (text, routes_with_tools(text), image):
        if each and each not in sets:
            sets.append(each)
    return sets


def route_options(
    routes: Iterable[Route],
    learned: Callable[[str], Iterable[str]],
    counterexamples: Iterable[str],
    candidates: Mapping[str, Iterable["Candidate"]] | None = None,
) -> list[RouteOption]:
    """Return what a router is shown of the routes.

    Args:
        routes: the eligible ones.
        learned: returns the requests that verdicts have made examples of a route, or of `other`.
        counterexamples: the requests that no route serves, as the policy lists them.
        candidates: the models of each route, best first; absent: no models are named.
    """
    others = tuple(dict.fromkeys((*counterexamples, *learned(OTHER))))
    models = candidates or {}
    return [_option(route, tuple(learned(route.name)), others, models.get(route.name, ())) for route in routes]


def _option(
    route: Route, learned: tuple[str, ...], others: tuple[str, ...], candidates: Iterable["Candidate"]
) -> RouteOption:
    return RouteOption(
        route.name,
        route.description,
        examples=(*route.examples, *learned),
        candidates=tuple(map(_model_name, candidates)),
        counterexamples=others,
        learned=frozenset(learned) - frozenset(route.examples),
    )


def options_of_services(
    services: "Services", routes: Iterable[Route], candidates: Mapping[str, Iterable["Candidate"]] | None = None
) -> list[RouteOption]:
    """Return what a router is shown of the routes in a run with these services."""
    return route_options(routes, services.history.examples, counterexamples_of(services.policy), candidates)


def options_of_document(
    document: Document, routes: Iterable[Route], candidates: Mapping[str, Iterable["Candidate"]] | None = None
) -> list[RouteOption]:
    """Return what a router is shown of the routes of a policy file, whatever history is kept elsewhere."""

    def learned(name: str) -> Iterable[str]:
        return document.learned.get(name.casefold(), ())

    return route_options(routes, learned, document.counterexamples, candidates)


def _model_name(candidate: "Candidate") -> str:
    return f"{candidate['model']}:{candidate['provider']}" if candidate["provider"] else candidate["model"]
