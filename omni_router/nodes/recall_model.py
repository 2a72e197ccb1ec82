from typing import Any

from omni_router import _sandbox
from omni_router.choice import candidates, next_untried
from omni_router.config.settings import Settings
from omni_router.services import Services
from omni_router.state import Attempt, Candidate, Decision, State


def recall_model(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Take the route's next untried model, from history or else from the catalog; change nothing when none is left."""
    decision, attempts = state["decision"], state["attempts"]
    if decision is None or decision["route"] is None or decision["task"] is None:
        return {}
    line = candidates(
        services.history.models(decision["route"]),
        services.catalog.models([decision["task"]])[decision["task"]],
        sandboxed=_sandbox.active() is not None,
    )
    candidate = next_untried(line, attempts)
    return {"decision": _recalled(decision, candidate, attempts)} if candidate else {}


def _recalled(decision: Decision, candidate: Candidate, attempts: list[Attempt]) -> Decision:
    where = "newest in history" if candidate["source"] == "history" else "first in the catalog"
    if attempts:
        failed = attempts[-1]
        why = f"{where} that was not tried yet, after {failed['model']} ended with {failed['outcome']}"
    else:
        why = f"{decision['reason']}; the router named no usable model, so {where}".lstrip("; ")
    return {
        **decision,
        "model": candidate["model"],
        "provider": candidate["provider"],
        "source": candidate["source"],
        "reason": why,
    }
