from typing import Any

from langchain_core.messages import AIMessage

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.messages import newest_image
from omni_router.nodes._attempt import Answer, attempt, chat
from omni_router.services import Services
from omni_router.state import State


def understand_image(state: State, settings: Settings, services: Services) -> dict[str, Any]:
    """Answer a request about an image: by vision chat, or by `image_to_text` for a model served only so."""

    def call(model: str, provider: str | None) -> Answer:
        try:
            return chat(model, provider, state, settings, services, images=True), []
        except SpecialistError as failure:
            if failure.kind not in ("not_found", "no_provider"):
                raise
        # No provider chats with this model; it may still be served as a describer of images, which takes no question.
        url = newest_image(state["messages"])
        return AIMessage(services.inference.image_to_text(model, provider, url, settings)), []

    return attempt(state, services, call)
