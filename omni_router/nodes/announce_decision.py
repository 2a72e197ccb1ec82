from typing import Any

from langgraph.config import get_stream_writer

from omni_router.config.settings import Settings
from omni_router.events import DecisionMade
from omni_router.services import Services
from omni_router.state import State


def announce_decision(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Stream the decision, before the first token."""
    if state["decision"] is None:
        raise AssertionError("only a decision is announced")
    get_stream_writer()(DecisionMade(state["decision"]).as_custom())
    return {"routing_only": settings.skip_specialists}
