"""Ask a router for each request, on the routes that are offered for it."""

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

LIVE = 100  # requests sent one by one, like live ones, to measure how long one takes: enough for a 95th percentile
BATCH = 64  # the others are sent in batches, if the router has them; 256 are no faster, and stall the progress bar
NO_ROUTE = Reply(f'{{"route": "{OTHER}"}}')  # the graph does not ask a router when no route can be offered


def evaluate(
    router: Router, items: Sequence[Item], document: Document, advance: Callable[[int], object] = lambda _: None
) -> list[Outcome]:
    """Ask the router for each item, and parse its replies; `advance` is called with the number of new ones.

    A router with a method `replies` gets batches once it is known how long a live request takes.

    Raises:
        ConfigurationError: the router cannot be loaded.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(items):
        place = len(outcomes)
        if place < LIVE or not hasattr(router, "replies"):
            new = [_evaluate_one(router, items[place], document)]
        else:
            new = _evaluate_batch(router, items[place : place + BATCH], document)
        outcomes += new
        advance(len(new))
    return outcomes


def route_options(item: Item, document: Document) -> list[RouteOption]:
    """Return what the router chooses from for an item: the routes with all their examples, and no models."""
    routes = eligible_routes(document.routes, image_now=item.image_now, image_before=item.image_before)
    return options_of_document(document, routes)


def read_route(reply: Reply | None, options: Sequence[RouteOption]) -> tuple[str | None, Problem | None]:
    """Return the route that a reply names, or what is wrong with it."""
    if reply is None:
        return None, "failed"
    name = parse_reply(reply.text).route
    if name is None:
        return None, "unreadable"
    if name.casefold() == OTHER:
        return OTHER, None
    for option in options:
        if option.name.casefold() == name.casefold():
            return option.name, None
    return None, "not_on_offer"


def _evaluate_one(router: Router, item: Item, document: Document) -> Outcome:
    """Ask as for a live request."""
    options = route_options(item, document)
    started = time.perf_counter()
    reply = _ask(router, item, options)
    return _outcome(item, options, reply, time.perf_counter() - started)


def _ask(router: Router, item: Item, options: Sequence[RouteOption]) -> Reply | None:
    if not options:
        return NO_ROUTE
    try:
        return router.reply(item.conversation, options)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on line %d, which counts as no reply", item.line)
        return None


def _evaluate_batch(router: Any, items: Sequence[Item], document: Document) -> list[Outcome]:
    """Ask for many at once, which takes less than half of the time; if that fails, one by one."""
    options = [route_options(item, document) for item in items]
    try:
        replies = _ask_batch(router, items, options)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception(
            "the router failed on the batch of lines %d to %d; asking about them one by one",
            items[0].line,
            items[-1].line,
        )
        return [_evaluate_one(router, item, document) for item in items]
    return list(map(_outcome, items, options, replies))


def _ask_batch(router: Any, items: Sequence[Item], options: Sequence[Sequence[RouteOption]]) -> list[Reply | None]:
    """Return a reply for each item; the router is only asked about items with routes to choose from."""
    replies: list[Reply | None] = [NO_ROUTE] * len(items)
    places, questions = [], []
    for place, (item, choices) in enumerate(zip(items, options, strict=True)):
        if choices:
            places.append(place)
            questions.append((item.conversation, choices))
    if questions:
        answers = iter(router.replies(questions))
        for place in places:
            replies[place] = next(answers)
    return replies


def _outcome(item: Item, options: Sequence[RouteOption], reply: Reply | None, seconds: float | None = None) -> Outcome:
    predicted, problem = read_route(reply, options)
    text = confidence = by = None
    if reply is not None:
        text, confidence, by = reply.text, reply.confidence, reply.by
    logger.debug("line %d: raw reply: %r", item.line, text)
    return Outcome(item.route, predicted, confidence, seconds, item.follow_up, problem, by)
