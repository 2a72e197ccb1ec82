from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.messages import newest_user_text
from omni_router.nodes._attempt import Answer, attempt
from omni_router.services import Services
from omni_router.state import State


def generate_image(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Make a picture from the newest request, save it, and answer with its path."""

    def call(model: str, provider: str | None) -> Answer:
        services.artifacts.prepare()
        image = services.inference.text_to_image(model, provider, newest_user_text(state["messages"]), settings)
        route = state["decision"]["route"] if state["decision"] else None
        artifact = services.artifacts.save(image, route or "image")
        return AIMessage(f"The picture is saved as {artifact['path']}."), [artifact]

    return attempt(state, call)
