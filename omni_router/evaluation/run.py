"""Ask a router for each request, on the routes that are on offer for it."""

import logging
import sys
import time
from collections.abc import Sequence

from omni_router.config.policy import Document
from omni_router.errors import ConfigurationError
from omni_router.evaluation.data import Item
from omni_router.evaluation.metrics import Outcome, Problem
from omni_router.offered import offered_routes
from omni_router.routers import OTHER, OfferedRoute, Reply, Router, parse_reply

logger = logging.getLogger("omni_router")


def evaluate(router: Router, items: Sequence[Item], document: Document, name: str = "router") -> list[Outcome]:
    """Ask the router for each item, in their order, and read what it says; a bar on a terminal shows how far it is.

    Raises:
        ConfigurationError: the router cannot be loaded.
    """
    from tqdm import tqdm

    outcomes = []
    for item in tqdm(items, desc=name, unit=" prompts", disable=not sys.stderr.isatty(), leave=False):
        routes = offers(item, document)
        started = time.perf_counter()
        reply = _ask(router, item, routes)
        seconds = time.perf_counter() - started
        predicted, problem = read(reply, routes)
        confidence = reply.confidence if reply else None
        outcomes.append(Outcome(item.route, predicted, confidence, seconds, item.follow_up, problem))
    return outcomes


def offers(item: Item, document: Document) -> list[OfferedRoute]:
    """Make what the router is shown for an item: the routes with all their examples, and no models."""
    offered = offered_routes(document.routes, picture_now=item.picture_now, picture_before=item.picture_before)
    learned = document.learned
    return [
        OfferedRoute(route.name, route.description, (*route.examples, *learned.get(route.name.casefold(), ())))
        for route in offered
    ]


def read(reply: Reply | None, routes: Sequence[OfferedRoute]) -> tuple[str | None, Problem | None]:
    """Give the route that a reply names, or what is wrong with it."""
    if reply is None:
        return None, "failed"
    said = parse_reply(reply.text).route
    if said is None:
        return None, "unreadable"
    known = {name.casefold(): name for name in (*(route.name for route in routes), OTHER)}
    found = known.get(said.casefold())
    return found, None if found else "not_on_offer"


def _ask(router: Router, item: Item, routes: Sequence[OfferedRoute]) -> Reply | None:
    if not routes:  # the graph does not ask a router then either
        return Reply(f'{{"route": "{OTHER}"}}')
    try:
        return router.reply(item.conversation, routes)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on line %d; that counts as no reply", item.line)
        return None
