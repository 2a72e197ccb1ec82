"""Which routes a request may take, and what a router is shown of them.

Nothing here imports LangGraph, so that a router can be measured without it. All who ask a router, or warm one up,
build its options here: a router that learns from its routes is fitted anew for every other set of them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from omni_router.config.routes import Document, Route, out_of_scope_examples_of
from omni_router.errors import ConfigurationError
from omni_router.routers import OTHER, Reply, RouteOption, Router, Turn
from omni_router.services import Services
from omni_router.tasks import TASKS

if TYPE_CHECKING:  # LangGraph comes with it
    from omni_router.state import Candidate

logger = logging.getLogger("omni_router")

# Sets of examples of which the tuple is made once: a router that keeps something by it need not compare thousands of
# texts in each turn to see that it is the same.
SETS_OF_EXAMPLES = 64


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
    others = _each_once((*out_of_scope_examples, *learned(OTHER)))
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


@lru_cache(SETS_OF_EXAMPLES)
def _each_once(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


@lru_cache(SETS_OF_EXAMPLES)
def _with_learned(examples: tuple[str, ...], learned: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the examples of a route with the learned ones, and those that are only learned."""
    return examples + learned, frozenset(learned) - frozenset(examples)


def _option(
    route: Route, learned: tuple[str, ...], others: tuple[str, ...], candidates: Iterable["Candidate"]
) -> RouteOption:
    examples, only_learned = _with_learned(route.examples, learned)
    return RouteOption(
        route.name,
        route.description,
        examples,
        candidates=tuple(map(_model_name, candidates)),
        out_of_scope_examples=others,
        learned=only_learned,
    )


def _model_name(candidate: "Candidate") -> str:
    if candidate["provider"] is None:
        return candidate["model"]
    return f"{candidate['model']}:{candidate['provider']}"
