"""Which client calls a model: the Hub's, that of an address, or a chat model of LangChain itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub.answer_limits import chat_limit
from omni_router.hub.chat_caller import ChatCaller
from omni_router.hub.client import Inference
from omni_router.hub.metering import Meter
from omni_router.own_models.address import AddressClient, provider_errors
from omni_router.own_models.specialists import OwnModels, OwnSpecialist

if TYPE_CHECKING:
    from PIL.Image import Image


class JoinedInference:
    """Calls models of one's own where they are, and all others through the Hub."""

    def __init__(self, hub: Inference, own: OwnModels) -> None:
        self._hub, self._own = hub, own
        self._chats = ChatCaller(self._client, self._context_length)

    def token(self) -> str | None:
        """Return the token of this run, which only the Hub gets."""
        return self._hub.token()

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation; tokens stream to the callbacks of this run.

        Raises:
            SpecialistError: the call failed; what had arrived of a streamed answer is its `partial`.
        """
        if not self._own.owns(model):
            return self._hub.chat(model, provider, messages, settings)
        specialist = self._specialist(model)
        if specialist.chat_model is None:
            return self._chats.chat(model, specialist.provider_name, messages, settings)
        from omni_router.own_models.langchain_call import call_chat_model

        return call_chat_model(specialist, messages, settings)

    def text_to_image(self, model: str, provider: str | None, prompt: str, settings: Settings) -> "Image":
        """Generate an image, which only models of the Hub do.

        Raises:
            SpecialistError: the call failed, or the model is one's own.
        """
        if self._own.owns(model):
            _refuse(model, "models of one's own have chats only")
        return self._hub.text_to_image(model, provider, prompt, settings)

    def image_to_text(self, model: str, provider: str | None, url: str, settings: Settings) -> str:
        """Describe an image, which only models of the Hub do without a question.

        Raises:
            SpecialistError: the call failed, or the model is one's own.
        """
        if self._own.owns(model):
            _refuse(model, "models of one's own have chats only")
        return self._hub.image_to_text(model, provider, url, settings)

    def __getattr__(self, name: str) -> Any:
        """Return a call of another task, which the client of the Hub may have."""
        return getattr(self._hub, name)

    @contextmanager
    def _client(self, model: str, settings: Settings, meter: Meter) -> Iterator[Any]:
        """Open the client of one call at an address.

        Raises:
            SpecialistError: the call failed.
        """
        specialist = self._specialist(model)
        if specialist.provider is None:
            raise AssertionError("only called for a model at an address")
        meter.name, meter.provider = specialist.name, specialist.provider_name
        with provider_errors(model, specialist.provider) as key:
            yield AddressClient(specialist.provider, key, settings.timeout, chat_limit(settings.max_new_tokens))

    def _specialist(self, model: str) -> OwnSpecialist:
        specialist = self._own.find(model)
        if specialist is None:
            _refuse(model, self._own.why_unknown(model))
        return specialist

    def _context_length(self, model: str, _provider: str | None) -> int | None:
        specialist = self._own.find(model)
        return specialist.entry["providers"][0].get("context_length") if specialist else None


def _refuse(model: str, why: str) -> NoReturn:
    raise SpecialistError("not_found", model=model, cause="own_not_found", detail=why)
