"""Feedback: what a user or an evaluator says of a decision afterwards."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from omni_router.config.routes import Policy
from omni_router.errors import InvalidRequest
from omni_router.history import Verdict
from omni_router.history.protocol import ModelRecord
from omni_router.messages import newest_user_text
from omni_router.routers import OTHER

if TYPE_CHECKING:  # LangGraph and the Hub's client come with it, and a verdict needs neither
    from omni_router.services import Services


def give_feedback(
    result: Mapping[str, Any], verdict: str, *, services: "Services", text: str | None = None
) -> str | None:
    """Judge a decision: `good`, `bad`, the name of the route it should have been, or `other` where none fits.

    It counts when models are ranked, unless the caller had named the model. A good decision, or one whose right route
    is told, becomes an example of that route, when the request's text is known; routers are shown those of `other` as
    what no route serves.

    Args:
        result: what the graph gave, or its decision alone.
        verdict: `good`, `bad`, a route of the policy, or `other`.
        services: the ones the graph worked with.
        text: the request; by default the newest user message of the result.

    Returns:
        Where it was kept; None when there was nothing to keep.

    Raises:
        InvalidRequest: the verdict is none of these, or nothing was decided.
    """
    decision = result.get("decision", result)
    if text is None and "messages" in result:
        text = newest_user_text(result["messages"])
    return services.history.judge(read_verdict(decision or {}, verdict, text, services.policy))


def read_verdict(decision: Mapping[str, Any], verdict: str, text: str | None, policy: Policy) -> Verdict:
    """Read what was said of a decision.

    Raises:
        InvalidRequest: it is none of the words and routes that are allowed, or nothing was decided.
    """
    routes = {**{route.name.casefold(): route.name for route in policy.routes()}, OTHER: OTHER}
    said = verdict.strip().casefold()
    should_be = routes.get(said)
    if said not in ("good", "bad") and should_be is None:
        raise InvalidRequest(f"a verdict must be good, bad or a route ({', '.join(routes.values())}), not {verdict!r}")
    route, model = decision.get("route"), decision.get("model")
    if should_be is None and (not route or not model):
        raise InvalidRequest("no model was chosen, so the verdict can only be the route that would have been right")
    if should_be is not None and should_be == route and model:  # without one there is nothing to be good but the route
        should_be, said = None, "good"
    by_caller = decision.get("source") == "caller"  # what is said of that model is said of the caller's own choice
    return Verdict(
        route=str(route or ""),
        model="" if by_caller else str(model or ""),
        verdict="should_be" if should_be else "good" if said == "good" else "bad",
        should_be=should_be,
        text=text or None,
    )


def counts(verdict: Verdict, models: Iterable[ModelRecord]) -> bool:
    """Tell whether a verdict says something of its model, which has a record on the route for it to be counted in."""
    return verdict.verdict != "should_be" and any(record["id"] == verdict.model for record in models)
