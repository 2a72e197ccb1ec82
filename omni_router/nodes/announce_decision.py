from typing import Any

from langgraph.config import get_stream_writer

from omni_router.config.settings import Settings
from omni_router.services import Services
from omni_router.state import State


def announce_decision(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Send the decision to whoever streams this run, before the first token."""
    get_stream_writer()({"event": "decision", "decision": state["decision"]})
    return {"routing_only": settings.skip_specialists}
