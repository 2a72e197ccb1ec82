"""Deciding for one candidate: the catalog has the last word before a model is called."""

from omni_router.hub.capabilities import Needs
from omni_router.hub.catalog import Catalog
from omni_router.selection.order import rejected
from omni_router.state import Candidate, Decision


def decide_for(decision: Decision, candidate: Candidate, catalog: Catalog, needs: Needs = ()) -> Decision:
    """Put the candidate into the decision if it is served for the task, or if that cannot be told.

    Otherwise the decision has no model, and says in `passed_over` why not.
    """
    check = catalog.check(candidate["model"], candidate["provider"], str(decision["task"]), needs)
    if check.refused:
        over = [*decision["passed_over"], rejected(candidate, check.why, check.refused)]
        return {**decision, "model": None, "provider": None, "source": None, "verified": None, "passed_over": over}
    reason = [candidate["why"]]
    if check.model != candidate["model"]:
        reason.append(f"{candidate['model']} is now called {check.model}")
    if not check.verified:
        reason.append(f"unverified: {check.why}")
    return {
        **decision,
        "model": check.model,
        "provider": check.provider,
        "reason": "; ".join(filter(None, reason)),
        "source": candidate["source"],
        "verified": check.verified,
    }
