"""Prepare a process, so that its first request takes no longer than the others."""

import logging
import threading
from itertools import chain

from omni_router.hub.requirements import requirements_with
from omni_router.routers import RouteOption, Router, Turn, preparable
from omni_router.selection.candidates import candidates_by_route
from omni_router.selection.routes import options_of_services, tasks_of, usual_sets
from omni_router.selection.sources import services_for
from omni_router.services import Services

logger = logging.getLogger("omni_router")


def warm_up(services: Services) -> None:
    """Load all that a request needs: the router, what it learns from the routes, the client, the Hub's lists, boards.

    Raises:
        ConfigurationError: the policy or the router cannot be loaded.
        Exception: the router failed on the request it was tried with.
    """
    sources = services_for(services, services.policy.routes())
    if sources.evidence:
        sources.evidence.current()  # reads what is on disk
    listing = threading.Thread(target=_list_models, args=(sources,), name="omni-router lists", daemon=True)
    listing.start()
    _load(services)
    listing.join()  # the catalog waits a few seconds at most, and by now it has long been answered
    _rank(services)


def _list_models(services: Services) -> None:
    """Fill the catalog's lists; once a day huggingface_hub precedes that with a request of its own."""
    try:
        services.catalog.models(tasks_of(services.policy.routes()))
    except Exception as error:  # noqa: BLE001 (a policy that cannot be read is reported where the router is loaded)
        logger.info("the models of the routes could not be listed: %s", type(error).__name__)


def _rank(services: Services) -> None:
    """Rank the models of all routes for a usual request, so that the first one finds that done."""
    routes = services.policy.routes()
    required = {route.name: requirements_with(services.defaults, 0, route.parameters) for route in routes}
    try:
        candidates_by_route(services, routes, None, required)
    except Exception as error:  # noqa: BLE001 (a request that meets it reports it)
        logger.info("the models of the routes could not be ranked: %s", type(error).__name__)


def _load(services: Services) -> None:
    sets = [options_of_services(services, routes) for routes in usual_sets(services.policy.routes())]
    router = preparable(services.router)
    router.load()  # an easy request does not load the teacher of a cascade
    if sets:
        _choose_once(services.router, sets[0])
    for options in sets[1:]:
        router.prepare(options)  # one request for each set would take a large router long
    if load := getattr(services.inference, "load", None):
        load()


def _choose_once(router: Router, options: list[RouteOption]) -> None:
    """Send the router a request that a cascade is sure of, and drop its reply."""
    examples = chain.from_iterable(option.examples for option in options)
    router.reply([Turn(role="user", content=next(examples, "Hello!"))], options)
