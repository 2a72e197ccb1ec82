"""Ask a router for each request, on the routes that are on offer for it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from omni_router.config.routes import Document
from omni_router.errors import ConfigurationError
from omni_router.evaluation.data import Item
from omni_router.evaluation.metrics import Outcome, Problem
from omni_router.routers import OTHER, Reply, RouteOption, Router, parse_reply
from omni_router.selection.routes import eligible_routes, options_of_document

logger = logging.getLogger("omni_router")

LIVE = 100  # asked one by one, as live requests are, to tell how long one takes: enough for a 95th percentile
BATCH = 64  # of the others, where a router takes many at once; 256 are no faster, and the bar would stand still
NO_ROUTE = Reply(f'{{"route": "{OTHER}"}}')  # the graph does not ask a router where nothing is on offer


def evaluate(
    router: Router, items: Sequence[Item], document: Document, advance: Callable[[int], object] = lambda _: None
) -> list[Outcome]:
    """Ask the router for each item, and read what it says; `advance` is called with how many were asked.

    A router with a method `replies` is asked in batches once it is known how long a live request takes.

    Raises:
        ConfigurationError: the router cannot be loaded.
    """
    outcomes: list[Outcome] = []
    while (at := len(outcomes)) < len(items):
        if at < LIVE or not hasattr(router, "replies"):
            some = [_one(router, items[at], document)]
        else:
            some = _together(router, items[at : at + BATCH], document)
        outcomes += some
        advance(len(some))
    return outcomes


def offers(item: Item, document: Document) -> list[RouteOption]:
    """Make what the router is shown for an item: the routes with all their examples, and no models."""
    offered = eligible_routes(document.routes, image_now=item.picture_now, image_before=item.picture_before)
    return options_of_document(document, offered)


def read(reply: Reply | None, routes: Sequence[RouteOption]) -> tuple[str | None, Problem | None]:
    """Give the route that a reply names, or what is wrong with it."""
    if reply is None:
        return None, "failed"
    said = parse_reply(reply.text).route
    if said is None:
        return None, "unreadable"
    known = {name.casefold(): name for name in (*(route.name for route in routes), OTHER)}
    found = known.get(said.casefold())
    return found, None if found else "not_on_offer"


def _one(router: Router, item: Item, document: Document) -> Outcome:
    """Ask as for a live request."""
    routes = offers(item, document)
    started = time.perf_counter()
    reply = _ask(router, item, routes)
    return _outcome(item, routes, reply, time.perf_counter() - started)


def _together(router: Any, items: Sequence[Item], document: Document) -> list[Outcome]:
    """Ask for many at once, which takes less than half of the time; where that fails, one by one."""
    offered = [offers(item, document) for item in items]
    asked = [(item.conversation, routes) for item, routes in zip(items, offered, strict=True) if routes]
    try:
        replies = iter(router.replies(asked) if asked else ())
        found = [next(replies) if routes else NO_ROUTE for routes in offered]
    except ConfigurationError:
        raise
    except Exception:
        logger.exception(
            "the router failed on the batch of lines %d to %d; asking about them one by one",
            items[0].line,
            items[-1].line,
        )
        return [_one(router, item, document) for item in items]
    return [_outcome(item, routes, reply) for item, routes, reply in zip(items, offered, found, strict=True)]


def _outcome(item: Item, routes: Sequence[RouteOption], reply: Reply | None, seconds: float | None = None) -> Outcome:
    logger.debug("line %d: raw reply: %r", item.line, reply.text if reply else None)
    predicted, problem = read(reply, routes)
    confidence, by = (reply.confidence, reply.by) if reply else (None, None)
    return Outcome(item.route, predicted, confidence, seconds, item.follow_up, problem, by)


def _ask(router: Router, item: Item, routes: Sequence[RouteOption]) -> Reply | None:
    if not routes:
        return NO_ROUTE
    try:
        return router.reply(item.conversation, routes)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on line %d, which counts as no reply", item.line)
        return None
