"""Which routes a request may take. Apart from `choice`, so that a router can be measured without LangGraph."""

from collections.abc import Iterable, Sequence

from omni_router.config.policy import Route
from omni_router.config.settings import NO_FALLBACK, Settings
from omni_router.errors import ConfigurationError
from omni_router.tasks import TASKS


def offered_routes(routes: Iterable[Route], *, picture_now: bool, picture_before: bool) -> list[Route]:
    """Leave out the routes that cannot apply.

    A picture in the newest request needs a route that takes pictures; without any picture in the thread none of those
    can be meant; with one further up both may.
    """
    if picture_now:
        return [route for route in routes if TASKS[route.task].takes_pictures]
    return [route for route in routes if picture_before or not TASKS[route.task].takes_pictures]


def fallback_route(settings: Settings, routes: Sequence[Route]) -> Route | None:
    """Return the route that answers what no route is for: that of the settings, else the policy's own.

    None: such a request is refused.

    Raises:
        ConfigurationError: the settings name a route that the policy does not have.
    """
    if settings.fallback_route is None:
        return next((route for route in routes if route.fallback), None)
    wanted = settings.fallback_route.casefold()
    if wanted == NO_FALLBACK:
        return None
    route = next((route for route in routes if route.name.casefold() == wanted), None)
    if route is None:
        allowed = ", ".join([*(route.name for route in routes), NO_FALLBACK])
        raise ConfigurationError(f"fallback_route is {settings.fallback_route!r}; allowed are {allowed}")
    return route
