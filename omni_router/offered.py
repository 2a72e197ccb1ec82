"""Which routes a request may take. Apart from `choice`, so that a router can be measured without LangGraph."""

from collections.abc import Iterable

from omni_router.config.policy import Route
from omni_router.tasks import TASKS


def offered_routes(routes: Iterable[Route], *, picture_now: bool, picture_before: bool) -> list[Route]:
    """Leave out the routes that cannot apply.

    A picture in the newest request needs a route that takes pictures; without any picture in the thread none of those
    can be meant; with one further up both may.
    """
    if picture_now:
        return [route for route in routes if TASKS[route.task].takes_pictures]
    return [route for route in routes if picture_before or not TASKS[route.task].takes_pictures]
