"""The reason for a decision without the words of a router, for readers of the policy and of logs without text."""

from omni_router.state import Candidate, Decision, State


def recorded_reason(state: State) -> str:
    """Return why a decision was made, in words of this package.

    A router that is a language model may repeat the request in its own words, and the example that an embedded one
    quotes reveals what the request was like. Both are for the caller, whose request it was.
    """
    decision = state["decision"]
    if decision is None:
        return ""
    parts = [_override(state)]
    if decision["proposed_route"] is not None:
        parts.append("a different route from the one the router proposed")
    parts += [_choice(decision, state), _failure(decision, state)]
    if decision["verified"] is False:
        parts.append("unverified")
    return "; ".join(filter(None, parts))


def _override(state: State) -> str:
    """Return what overrode the router; these reasons are words of this package."""
    if state["reply"] is None and state["proposal"]:
        return str(state["proposal"]["reason"])
    return ""


def _choice(decision: Decision, state: State) -> str:
    """Return what gave the model its place."""
    if decision["route"] is None or decision["model"] is None:
        return _no_model(decision)
    if decision["source"] == "caller":
        return _callers_choice(state)
    candidate = _candidate(decision, state)
    if decision["source"] == "router":
        grounds = candidate.get("grounds") if candidate else None
        return "; ".join(filter(None, [_routers_choice(decision["confidence"]), grounds]))
    if candidate:
        return candidate["why"]
    return f"from the {decision['source']}"


def _candidate(decision: Decision, state: State) -> Candidate | None:
    """Return the chosen model as it was gathered, with what boards say of it."""
    for candidate in state["candidates"].get(str(decision["route"]), []):
        if candidate["model"] == decision["model"]:
            return candidate
    return None


def _no_model(decision: Decision) -> str:
    if decision["route"] is None:
        return "the router returned no readable route"
    if decision["task"] is None:
        return "no route fits"
    return "no model is left for the route"


def _callers_choice(state: State) -> str:
    if _override(state):  # the reason has it already
        return ""
    return "the caller named the model, in this turn or an earlier one"


def _routers_choice(confidence: float | None) -> str:
    if confidence is None:
        return "the router's choice"
    return f"the router's choice, {confidence:.0%} sure"


def _failure(decision: Decision, state: State) -> str:
    """Return the last failure of another model in this turn."""
    for attempt in reversed(state["attempts"]):
        if attempt["model"] != decision["model"]:
            return f"after {attempt['model']} failed ({attempt['outcome']})"
    return ""
