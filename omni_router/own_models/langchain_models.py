"""Chat models of LangChain as specialists: what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omni_router.config.own_providers import ModelTerms
from omni_router.errors import ConfigurationError
from omni_router.model_id import is_model_id, is_sandbox_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Specialist:
    """A chat model of LangChain, and what is to be known of it beyond its own `profile`; None where nobody says."""

    chat_model: "BaseChatModel"
    context_length: int | None = None  # tokens
    input_price: float | None = None  # US dollars for a million tokens
    output_price: float | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    images: bool | None = None

    @property
    def terms(self) -> ModelTerms:
        """What is known of the model: what is given here, and else what its profile says."""
        profile: Mapping[str, Any] = getattr(self.chat_model, "profile", None) or {}
        given = ModelTerms(
            context_length=self.context_length,
            input_price=self.input_price,
            output_price=self.output_price,
            tools=self.tools,
            structured_output=self.structured_output,
            images=self.images,
        )
        by_profile = ModelTerms(
            context_length=profile.get("max_input_tokens"),
            tools=profile.get("tool_calling"),
            structured_output=profile.get("structured_output"),
            images=profile.get("image_inputs"),
        )
        return given.over(by_profile)


Specialists = Mapping[str, "BaseChatModel | Specialist"]  # by id, such as local/my-model


def read_specialists(specialists: Specialists) -> dict[str, Specialist]:
    """Check chat models that are to be specialists.

    Raises:
        ConfigurationError: an id is not one, or its value is not a chat model.
    """
    from langchain_core.language_models import BaseChatModel

    checked: dict[str, Specialist] = {}
    for name, value in specialists.items():
        if not is_model_id(name) or is_sandbox_model(name):
            raise ConfigurationError(f"{name!r} is not the id of a specialist: use name/name, such as local/my-model")
        specialist = value
        if not isinstance(specialist, Specialist):
            specialist = Specialist(value)  # type: ignore[arg-type]
        chat_model: object = specialist.chat_model
        if not isinstance(chat_model, BaseChatModel):
            found = type(chat_model).__name__
            raise ConfigurationError(f"the specialist {name} is a {found}, not a chat model of LangChain")
        checked[name] = specialist
    return checked
