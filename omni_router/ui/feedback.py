"""What a person says of an answer, and what the page says came of it."""

from omni_router.errors import OmniRouterError
from omni_router.ui.backend import Backend
from omni_router.ui.badge import problem, safe
from omni_router.ui.chat import Chat

GOOD, BAD = "good", "bad"


def judge(chat: Chat, verdict: str, backend: Backend) -> str:
    """Keep a verdict on the newest answer, and tell in HTML what it did."""
    if not chat.turns:
        return problem("There is no answer to judge yet.")
    turn = chat.turns[-1]
    decision = turn.result["decision"]
    try:
        place = backend.judge(decision, verdict, turn.text)
    except OmniRouterError as error:
        return problem(f"The verdict was not kept: {error}.")
    counted = any(record["id"] == decision["model"] for record in backend.models(decision["route"] or ""))
    told = _told(decision, verdict, turn.text, counted=counted) if place else _nothing(decision, verdict, turn.text)
    return f'<div class="omni-kept">{told}{f" <small>Kept in {safe(place)}.</small>" if place else ""}</div>'


def _told(decision: dict[str, str], verdict: str, text: str, *, counted: bool) -> str:
    route, model = f"<b>{safe(decision['route'])}</b>", f"<code>{safe(decision['model'])}</code>"
    right = verdict in (GOOD, decision["route"])
    parts = []
    if right and counted:
        parts.append(f"{model} counts as good for {route}.")
    elif verdict == BAD:
        parts.append(f"{model} counts as bad for {route}: others are tried before it sooner.")
    if verdict != BAD and text:
        learned = route if right else f"<b>{safe(verdict)}</b>"
        parts.append(f"The request is an example of {learned} from now on: the router learns from it.")
    return " ".join(parts)


def _nothing(decision: dict[str, str], verdict: str, text: str) -> str:
    if verdict != BAD and not text:
        return "Nothing was kept: a request without words makes no example."
    if verdict in (GOOD, BAD):
        return f"Nothing was kept: <code>{safe(decision['model'])}</code> has no record on {safe(decision['route'])}."
    return "Nothing new was kept: this is known already."
