from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.error_kinds import GATES_OF_CALLERS, Gate
from omni_router.errors import GATES, ErrorInfo, describe
from omni_router.hub.catalog import Catalog
from omni_router.hub.requirements import requirements_with
from omni_router.messages import EXPLANATION
from omni_router.nodes._doubts import record_doubt
from omni_router.nodes._log import log_decision
from omni_router.own_models.joined_catalog import owns
from omni_router.selection.sources import is_kept
from omni_router.services import Services
from omni_router.state import RejectedCandidate, State


def explain(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Answer with the error, and what to do about it."""
    error = _last_error(state, settings, services)
    if not state["attempts"]:  # after a call it is recorded already, in record_outcome
        record_doubt(state, services)
    log_decision(state, settings, services, error)
    text = f"{error['message']} {error['hint']}"
    if state["attempts"] and state["attempts"][-1]["partial"]:
        text = f"The answer broke off. {text}"
    message = AIMessage(text, response_metadata={"omni_router": EXPLANATION})
    return {"error": error, "messages": [message]}


def _last_error(state: State, settings: Settings, services: Services) -> ErrorInfo:
    """Return the error of the last attempt; without any, that of how far the turn got."""
    decision, attempts = state["decision"], state["attempts"]
    if attempts and (error := attempts[-1]["error"]):
        return error
    if decision is None or decision["route"] is None:
        return describe("no_reply")
    if decision["task"] is None:
        return describe("no_route")
    routes = [route for route in services.policy.routes() if route.name == decision["route"]]
    refused = decision["passed_over"]
    if is_kept(services, routes, settings) and _are_of_others(refused, routes, settings):
        return describe("no_model", cause="own_models")
    return _refused_without_a_call(refused, services.catalog)


def _are_of_others(rejections: list[RejectedCandidate], routes: list[Route], settings: Settings) -> bool:
    """Return whether `only` names providers, and all models that were refused are of others; also without any.

    The caller's model is refused in its own words.
    """
    if rejections and settings.model:
        return False
    for rejection in rejections:
        beginnings = ("*", f"{rejection['model'].partition('/')[0]}/")
        if _is_named(beginnings, routes, settings):
            return False
    return True


def _is_named(beginnings: tuple[str, ...], routes: list[Route], settings: Settings) -> bool:
    """Return whether in each of the limits `only` a pattern begins in one of these ways."""
    for route in routes:
        for group in requirements_with(settings, 0, route.parameters).only:
            if not any(pattern.casefold().startswith(beginnings) for pattern in group):
                return False
    return True


def _refused_without_a_call(rejections: list[RejectedCandidate], catalog: Catalog) -> ErrorInfo:
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
    model, detail, cause = first["model"], first["why"], _cause(gates)
    if gates == ["task"] and owns(catalog, model):
        cause = "own_not_found"
    if others:
        detail = _reasons(last)
    if others and cause:
        model = f"any of {len(last)} models"
    return describe(kind, model, cause, detail)


def _cause(gates: list[Gate | None]) -> str:
    """Return the cause of an error whose words are those of the gates; empty if those of its kind will do."""
    first, *others = set(gates)
    if others:
        return GATES
    return first if first in GATES_OF_CALLERS else ""


def _reasons(rejections: dict[str, RejectedCandidate]) -> str:
    return "; ".join(f"{model}: {rejection['why']}" for model, rejection in rejections.items())
