"""From the state of a turn to its line in the decision log."""

import hashlib
from datetime import datetime, timezone
from typing import Any

from omni_router.config.settings import Settings
from omni_router.errors import ErrorInfo
from omni_router.history.cooldown import write_time
from omni_router.routers.conversation import has_picture, newest_user_message, newest_user_text, render_conversation
from omni_router.services import Services
from omni_router.state import Candidate, Decision, State


def log_decision(state: State, settings: Settings, services: Services, error: ErrorInfo | None = None) -> None:
    """Write the turn to the decision log, if there is one."""
    if services.decision_log is None:
        return
    from langgraph.config import get_config

    thread = get_config().get("configurable", {}).get("thread_id")
    tasks = {route.name: route.task for route in services.policy.routes()}
    with_text = services.decision_log.with_text
    services.decision_log.write(make_entry(state, settings, error, thread=thread, tasks=tasks, with_text=with_text))


def make_entry(  # noqa: PLR0913 (all by name)
    state: State,
    settings: Settings,
    error: ErrorInfo | None,
    *,
    thread: str | None,
    tasks: dict[str, str],
    with_text: bool,
) -> dict[str, Any]:
    """Tell all that led to a decision, and what came of it.

    What was asked is the conversation as the router saw it, or the SHA-256 of the newest request's text alone.
    """
    decision = state["decision"]
    if decision is None:
        raise AssertionError("a turn is logged when it was decided")
    messages = state["messages"]
    newest = newest_user_message(messages)
    asked = newest_user_text(messages)
    return {
        **{key: value for key, value in decision.items() if key != "passed_over"},
        "time": write_time(datetime.now(timezone.utc)),
        "thread": None if thread is None else str(thread),
        "asked": (
            {"conversation": _before_the_answer(state)}
            if with_text
            else {"sha256": hashlib.sha256(asked.encode(errors="replace")).hexdigest()}
        ),
        "picture": {
            "now": newest is not None and has_picture(newest),
            "before": any(has_picture(message) for message in messages),
        },
        "previous": state["previous"],
        "fallback_route": settings.fallback_route,
        "reply": state["reply"],
        "candidates": state["candidates"],
        "tasks": tasks,
        "passed_over": [*decision["passed_over"], *_ranked_after(decision, state)],
        "attempts": [{key: value for key, value in made.items() if key != "error"} for made in state["attempts"]],
        "error": error["kind"] if error else None,
    }


def _before_the_answer(state: State) -> list[Any]:
    """Give what the router saw: up to the newest request, since an answer may follow it by now."""
    messages = state["messages"]
    newest = newest_user_message(messages)
    at = next((i for i, message in enumerate(messages) if message is newest), len(messages) - 1)
    return list(render_conversation(messages[: at + 1]))


def _ranked_after(decision: Decision, state: State) -> list[dict[str, Any]]:
    """Say of the route's other candidates what place they had."""
    line: list[Candidate] = state["candidates"].get(decision["route"] or "", [])
    told = {decision["model"], *(over["model"] for over in decision["passed_over"])}
    tried = {made["model"] for made in state["attempts"]}
    return [
        {"model": c["model"], "source": c["source"], "kind": None, "why": f"came after: {c['why']}"}
        for c in line
        if c["model"] not in told | tried
    ]
