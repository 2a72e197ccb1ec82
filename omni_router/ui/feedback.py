"""Feedback on an answer, and its effect in the page's words."""

from omni_router.errors import OmniRouterError
from omni_router.ui.backend import Backend
from omni_router.ui.chat import Chat, Turn
from omni_router.ui.components import code, feedback_note, problem, safe

GOOD, BAD = "good", "bad"


def add_feedback(chat: Chat, feedback: str, backend: Backend) -> str:
    """Save feedback (good, bad, or the correct route) on the newest answer, and return in HTML what it did."""
    if not chat.turns:
        return problem("There is no answer to rate yet.")
    turn = chat.turns[-1]
    try:
        place = backend.add_feedback(turn.decision, feedback, turn.text)
    except OmniRouterError as error:
        return problem(f"The feedback was not saved: {error}.")
    if place is None:
        return feedback_note(_reason_nothing_was_saved(turn, feedback))
    effect = _effect(turn, feedback, rated=_has_record(turn, backend))
    return feedback_note(f"{effect} <small>Saved in {safe(place)}.</small>")


def _has_record(turn: Turn, backend: Backend) -> bool:
    """Check whether the model of a turn has a history on its route, which a rating counts in."""
    model, route = turn.decision["model"], turn.decision["route"] or ""
    return any(record["id"] == model for record in backend.models(route))


def _effect(turn: Turn, feedback: str, *, rated: bool) -> str:
    """Describe what saved feedback changes."""
    route, model = f"<b>{safe(turn.decision['route'])}</b>", code(turn.decision["model"])
    route_was_right = feedback in (GOOD, turn.decision["route"])
    sentences = []
    if route_was_right and rated:
        sentences.append(f"{model} is now rated good for {route}.")
    elif feedback == BAD:
        sentences.append(f"{model} is now rated bad for {route}: other models are preferred sooner.")
    if feedback != BAD and turn.text:
        correct_route = route if route_was_right else f"<b>{safe(feedback)}</b>"
        sentences.append(f"The request is now an example of {correct_route}, and the router learns from it.")
    return " ".join(sentences)


def _reason_nothing_was_saved(turn: Turn, feedback: str) -> str:
    if feedback != BAD and not turn.text:
        return "Nothing was saved: a request without text cannot be an example."
    if feedback in (GOOD, BAD):
        model, route = code(turn.decision["model"]), safe(turn.decision["route"])
        return f"Nothing was saved: {model} has no history on {route}."
    return "Nothing was saved: the request is already an example of this route."
