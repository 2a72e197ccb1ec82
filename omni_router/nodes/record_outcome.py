from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.runtime import get_runtime

from omni_router.config.settings import Settings
from omni_router.costs import brought_something, price_of
from omni_router.decisions.reason import recorded_reason
from omni_router.errors import BUDGET, ErrorInfo
from omni_router.events import Recorded
from omni_router.history import UsageRecord
from omni_router.hub.chat_call import CUT_AT_START
from omni_router.nodes._budget import charge
from omni_router.nodes._log import log_decision
from omni_router.services import Services
from omni_router.state import Attempt, State, models_in


def record_outcome(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Store the decision and how it ended in history, and stream the place.

    It may run twice for one decision, when a run is killed and resumed; history and log know it by its id.
    """
    decision, attempts = state["decision"], state["attempts"]
    if decision is None or decision["route"] is None or decision["model"] is None:
        raise AssertionError("only a decision with a model is recorded")
    error = attempts[-1]["error"] if attempts else None
    use = UsageRecord(
        route=decision["route"],
        model=decision["model"],
        reason=recorded_reason(state),
        at=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        called=bool(attempts),
        by_caller=decision["source"] == "caller" or _is_callers_limit(error, settings),
        decision=decision["id"],
    )
    if attempts:
        use = _with_outcome(use, attempts[-1])
    is_stopped = error is not None and error["cause"] == BUDGET  # there was no call
    if not is_stopped and (place := services.history.record(use)):
        get_stream_writer()(Recorded(use.route, use.model, place).as_custom())
    if error is None:  # the turn is over; one that goes on, or ends in an explanation, is logged when it does
        log_decision(state, settings, services)
    dollars = price_of(attempts[-1]) if attempts else 0.0
    return {"models_left": _models_left(attempts, settings), "spent": charge(state, services, dollars)}


def _with_outcome(use: UsageRecord, attempt: Attempt) -> UsageRecord:
    """Return a use with what came of the call."""
    error = attempt["error"]
    if error:
        use = replace(use, outcome=error["kind"], retry_after=error["retry_after"])
    is_unknown = attempt["cost"] is None and brought_something(attempt)
    return replace(
        use, seconds=attempt["seconds"], usage=attempt["usage"], cost=attempt["cost"], is_cost_unknown=is_unknown
    )


def _is_callers_limit(error: ErrorInfo | None, settings: Settings) -> bool:
    """Return whether a model only missed a limit of this run's caller: a shorter timeout, or the answer's length.

    The builder of a graph may set them for all, and then it is the model that is too slow or too wordy for that graph.
    """
    context: object = get_runtime().context
    if error is None or not isinstance(context, Settings):
        return False
    if error["cause"] == CUT_AT_START:
        return context.max_new_tokens is not None
    return error["kind"] == "timeout" and settings.timeout < Settings().timeout


def _models_left(attempts: list[Attempt], settings: Settings) -> int:
    """Return how many other models this turn may still try; a model that the caller named is the only one."""
    tried = models_in(attempts)
    if settings.model is not None:
        return 0
    return max(0, settings.max_models - len(tried))
