from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.error_kinds import Gate
from omni_router.errors import ErrorInfo, describe
from omni_router.messages import EXPLANATION
from omni_router.nodes._log import log_decision
from omni_router.services import Services
from omni_router.state import RejectedCandidate, State

# What to do about gates that a caller can open; the hints of the kinds of failure know nothing of these limits.
REMEDIES: dict[Gate, str] = {
    "allowed": "change `only` or `never`, in the settings or the policy",
    "context": "shorten the conversation, or lower max_new_tokens",
    "price": "raise `max_price`, in the settings or the policy",
}


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
    kinds = {rejection["kind"] for rejection in last.values()}
    gates = [rejection.get("gate") for rejection in last.values()]
    if not last or (len(kinds) != 1 and None in gates):
        return describe("no_model", detail=_reasons(last))
    first, *others = last.values()
    kind = list(last.values())[-1]["kind"]
    if kind is None:
        return describe("no_model", detail=_reasons(last))
    detail = _reasons(last) if others else first["why"]
    remedies = [REMEDIES[gate] for gate in dict.fromkeys(gates) if gate in REMEDIES]
    return describe(kind, first["model"], detail="; ".join([detail, *remedies]))


def _reasons(rejections: dict[str, RejectedCandidate]) -> str:
    return "; ".join(f"{model}: {rejection['why']}" for model, rejection in rejections.items())
