"""The answer before: what the newest message says against it, and how the history learns of it.

Whether the answer of this turn is doubted stands in its attempt; this is about the one that the user has read.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timezone

from langchain_core.messages import AnyMessage

from omni_router.config.settings import Settings
from omni_router.decisions.signals import Likeness, signals_of_reply
from omni_router.history import UsageRecord
from omni_router.history.cooldowns import write_time
from omni_router.messages import has_image, newest_user_message, newest_user_text, since_request
from omni_router.routers import ComparingRouter, Router
from omni_router.selection.overrides import DecisionMetadata, decision_of, replaced_answer
from omni_router.services import Services
from omni_router.state import Doubt, Signal, State

logger = logging.getLogger("omni_router")


def doubt_about_answer_before(
    messages: Sequence[AnyMessage], settings: Settings, router: Router | None
) -> Doubt | None:
    """Return what a request says against the answer before it; None if that is nothing, or the caller chose its model.

    Args:
        messages: the conversation, which ends with the request.
        settings: those of the run.
        router: the one that has routed the request, which may have an embedding; None if none was asked.

    Raises:
        InvalidRequest: another model is asked for where none has answered.
    """
    if replaced := replaced_answer(settings, messages):
        return _doubt(replaced, ["another_model"])
    newest = newest_user_message(messages)
    if newest is None or since_request(messages):  # answers follow it: a tool loop, or a request that is read again
        return None
    earlier = messages[: len(messages) - 1]
    for message in reversed(since_request(earlier)):
        if metadata := decision_of(message):
            likeness = None if has_image(newest) else _likeness(router)
            before = "" if has_image(newest) else newest_user_text(earlier)  # the words may be about another image
            return _doubt(metadata, signals_of_reply(newest_user_text(messages), before, likeness))
    return None


def record_doubt(state: State, services: Services) -> None:
    """Store the turn's doubt about an earlier answer, if there is one; the history knows it by the decision."""
    doubt = state.get("doubt")
    if doubt is None:
        return
    services.history.record(
        UsageRecord(
            route=doubt["route"],
            model=doubt["model"],
            reason="",
            at=write_time(datetime.now(timezone.utc)),
            called=False,
            decision=doubt["decision"],
            is_doubted=True,
            is_earlier=True,
        )
    )


def _doubt(metadata: DecisionMetadata, signals: list[Signal]) -> Doubt | None:
    if not signals or metadata.source == "caller" or metadata.id is None:
        return None
    return Doubt(decision=metadata.id, route=metadata.route, model=metadata.model, signals=signals)


def _likeness(router: Router | None) -> Likeness | None:
    """Return the comparison of a router that has one; what goes wrong in it ends no run."""
    if not isinstance(router, ComparingRouter):
        return None

    def likeness(first: str, second: str) -> float | None:
        try:
            return router.likeness(first, second)
        except Exception:
            logger.exception("the router cannot compare two requests; their words are compared instead")
            return None

    return likeness
