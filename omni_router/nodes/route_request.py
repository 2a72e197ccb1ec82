import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from omni_router.choice import MAX_CANDIDATES, offered_routes
from omni_router.config.policy import Route, counterexamples_of
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.line_up import line_up
from omni_router.routers import OTHER, OfferedRoute, Reply, Router, Turn, parse_reply
from omni_router.routers.conversation import has_picture, newest_user_message, newest_user_text, render_conversation
from omni_router.services import Services
from omni_router.state import Candidate, Previous, State

logger = logging.getLogger("omni_router")


def route_request(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Ask the router which route the newest request takes and which model it should go to.

    Raises:
        InvalidRequest: there is no user message, or it is empty.
        ConfigurationError: the policy or the router cannot be loaded.
    """
    messages = state.get("messages", [])
    newest = newest_user_message(messages)
    if newest is None or not (newest_user_text(messages) or has_picture(newest)):
        raise InvalidRequest("there is nothing to answer: give a user message with a text or a picture")
    routes = offered_routes(
        services.policy.routes(),
        picture_now=has_picture(newest),
        picture_before=any(has_picture(message) for message in messages),
    )
    last = state.get("decision")
    previous = Previous(route=last["route"], model=last["model"]) if last else state.get("previous")
    lines = {name: line[:MAX_CANDIDATES] for name, line in line_up(services, routes, previous).items()}
    others = tuple(dict.fromkeys((*counterexamples_of(services.policy), *services.history.examples(OTHER))))
    offers = [offer(route, lines[route.name], services.history.examples(route.name), others) for route in routes]
    reply = ask(services.router, render_conversation(messages), offers) if offers else Reply('{"route": "other"}')
    return {
        "turn": uuid4().hex[:12],
        "reply": reply.text if reply else None,
        "proposal": asdict(parse_reply(reply.text)) if reply else None,
        "confidence": reply.confidence if reply else None,
        "candidates": lines,
        "previous": previous,
        "decision": None,
        "attempts": [],
        "artifacts": [],
        "error": None,
    }


def offer(route: Route, line: Iterable[Candidate], learned: Iterable[str], others: tuple[str, ...]) -> OfferedRoute:
    """Make what a router is shown of a route, and of the requests that no route serves."""
    models = (f"{c['model']}:{c['provider']}" if c["provider"] else c["model"] for c in line)
    return OfferedRoute(route.name, route.description, (*route.examples, *learned), tuple(models), others)


def ask(router: Router, conversation: Sequence[Turn], offers: Sequence[OfferedRoute]) -> Reply | None:
    """Have the router choose; None when it fails on this prompt."""
    try:
        return router.reply(conversation, offers)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on this prompt; the turn goes on without its reply")
        return None
