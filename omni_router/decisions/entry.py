"""From the state of a turn to its line in the decision log."""

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

from omni_router.config.routes import Policy
from omni_router.config.settings import Settings, fallback_route
from omni_router.decisions.reason import recorded_reason
from omni_router.errors import ErrorInfo
from omni_router.history.cooldowns import write_time
from omni_router.messages import has_image, newest_user_message, newest_user_text
from omni_router.routers import OTHER, parse_reply
from omni_router.routers.conversation import render_conversation, shorten
from omni_router.state import Candidate, Decision, RejectedCandidate, State

UNKNOWN_ROUTE = "?"  # in place of what a router named that it was not offered
MAX_CHARACTERS = 20_000  # of one text: a log that is to stay small is no place for the book that somebody pasted


def describe_policy(settings: Settings, policy: Policy) -> dict[str, Any]:
    """Return what a replay has to know of the policy: its tasks, the fallback route, and who named that one."""
    routes = policy.routes()
    fallback = fallback_route(settings, routes)
    return {
        "tasks": {route.name: route.task for route in routes},
        "fallback_route": fallback.name if fallback else None,
        "fallback_by_policy": settings.fallback_route is None,
    }


def make_entry(state: State, settings: Settings, error: ErrorInfo | None, *, with_text: bool) -> dict[str, Any]:
    """Return all that the state holds of a decision, and what came of it.

    What was asked is the conversation as the router saw it, or the SHA-256 of the newest request's text alone. Without
    text no word of a router is kept either, but for the names of routes and models: it may repeat the request.
    """
    decision = state["decision"]
    if decision is None:
        raise AssertionError("a turn is logged when it was decided")
    messages = state["messages"]
    newest = newest_user_message(messages)
    asked = newest_user_text(messages)
    return {
        **{key: value for key, value in decision.items() if key != "passed_over"},
        **({} if with_text else {"reason": recorded_reason(state), "proposed_route": _proposed_route(state)}),
        "time": write_time(datetime.now(timezone.utc)),
        "asked": (
            {"conversation": _before_the_answer(state)}
            if with_text
            else {"sha256": hashlib.sha256(asked.encode(errors="replace")).hexdigest()}
        ),
        "picture": {
            "now": newest is not None and has_image(newest),
            "before": any(has_image(message) for message in messages),
        },
        "previous": state["previous"],
        "min_confidence": settings.min_confidence,
        "settled": settings.model is not None or (state["reply"] is None and state["proposal"] is not None),
        "reply": _reply(state, with_text=with_text),
        "candidates": state["candidates"],
        "passed_over": [*decision["passed_over"], *_ranked_after(decision, state)],
        "attempts": [{key: value for key, value in made.items() if key != "error"} for made in state["attempts"]],
        "error": error["kind"] if error else None,
    }


def _reply(state: State, *, with_text: bool) -> str | None:
    """Return what the router said, without text as far as it named a route and a model."""
    if state["reply"] is None or with_text:
        return None if state["reply"] is None else shorten(state["reply"], MAX_CHARACTERS)
    proposal = parse_reply(state["reply"])
    model = f"{proposal.model}:{proposal.provider}" if proposal.provider else proposal.model
    return json.dumps({"route": _name_of_route(proposal.route, state), "model": model})


def _proposed_route(state: State) -> str | None:
    decision = state["decision"]
    return _name_of_route(decision["proposed_route"], state) if decision else None


def _name_of_route(name: str | None, state: State) -> str | None:
    """Return the name of a route as it is; anything else that a router put in its place is not repeated."""
    named = name is None or name.casefold() in {OTHER, *map(str.casefold, state["candidates"])}
    return name if named else UNKNOWN_ROUTE


def _before_the_answer(state: State) -> list[Any]:
    """Return what the router saw: up to the newest request, since an answer may follow it by now."""
    messages = state["messages"]
    newest = newest_user_message(messages)
    at = next((i for i, message in enumerate(messages) if message is newest), len(messages) - 1)
    turns = render_conversation(messages[: at + 1])
    return [{**turn, "content": shorten(turn["content"], MAX_CHARACTERS)} for turn in turns]


def _ranked_after(decision: Decision, state: State) -> list[RejectedCandidate]:
    """Return the route's other candidates, which came after the model that was called."""
    candidates: list[Candidate] = state["candidates"].get(decision["route"] or "", [])
    mentioned = {decision["model"], *(rejection["model"] for rejection in decision["passed_over"])}
    mentioned |= {attempt["model"] for attempt in state["attempts"]}
    return [
        RejectedCandidate(
            model=candidate["model"],
            source=candidate["source"],
            kind=None,
            rule="ranked_after",
            why=f"came after: {candidate['why']}",
        )
        for candidate in candidates
        if candidate["model"] not in mentioned
    ]
