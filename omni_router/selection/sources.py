"""Which services a request may ask: not the Hub, where its limits allow only models of one's own."""

from collections.abc import Iterable, Mapping

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.hub.requirements import Requirements, requirements_with
from omni_router.services import Services


def services_for(services: Services, routes: Iterable[Route], settings: Settings | None = None) -> Services:
    """Return the services that a run may ask whichever of these routes it takes.

    Args:
        services: all that there are.
        routes: the routes, each with its limits.
        settings: of the run, whose limits hold as well.
    """
    settings = settings or services.defaults
    return services.within([requirements_with(settings, 0, route.parameters) for route in routes])


def is_kept(services: Services, routes: Iterable[Route], settings: Settings | None = None) -> bool:
    """Return whether a run is kept to models of one's own, whichever of these routes it takes."""
    return services_for(services, routes, settings) is not services


def routes_by_services(
    services: Services, routes: Iterable[Route], required: Mapping[str, Requirements]
) -> list[tuple[Services, list[Route]]]:
    """Return the routes by the services that they may ask.

    Args:
        services: all that there are.
        routes: the eligible ones.
        required: what a request requires on each of them; of others the limits of the policy count.
    """
    open_ones: list[Route] = []
    kept: list[Route] = []
    own = services
    for route in routes:
        limits = required.get(route.name) or Requirements(only=route.parameters.only)
        sources = services.within([limits])
        if sources is services:
            open_ones.append(route)
        else:
            own = sources
            kept.append(route)
    return [group for group in ((services, open_ones), (own, kept)) if group[1]]
