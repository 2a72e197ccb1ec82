import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from langchain_core.messages import AnyMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.hub.capabilities import needs_of
from omni_router.messages import has_image, newest_user_message, newest_user_text
from omni_router.routers import Reply, RouteOption, Router, Turn, parse_reply
from omni_router.routers.conversation import render_conversation
from omni_router.selection.candidates import line_up
from omni_router.selection.order import MAX_CANDIDATES, eligible_routes
from omni_router.selection.overrides import answered_by, routes_for, settle
from omni_router.selection.routes import options_of_services
from omni_router.services import Services
from omni_router.state import Candidate, Previous, Source, State

logger = logging.getLogger("omni_router")


def route_request(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Ask the router which route the newest request takes and which model it should go to.

    Raises:
        InvalidRequest: there is no user message, it is empty, or the settings name an unknown route or no model's id.
        ConfigurationError: the policy or the router cannot be loaded.
    """
    messages = state.get("messages", [])
    newest = newest_user_message(messages)
    if newest is None or not (newest_user_text(messages) or has_image(newest)):
        raise InvalidRequest("there is nothing to answer: give a user message with a text or a picture")
    known = services.policy.routes()
    offered = eligible_routes(
        known,
        picture_now=has_image(newest),
        picture_before=any(has_image(message) for message in messages),
    )
    routes = routes_for(settings, offered, known, services.catalog)
    previous = _previous(state)
    line = line_up(services, routes, previous, needs_of(settings))
    lines = {name: candidates[:MAX_CANDIDATES] for name, candidates in line.items()}
    settled = settle(settings, messages, routes)
    reply = None if settled else _reply(services, messages, routes, lines)
    proposal = settled or (parse_reply(reply.text) if reply else None)
    return {
        "turn": uuid4().hex[:12],
        "reply": reply.text if reply else None,
        "proposal": asdict(proposal) if proposal else None,
        "confidence": reply.confidence if reply else None,
        "candidates": lines,
        "previous": previous,
        "decision": None,
        "routing_only": False,
        "models_left": 0,
        "attempts": [],
        "artifacts": [],
        "error": None,
    }


def _previous(state: State) -> Previous | None:
    """Find what this thread did last: in its state, or, for callers who keep none, with its newest answer.

    A model that the caller named stays the caller's for as long as the thread goes on with it.
    """
    if last := state.get("decision"):
        return _made(last["route"], last["model"], last["source"])
    if kept := state.get("previous"):
        return kept
    newest = next(filter(None, map(answered_by, reversed(state.get("messages", [])))), None)
    return _made(newest.route, newest.model, newest.source) if newest else None


def _made(route: str | None, model: str | None, source: Source | None) -> Previous:
    previous = Previous(route=route, model=model)
    return {**previous, "by_caller": True} if source == "caller" else previous


def _reply(
    services: Services, messages: list[AnyMessage], routes: list[Route], lines: dict[str, list[Candidate]]
) -> Reply | None:
    if not routes:
        return Reply('{"route": "other"}')
    return ask(services.router, render_conversation(messages), options_of_services(services, routes, lines))


def ask(router: Router, conversation: Sequence[Turn], offers: Sequence[RouteOption]) -> Reply | None:
    """Have the router choose; None when it fails on this prompt."""
    try:
        return router.reply(conversation, offers)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("the router failed on this prompt; the turn goes on without its reply")
        return None
