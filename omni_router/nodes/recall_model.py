from datetime import datetime, timezone
from itertools import islice
from typing import Any

from omni_router.config.routes import Route
from omni_router.config.settings import Settings
from omni_router.hub.capabilities import needs_of
from omni_router.selection.candidates import line_up
from omni_router.selection.order import cooling_down, rejected, untried
from omni_router.selection.verify import decide_for
from omni_router.services import Services
from omni_router.state import Attempt, Decision, State

MAX_CHECKS = 10  # candidates a turn asks the Hub about, one after the other, before it gives up


def recall_model(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Take the route's next model that was not tried in this turn and is served; change no model when none is left."""
    decision, attempts = state["decision"], state["attempts"]
    if decision is None or decision["route"] is None or decision["task"] is None:
        return {}
    if settings.model is not None:  # the caller named it, and no other
        return {}
    route = Route(decision["route"], decision["task"], description="")
    needs = needs_of(settings)
    line = line_up(services, [route], state["previous"], needs)[route.name]
    waits, now = services.history.cooling(), datetime.now(timezone.utc)
    tried = {attempt["model"] for attempt in attempts}
    over = decision["passed_over"]
    for candidate in islice(untried(line, attempts, over), MAX_CHECKS):
        why = f"{candidate['why']}; {_occasion(decision, attempts)}"
        recalled = decide_for({**decision, "passed_over": over}, {**candidate, "why": why}, services.catalog, needs)
        over = recalled["passed_over"]
        if recalled["model"] and recalled["model"] not in tried:  # a renamed one may have been tried by its new name
            noted = {recalled["model"], *tried, *(each["model"] for each in over)}
            cool = [(c, cooling_down(c["model"], waits, now)) for c in line if c["model"] not in noted]
            return {"decision": {**recalled, "passed_over": [*over, *(rejected(c, w) for c, w in cool if w)]}}
    return {"decision": {**decision, "passed_over": over}}


def _occasion(decision: Decision, attempts: list[Attempt]) -> str:
    """Say why the choice came to history and catalog."""
    if attempts:
        return f"after {attempts[-1]['model']} failed ({attempts[-1]['outcome']})"
    if decision["passed_over"]:
        refused = decision["passed_over"][-1]
        return f"{refused['model']}, the first choice, was rejected: {refused['why']}"
    if decision["proposed_route"] is not None:
        return decision["reason"]
    return f"the router named no usable model: {decision['reason']}".rstrip(": ")
