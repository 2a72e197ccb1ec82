from dataclasses import asdict
from typing import Any
from uuid import uuid4

from langchain_core.messages import AnyMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.costs import spent_before
from omni_router.errors import InvalidRequest
from omni_router.hub.requirements import estimate_tokens, requirements_with
from omni_router.messages import has_image, newest_user_message, newest_user_text
from omni_router.nodes._doubts import doubt_about_answer_before
from omni_router.routers import Reply, parse_reply
from omni_router.routers.conversation import render_conversation
from omni_router.selection.candidates import candidates_by_route
from omni_router.selection.order import MAX_CANDIDATES
from omni_router.selection.overrides import decision_of, explicit_choice, routes_for
from omni_router.selection.routes import ask_router, eligible_routes, options_of_services
from omni_router.selection.sources import services_for
from omni_router.services import Services
from omni_router.state import Candidate, Previous, Source, State


def route_request(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Ask the router which route the newest request takes and which model it should go to.

    Raises:
        InvalidRequest: there is no user message, it is empty, or the settings name an unknown route or no model's id.
        ConfigurationError: the policy or the router cannot be loaded.
    """
    messages = state.get("messages", [])
    routes = _routes(messages, settings, services)
    previous = _previous(state)
    tokens = estimate_tokens(messages, settings.tools)
    required = {route.name: requirements_with(settings, tokens, route.parameters) for route in routes}
    gathered = candidates_by_route(services, routes, previous, required)
    candidates = {route: models[:MAX_CANDIDATES] for route, models in gathered.items()}
    proposal = explicit_choice(settings, messages, routes)
    reply: Reply | None = None
    text: str | None = None
    confidence: float | None = None
    if proposal is None:
        reply = _reply(services, messages, routes, candidates)
    doubt = doubt_about_answer_before(messages, settings, services.router if reply else None)
    if reply:
        text, confidence, proposal = reply.text, reply.confidence, parse_reply(reply.text)
    return {
        "turn": uuid4().hex[:12],
        "doubt": doubt,
        "reply": text,
        "proposal": asdict(proposal) if proposal else None,
        "confidence": confidence,
        "candidates": candidates,
        "previous": previous,
        "spent": spent_before(state),
        **_new_turn(),
    }


def _new_turn() -> dict[str, Any]:
    """Return what the last turn has left in the state, as it is before a decision."""
    return {
        "decision": None,
        "routing_only": False,
        "models_left": 0,
        "attempts": [],
        "artifacts": [],
        "error": None,
    }


def _routes(messages: list[AnyMessage], settings: Settings, services: Services) -> list[Route]:
    """Return the routes that the newest request may take.

    Raises:
        InvalidRequest: there is nothing to answer, or the settings name an unknown route or no model's id.
        ConfigurationError: the policy cannot be loaded.
    """
    newest = newest_user_message(messages)
    if newest is None or not (newest_user_text(messages) or has_image(newest)):
        raise InvalidRequest("there is nothing to answer: send a user message with text or an image")
    known = services.policy.routes()
    image_before = any(map(has_image, messages))
    eligible = eligible_routes(known, image_now=has_image(newest), image_before=image_before)
    return routes_for(settings, eligible, known, services_for(services, eligible, settings).catalog)


def _previous(state: State) -> Previous | None:
    """Return what this thread did last: by its state, or, for callers who keep none, by its newest answer.

    A model that the caller named stays the caller's for as long as the thread goes on with it.
    """
    if last := state.get("decision"):
        return _remember(last["route"], last["model"], last["source"])
    if previous := state.get("previous"):
        return previous
    for message in reversed(state.get("messages", [])):
        if metadata := decision_of(message):
            return _remember(metadata.route, metadata.model, metadata.source)
    return None


def _remember(route: str | None, model: str | None, source: Source | None) -> Previous:
    previous = Previous(route=route, model=model)
    if source == "caller":
        previous["by_caller"] = True
    return previous


def _reply(
    services: Services, messages: list[AnyMessage], routes: list[Route], candidates: dict[str, list[Candidate]]
) -> Reply | None:
    if not routes:
        return Reply('{"route": "other"}')
    options = options_of_services(services, routes, candidates)
    return ask_router(services.router, render_conversation(messages), options)
