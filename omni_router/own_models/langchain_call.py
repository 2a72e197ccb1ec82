"""Call a chat model of LangChain through its standard interface: stream, tools, stop sequences, the form of an answer.

The other parameters have no standard name in a call, but most models have fields for them: they are set on a copy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables.config import ensure_config, merge_configs
from langgraph.errors import GraphBubbleUp

from omni_router.config.settings import Settings
from omni_router.errors import ErrorKind, OmniRouterError, SpecialistError
from omni_router.hub.cancellation import check_cancelled
from omni_router.hub.chat_call import Arrived, check_answer
from omni_router.hub.errors import kind_of_status, requested_wait
from omni_router.hub.metering import usage_of
from omni_router.hub.reasoning import own_reasoning
from omni_router.own_models.address import OWN_WORDS

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from omni_router.own_models.specialists import OwnSpecialist

# The fields of chat models, of which each has at most one for a parameter.
_FIELDS: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "max_new_tokens": ("max_tokens", "max_completion_tokens", "num_predict", "max_new_tokens", "max_output_tokens"),
    "top_p": ("top_p",),
    "seed": ("seed",),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "reasoning_effort": ("reasoning_effort",),
}


def call_chat_model(specialist: "OwnSpecialist", messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
    """Answer a conversation; tokens stream to the callbacks of this run.

    The answer's `response_metadata["ignored"]` names the parameters for which the model has no field.

    Raises:
        SpecialistError: the call failed; what had arrived of a streamed answer is its `partial`.
    """
    if specialist.chat_model is None:
        raise AssertionError("only called for a chat model of LangChain")
    arrived = _CancellableArrived()
    try:
        model, ignored = _with_parameters(specialist.chat_model.chat_model, settings)
        message = _invoke(model, specialist.id, own_reasoning(messages, specialist.id), settings, arrived)
        check_answer(message, specialist.id, settings)
    except SpecialistError as failure:
        failure.partial, failure.provider = arrived.message(), specialist.provider_name
        raise
    message.response_metadata["provider"] = specialist.provider_name
    if usage_of(message) is None:
        message.usage_metadata = None
    if ignored:
        message.response_metadata["ignored"] = ignored
    return message


class _CancellableArrived(Arrived):
    """Collects chunks, and ends a call that nobody waits for any more at its next token."""

    raise_error = True

    def on_llm_new_token(self, token: object, *, chunk: object = None, **_: Any) -> None:
        """Keep one chunk.

        Raises:
            RunCancelled: the run was cancelled.
        """
        check_cancelled()
        super().on_llm_new_token(token, chunk=chunk)


def _with_parameters(model: "BaseChatModel", settings: Settings) -> tuple["BaseChatModel", list[str]]:
    """Return the model with the parameters that the run sets, and the names of those that it has no field for."""
    changes: dict[str, Any] = {}
    ignored = ["extra_body"] if settings.extra_body else []
    for name, fields in _FIELDS.items():
        value = getattr(settings, name)
        if value is None:
            continue
        known = [*filter(type(model).model_fields.__contains__, fields)]
        if known:
            changes[known[0]] = value
        else:
            ignored.append(name)
    return (model.model_copy(update=changes) if changes else model), ignored


def _invoke(
    model: "BaseChatModel", name: str, messages: Sequence[AnyMessage], settings: Settings, arrived: Arrived
) -> AIMessage:
    """Call a model, and turn what it raises into a `SpecialistError`.

    Raises:
        RunCancelled: the run was cancelled.
    """
    config = merge_configs(ensure_config(), {"callbacks": [arrived]})  # those of the run stay
    options: dict[str, Any] = {"stop": list(settings.stop) or None}
    if settings.response_format is not None:
        options["response_format"] = settings.response_format
    try:
        check_cancelled()
        if settings.tools:
            bound = model.bind_tools(list(settings.tools), tool_choice=settings.tool_choice)  # type: ignore[arg-type]
            message: Any = bound.invoke(list(messages), config, **options)
        else:
            message = model.invoke(list(messages), config, **options)
        check_cancelled()
    except (OmniRouterError, GraphBubbleUp):
        raise
    except Exception as error:
        check_cancelled()
        raise _failure(error, name) from error
    if not isinstance(message, AIMessage):
        raise SpecialistError("malformed_answer", model=name, cause=type(message).__name__)
    return message


def _failure(error: Exception, model: str) -> SpecialistError:
    """Return an error of any library by its status and type; its text may hold a key, and is left out.

    Its words are not about the Hub, also where its kind has such words.
    """
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    cause = type(error).__name__
    if isinstance(status, int):
        wait = requested_wait(getattr(response, "headers", {}))
        kind = kind_of_status(status)
        words = OWN_WORDS.get(kind, f"HTTP {status}")
        return SpecialistError(kind, model=model, cause=words, detail=f"{cause}: HTTP {status}", retry_after=wait)
    return SpecialistError(_kind_of_type(error), model=model, cause=cause, detail=cause)


def _kind_of_type(error: Exception) -> ErrorKind:
    """Return the kind of an error without a status; whatever went wrong, the next model may do better."""
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "timeout"
    if isinstance(error, (NotImplementedError, TypeError)):  # it takes no tools, say, or not this parameter
        return "bad_request"
    return "overloaded"
