from typing import Any

from omni_router.config.settings import Settings
from omni_router.nodes._attempt import Answer, attempt, chat
from omni_router.services import Services
from omni_router.state import State


def generate_text(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Answer the whole conversation with a chat model."""

    def call(model: str, provider: str | None) -> Answer:
        return chat(model, provider, state, settings, services), []

    return attempt(state, services, call)
