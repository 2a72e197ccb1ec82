"""The teacher of a cascade: it is asked, and its answer becomes a route that the student may learn."""

import logging
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeVar

from omni_router.errors import ConfigurationError
from omni_router.routers.protocol import BaseRouter, Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.reply import parse_reply
from omni_router.tasks import OTHER

logger = logging.getLogger("omni_router")

Answer = TypeVar("Answer")


class TeacherUnavailable(Exception):  # noqa: N818 (nothing has gone wrong in this request)
    """The teacher is known to be away, which has been logged before."""


class NullRouter(BaseRouter):
    """The second router of an endpoint whose cascade already has a student to stand in."""

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:  # noqa: ARG002
        """Answer nothing.

        Raises:
            TeacherUnavailable: always.
        """
        raise TeacherUnavailable


def ask(
    method: Callable[[Sequence[Turn], Sequence[RouteOption]], Answer],
    conversation: Sequence[Turn],
    routes: Sequence[RouteOption],
) -> Answer | None:
    """Return the answer of a teacher's method; None when it fails on this request, which is logged.

    Raises:
        ConfigurationError: the teacher cannot be loaded.
    """
    try:
        return method(conversation, routes)
    except ConfigurationError:
        raise
    except TeacherUnavailable:
        return None
    except Exception:
        logger.exception("the large router failed on this prompt; semantic decides")
        return None


def most_probable(probabilities: RouteProbabilities, routes: Sequence[RouteOption]) -> tuple[str, float]:
    """Return the route that is the most probable, or `other`, and its probability."""
    of_routes, in_domain = probabilities
    best = max(of_routes)
    if in_domain * best < 1 - in_domain:
        return OTHER, 1 - in_domain
    return routes[of_routes.index(best)].name, in_domain * best


def named_route(reply: Reply, routes: Sequence[RouteOption]) -> str | None:
    """Return the route that a reply names, spelled as in the policy; None when it names none of them."""
    spelled = (parse_reply(reply.text).route or "").casefold()
    names: list[str] = [*map(attrgetter("name"), routes), OTHER]
    for name in names:
        if name.casefold() == spelled:
            return name
    return None
