"""The call of a chat model: the model object, the parameters of the request, and what arrives of the answer."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message

from omni_router.config.settings import Settings
from omni_router.error_kinds import CUT_AT_START, EMPTY
from omni_router.errors import SpecialistError
from omni_router.messages import reasoning_of

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

    from omni_router.hub.chat_huggingface import ChatHuggingFace

MAX_TEMPLATES = 256  # some kilobytes each


def chat_model(  # noqa: PLR0913 (the last two by name)
    model: str,
    settings: Settings,
    client: Any,
    callback: BaseCallbackHandler,
    *,
    pass_back: str | None = None,
    on_reasoning: Callable[[str], None] | None = None,
) -> "ChatHuggingFace":
    """Return LangChain's object for one call of a model, which sends it with `client`.

    It is a copy of a template: to validate one and to describe it for tracers takes longer than the rest of a call.

    Args:
        model: org/name; the client adds the provider.
        settings: with the temperature and the length of the answer.
        client: sends the request.
        callback: of the call, beside those of the run.
        pass_back: the field in which reasoning is passed back with tool calls; None leaves it out.
        on_reasoning: called with the field in which reasoning arrives.
    """
    template = chat_template(model, settings)
    # Not as a parameter: LangChain passes an object's repr to every tracer, and the token would be in it.
    endpoint = template.llm.model_copy(update={"client": client})
    changes = {"llm": endpoint, "callbacks": [callback], "pass_back": pass_back, "on_reasoning": on_reasoning}
    return template.model_copy(update=changes)


def chat_template(model: str, settings: Settings) -> "ChatHuggingFace":
    """Return what the objects for calls of a model are copies of; its `profile` is what is known of the model."""
    return _template(model, settings.sampling_temperature, settings.max_new_tokens)


@lru_cache(MAX_TEMPLATES)
def _template(model: str, temperature: float, max_new_tokens: int | None) -> "ChatHuggingFace":
    from langchain_huggingface import HuggingFaceEndpoint

    from omni_router.hub.chat_huggingface import ChatHuggingFace

    endpoint = HuggingFaceEndpoint(model=model, task="conversational")
    endpoint.client = endpoint.async_client = None  # they have the token of the environment
    # With its id: LangChain looks the profile up before it takes the id from the endpoint.
    chat = ChatHuggingFace(llm=endpoint, model_id=model, stream_usage=True)
    # Set here, since above None would become the endpoint's 512 tokens, and 0 its temperature of 0.8.
    chat.max_tokens, chat.temperature = max_new_tokens, temperature
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
        if not isinstance(joined, AIMessage) or not joined.text.strip():
            return None
        return joined.model_copy(update={"response_metadata": {**joined.response_metadata, "omni_router": "partial"}})


def check_answer(message: AIMessage, model: str, settings: Settings) -> None:
    """Raise if there is no answer: only reasoning, or nothing, unless the caller's stop sequence may explain it."""
    reason = message.response_metadata.get("finish_reason")
    if reason == "content_filter":
        raise SpecialistError("refused", model=model, cause="finish_reason content_filter")
    if message.text.strip() or message.tool_calls or message.invalid_tool_calls or (reason == "stop" and settings.stop):
        return
    if reason == "length":
        raise SpecialistError("malformed_answer", model=model, cause=CUT_AT_START, detail=_where_cut(message))
    raise SpecialistError("malformed_answer", model=model, cause=EMPTY, detail="it is empty")


def _where_cut(message: AIMessage) -> str:
    limit = "the limit on its length"
    if usage := message.usage_metadata:
        limit = f"the limit of {usage['output_tokens']:,} tokens"
    if reasoning_of(message):
        return f"{limit} was reached while the model was reasoning: allow more, or a lower reasoning effort"
    return f"{limit} was reached before there was any text"


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


def droppable_parameters(settings: Settings, profile: "ModelProfile") -> dict[str, Any]:
    """Return the parameters that are left out rather than failing, if a provider refuses them."""
    extra = dict(settings.extra_body or {})
    if settings.reasoning_effort and profile.get("reasoning_output") is not False:
        extra.setdefault("reasoning_effort", settings.reasoning_effort)
    parameters = {
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "extra_body": extra or None,
    }
    return without_none(parameters)


class RequestForm(NamedTuple):
    """One form of a request: what is sent of what a provider may refuse."""

    parameters: Mapping[str, Any]
    pass_back: str | None  # the field in which earlier reasoning is passed back with tool calls
    left_out: Sequence[str] = ()  # parameters of the caller that the fullest form has, and this one has not
    second_way: bool = False  # the other forms leave out the reasoning that this one passes back, or the reverse


def request_forms(
    parameters: Mapping[str, Any], max_tokens: int | None, ways_back: Sequence[str | None]
) -> list[RequestForm]:
    """Return the forms of a request, the fullest first.

    Args:
        parameters: of the caller, which a provider may refuse.
        max_tokens: a limit that is not the caller's; None if none is sent.
        ways_back: fields in which to pass reasoning back, None for leaving it out: the first, and one if it is refused.
    """
    first, *others = ways_back
    limit = without_none({"max_tokens": max_tokens})
    forms = [RequestForm({**parameters, **limit}, first)]
    if parameters or limit:
        forms.append(RequestForm({}, first, parameter_names(parameters)))
    return [*forms, *(RequestForm({}, other, parameter_names(parameters), second_way=True) for other in others)]


def parameter_names(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of parameters, and of those in `extra_body`."""
    return [*(name for name in parameters if name != "extra_body"), *parameters.get("extra_body", {})]


def without_none(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are set."""
    return {name: value for name, value in parameters.items() if value is not None}
