"""Build the line of the decision log from the state of a turn."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from langchain_core.messages import AnyMessage

from omni_router.config.routes import Policy
from omni_router.config.settings import Settings, fallback_route
from omni_router.decisions.reason import recorded_reason
from omni_router.errors import ErrorInfo
from omni_router.history.cooldowns import write_time
from omni_router.messages import has_image, newest_user_message, newest_user_text
from omni_router.routers import OTHER, parse_reply
from omni_router.routers.conversation import render_conversation, shorten
from omni_router.state import Attempt, Decision, RejectedCandidate, State, models_in, rejected

UNKNOWN_ROUTE = "?"  # in place of a route that was not offered to the router
MAX_CHARACTERS = 20_000  # the limit of one text: somebody may paste a whole book


def describe_policy(settings: Settings, policy: Policy) -> dict[str, Any]:
    """Return what a replay needs of the policy: its tasks, the fallback route, and where that was set."""
    routes = policy.routes()
    fallback = fallback_route(settings, routes)
    description: dict[str, Any] = {
        "tasks": {route.name: route.task for route in routes},
        "fallback_route": None,
        "fallback_by_policy": settings.fallback_route is None,
    }
    if fallback:
        description["fallback_route"] = fallback.name
    return description


def make_entry(state: State, settings: Settings, error: ErrorInfo | None, *, with_text: bool) -> dict[str, Any]:
    """Return everything the state holds about a decision and its outcome.

    With text the entry holds the conversation as the router saw it, else the SHA-256 of the newest request. Without
    text no words of a router are kept either, except the names of routes and models: they may repeat the request.
    """
    decision = state["decision"]
    if decision is None:
        raise AssertionError("only a decided turn is logged")
    messages = state["messages"]
    newest = newest_user_message(messages)
    entry: dict[str, Any] = {
        **decision,
        "time": write_time(datetime.now(timezone.utc)),
        "asked": _asked(messages, with_text=with_text),
        "picture": {"now": newest is not None and has_image(newest), "before": any(map(has_image, messages))},
        "previous": state["previous"],
        "min_confidence": settings.min_confidence,
        "settled": _is_overridden(state, settings),
        "reply": _reply(state, with_text=with_text),
        "candidates": state["candidates"],
        "passed_over": [*decision["passed_over"], *_ranked_after(decision, state)],
        "doubt": state.get("doubt"),
        "attempts": [_without_error(attempt) for attempt in state["attempts"]],
        "error": None,
    }
    if error:
        entry["error"] = error["kind"]
    if not with_text:
        entry["reason"] = recorded_reason(state)
        entry["proposed_route"] = _name_of_route(decision["proposed_route"], state)
    return entry


def is_about(entry: Mapping[str, Any], messages: Sequence[AnyMessage]) -> bool:
    """Return whether an entry is about the newest request of a conversation."""
    return entry["asked"] in (_asked(messages, with_text=True), _asked(messages, with_text=False))


def _is_overridden(state: State, settings: Settings) -> bool:
    """Return whether the caller or a tool loop has chosen the route or the model in the router's place."""
    if settings.model is not None:
        return True
    return state["reply"] is None and state["proposal"] is not None


def _asked(messages: Sequence[AnyMessage], *, with_text: bool) -> dict[str, Any]:
    """Return what the router saw, up to the newest request, since an answer may follow it by now; or a hash."""
    if not with_text:
        text = newest_user_text(messages)
        return {"sha256": hashlib.sha256(text.encode(errors="replace")).hexdigest()}
    newest, end = newest_user_message(messages), len(messages)
    for number, message in enumerate(messages, 1):
        if message is newest:
            end = number
    turns = render_conversation(messages[:end])
    for turn in turns:
        turn["content"] = shorten(turn["content"], MAX_CHARACTERS)
    return {"conversation": turns}


def _without_error(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt without its error, whose message may hold the vendor's words."""
    entry: dict[str, Any] = {**attempt}
    del entry["error"]
    return entry


def _reply(state: State, *, with_text: bool) -> str | None:
    """Return the router's reply, without text as far as it named a route and a model."""
    reply = state["reply"]
    if reply is None:
        return None
    if with_text:
        return shorten(reply, MAX_CHARACTERS)
    proposal = parse_reply(reply)
    model = proposal.model
    if proposal.provider:
        model = f"{model}:{proposal.provider}"
    return json.dumps({"route": _name_of_route(proposal.route, state), "model": model})


def _name_of_route(name: str | None, state: State) -> str | None:
    """Return the name of a route as it is; anything else that a router put in its place is not repeated."""
    if name is None or name.casefold() in {OTHER, *map(str.casefold, state["candidates"])}:
        return name
    return UNKNOWN_ROUTE


def _ranked_after(decision: Decision, state: State) -> list[RejectedCandidate]:
    """Return the route's other candidates, which came after the model that was called."""
    mentioned = {decision["model"], *models_in(decision["passed_over"]), *models_in(state["attempts"])}
    candidates = state["candidates"].get(decision["route"] or "", [])
    others = [candidate for candidate in candidates if candidate["model"] not in mentioned]
    return [rejected(candidate, "ranked_after", f"came after: {candidate['why']}") for candidate in others]
