"""The call of a chat model: the model object, the parameters of the request, and what arrives of the answer."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError

if TYPE_CHECKING:
    from langchain_huggingface import ChatHuggingFace

MAX_TEMPLATES = 256  # some kilobytes each


def chat_model(
    name: str, temperature: float, max_new_tokens: int | None, client: Any, callback: BaseCallbackHandler
) -> "ChatHuggingFace":
    """Return LangChain's object for one call of a model, which sends it with `client`.

    It is a copy of a template: to validate one and to describe it for tracers takes longer than the rest of a call.
    """
    template = _template(name, temperature, max_new_tokens)
    # Not as a parameter: LangChain passes an object's repr to every tracer, and the token would be in it.
    endpoint = template.llm.model_copy(update={"client": client})
    return template.model_copy(update={"llm": endpoint, "callbacks": [callback]})


@lru_cache(MAX_TEMPLATES)
def _template(name: str, temperature: float, max_new_tokens: int | None) -> "ChatHuggingFace":
    from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint

    endpoint = HuggingFaceEndpoint(model=name, task="conversational")
    endpoint.client = endpoint.async_client = None  # they have the token of the environment
    chat = ChatHuggingFace(llm=endpoint, temperature=temperature, stream_usage=True)
    chat.max_tokens = max_new_tokens  # set here, since None above becomes the endpoint's 512
    # Cached by the object, and so by its copies. It has no public name; a test notices when it moves.
    assert chat._serialized  # noqa: S101, SLF001 (computed here)
    return chat


class Arrived(BaseCallbackHandler):
    """Collects the chunks of a streamed answer, so that one that breaks off is not lost."""

    def __init__(self) -> None:
        self._chunks: list[AIMessageChunk] = []

    def on_llm_new_token(self, token: object, *, chunk: object = None, **_: Any) -> None:  # noqa: ARG002 (LangChain's)
        """Keep one chunk."""
        if isinstance(message := getattr(chunk, "message", None), AIMessageChunk):
            self._chunks.append(message)

    def message(self) -> AIMessage | None:
        """Return what has arrived, marked as partial; None when there is no text in it."""
        if not self._chunks:
            return None
        # At once: in pairs it would take quadratic time.
        joined = message_chunk_to_message(self._chunks[0] + self._chunks[1:])
        if not isinstance(joined, AIMessage) or not joined.text:
            return None
        return joined.model_copy(update={"response_metadata": {**joined.response_metadata, "omni_router": "partial"}})


def check_answer(message: AIMessage, model: str, settings: Settings) -> None:
    """Raise if the answer is empty, unless the caller's own limits may have emptied it."""
    reason = message.response_metadata.get("finish_reason")
    if reason == "content_filter":
        raise SpecialistError("refused", model=model, cause="finish_reason content_filter")
    cut_short = reason == "length" or (reason == "stop" and settings.stop)
    if not (message.content or message.tool_calls or message.invalid_tool_calls or cut_short):
        raise SpecialistError("malformed_answer", model=model, cause="no content")


def explicit_parameters(settings: Settings) -> dict[str, Any]:
    """Return the parameters that are only sent when they are set."""
    parameters = {
        "top_p": settings.top_p,  # ChatHuggingFace has fields for this and the seed, and does not send them
        "seed": settings.seed,
        "tools": list(settings.tools) or None,
        "tool_choice": settings.tool_choice,
        "response_format": settings.response_format,
    }
    return without_none(parameters)


def droppable_parameters(settings: Settings) -> dict[str, Any]:
    """Return the parameters that are left out rather than failing, if a provider refuses them."""
    parameters = {
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "extra_body": settings.extra_body or None,
    }
    return without_none(parameters)


def parameter_names(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of parameters, and of those in `extra_body`."""
    return [*(name for name in parameters if name != "extra_body"), *parameters.get("extra_body", {})]


def without_none(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are set."""
    return {name: value for name, value in parameters.items() if value is not None}
