"""The questions the graph asks between two nodes. Each answer is a node, or a word of a map in graph.py.

They read the state alone: LangGraph asks them without a runtime when a checkpoint is edited (`update_state`).
"""

from typing import Literal

from omni_router.errors import KINDS
from omni_router.state import State


def which_model(state: State) -> Literal["announce_decision", "recall_model", "explain"]:
    """Ask whether the choice names a model, or only a route, or neither."""
    decision = state["decision"]
    if decision is None or decision["task"] is None:
        return "explain"
    return "announce_decision" if decision["model"] else "recall_model"


def anything_untried(state: State) -> Literal["announce_decision", "explain"]:
    """Ask whether a model was recalled."""
    model = state["decision"]["model"] if state["decision"] else None
    tried = {attempt["model"] for attempt in state["attempts"]}
    return "announce_decision" if model and model not in tried else "explain"


def which_specialist(state: State) -> str:
    """Ask which task is to be done, if any."""
    decision = state["decision"]
    if state.get("routing_only") or decision is None or decision["task"] is None:
        return "routing only"
    return decision["task"]


def needs_retry(state: State) -> Literal["retry", "ended"]:
    """Ask whether the model's first StopIteration just came: the client's list of its providers may be stale."""
    if not state["attempts"]:
        return "ended"
    *before, last = state["attempts"]
    stopped = last["error"] is not None and last["error"]["cause"] == "StopIteration"
    return "retry" if stopped and not any(attempt["model"] == last["model"] for attempt in before) else "ended"


def what_next(state: State) -> Literal["recall_model", "explain", "__end__"]:
    """Ask whether the turn is done, another model may do better, or the caller has to act."""
    last = state["attempts"][-1] if state["attempts"] else None
    if last is None or last["error"] is None:
        return "__end__"
    # What the user has begun to read is not written anew by another model.
    over = last["partial"] or KINDS[last["error"]["kind"]].ends_turn
    return "recall_model" if not over and state.get("models_left", 0) else "explain"
