from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.decisions.entry import log_decision
from omni_router.errors import ErrorInfo, describe
from omni_router.routers.conversation import EXPLANATION
from omni_router.services import Services
from omni_router.state import State


def explain(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Say why there is no answer and what to do about it."""
    error = _last_error(state, settings)
    log_decision(state, settings, services, error)
    broke_off = "The answer broke off. " if state["attempts"] and state["attempts"][-1]["partial"] else ""
    text = f"{broke_off}{error['message']} {error['hint']}"
    message = AIMessage(text, response_metadata={"omni_router": EXPLANATION})
    return {"error": error, "messages": [message]}


def _last_error(state: State, settings: Settings) -> ErrorInfo:
    """Take the error of the last attempt; without any, tell how far the turn got."""
    decision, attempts = state["decision"], state["attempts"]
    if attempts and (error := attempts[-1]["error"]):
        return error
    if decision is None or decision["route"] is None:
        return describe("no_reply")
    if decision["task"] is None:
        return describe("no_route")
    if settings.model is not None and decision["passed_over"]:
        *_, over = decision["passed_over"]
        return describe(over["kind"] or "no_model", over["model"], detail=over["why"])
    return describe("no_model", detail="; ".join(f"{over['model']}: {over['why']}" for over in decision["passed_over"]))
