"""Why a model was called, in words that anybody may read who reads the policy or a log without text."""

from omni_router.state import Attempt, Decision, State


def recorded_reason(state: State) -> str:
    """Return why a decision was taken, in words of ours.

    A router that is a language model may repeat the request in its own words, and the example that an embedded one
    quotes tells what the request was like. Both are for the caller, whose request it was.
    """
    decision = state["decision"]
    if decision is None:
        return ""
    unverified = "unverified" if decision["verified"] is False else ""
    parts = [_settled(state), _fallback(decision), _choice(decision, state), *_failures(decision, state), unverified]
    return "; ".join(filter(None, parts))


def _settled(state: State) -> str:
    """Return what was settled before a router was asked, in the words of whoever settled it: those are ours."""
    return state["proposal"]["reason"] if state["reply"] is None and state["proposal"] else ""


def _fallback(decision: Decision) -> str:
    return "" if decision["proposed_route"] is None else "another route than the router proposed"


def _choice(decision: Decision, state: State) -> str:
    """Return what gave the model its place."""
    if decision["route"] is None:
        return "the router gave no readable route"
    if decision["model"] is None:
        return "no route fits" if decision["task"] is None else "no model is left for the route"
    if decision["source"] == "caller":
        return "" if _settled(state) else "the caller named the model, in this turn or an earlier one"
    if decision["source"] == "router":
        sure = decision["confidence"]
        return "the router's choice" if sure is None else f"the router's choice, {sure:.0%} sure"
    offered = state["candidates"].get(decision["route"], [])
    whys = (candidate["why"] for candidate in offered if candidate["model"] == decision["model"])
    return next(whys, f"from the {decision['source']}")


def _failures(decision: Decision, state: State) -> list[str]:
    attempts: list[Attempt] = [each for each in state["attempts"] if each["model"] != decision["model"]]
    return [f"after {attempts[-1]['model']} failed ({attempts[-1]['outcome']})"] if attempts else []
