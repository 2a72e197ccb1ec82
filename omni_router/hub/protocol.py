"""What calls specialists: the client of the Hub, or anything with the same methods."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.settings import Settings

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray
    from PIL.Image import Image


class Inference(Protocol):
    """Calls specialists; every method raises `SpecialistError` when a call fails."""

    def token(self) -> str | None:
        """Return the token of this run; called anew for each call, so that each user can have their own."""
        ...

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation; the provider is in `response_metadata["provider"]`, if it is known."""
        ...

    def text_to_image(self, model: str, provider: str | None, prompt: str, settings: Settings) -> "Image":
        """Generate an image from a description."""
        ...

    def image_to_text(self, model: str, provider: str | None, url: str, settings: Settings) -> str:
        """Describe the image at an http(s) address or in a data URL."""
        ...

    def embed(
        self, model: str, provider: str | None, texts: Sequence[str], settings: Settings, dimensions: int | None = None
    ) -> "NDArray[float32]":
        """Return a matrix with the vector of each text."""
        ...
