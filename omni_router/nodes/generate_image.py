from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.images import to_png
from omni_router.messages import newest_user_text
from omni_router.nodes._attempt import Answer, attempt
from omni_router.services import Services
from omni_router.state import State
from omni_router.tasks import PNG


def generate_image(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Generate an image from the newest request, save it, and answer with its path."""

    def call(model: str, provider: str | None) -> Answer:
        services.artifacts.prepare()
        image = services.inference.text_to_image(model, provider, newest_user_text(state["messages"]), settings)
        artifact = services.artifacts.save(to_png(image), _name(state), PNG, width=image.width, height=image.height)
        return AIMessage(f"The image is saved as {artifact['path']}."), [artifact]

    return attempt(state, services, call)


def _name(state: State) -> str:
    """Return the text that the file is named after."""
    if state["decision"] and state["decision"]["route"]:
        return state["decision"]["route"]
    return "image"
