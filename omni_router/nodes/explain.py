from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.errors import ErrorInfo, describe
from omni_router.messages import EXPLANATION
from omni_router.nodes._log import log_decision
from omni_router.services import Services
from omni_router.state import RejectedCandidate, State


def explain(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Answer with the error, and what to do about it."""
    error = _last_error(state)
    log_decision(state, settings, services, error)
    text = f"{error['message']} {error['hint']}"
    if state["attempts"] and state["attempts"][-1]["partial"]:
        text = f"The answer broke off. {text}"
    message = AIMessage(text, response_metadata={"omni_router": EXPLANATION})
    return {"error": error, "messages": [message]}


def _last_error(state: State) -> ErrorInfo:
    """Return the error of the last attempt; without any, that of how far the turn got."""
    decision, attempts = state["decision"], state["attempts"]
    if attempts and (error := attempts[-1]["error"]):
        return error
    if decision is None or decision["route"] is None:
        return describe("no_reply")
    if decision["task"] is None:
        return describe("no_route")
    return _refused_without_a_call(decision["passed_over"])


def _refused_without_a_call(rejections: list[RejectedCandidate]) -> ErrorInfo:
    """Return the one reason for which no model was called, or `no_model` if there are several or none.

    The first model named is the first choice: that of the policy, of the caller or of the router.
    """
    last = {rejection["model"]: rejection for rejection in rejections}  # the last rejection of each model counts
    reasons = "; ".join(f"{model}: {rejection['why']}" for model, rejection in last.items())
    kinds = {rejection["kind"] for rejection in last.values()}
    if len(kinds) != 1:
        return describe("no_model", detail=reasons)
    first, *others = last.values()
    if first["kind"] is None:
        return describe("no_model", detail=reasons)
    if others:
        return describe(first["kind"], first["model"], detail=reasons)
    return describe(first["kind"], first["model"], detail=first["why"])
