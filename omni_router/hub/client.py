"""Calls of specialists through Hugging Face Inference Providers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, message_chunk_to_message

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub.answer_limits import CAPTION, IMAGE, AnswerLimit, chat_limit
from omni_router.hub.errors import is_stop_iteration, specialist_errors
from omni_router.hub.http import check_hub_version
from omni_router.hub.session import HubHealth, forget_providers, hub_call
from omni_router.hub.tokens import Token, find_token
from omni_router.images import MAX_PIXELS, load_image
from omni_router.images.fetch import Resolver
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from PIL.Image import Image

    from omni_router.hub.http import httpx


class Inference(Protocol):
    """Where specialists are called; every method raises `SpecialistError` when a call fails."""

    def token(self) -> str | None:
        """Give the token of this run; asked for each call, so that each user can have their own."""
        ...

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation."""
        ...

    def text_to_image(self, model: str, provider: str | None, prompt: str, settings: Settings) -> "Image":
        """Make a picture."""
        ...

    def image_to_text(self, model: str, provider: str | None, url: str, settings: Settings) -> str:
        """Describe the picture at an http(s) address or in a data URL."""
        ...


class Arrived(BaseCallbackHandler):
    """Keeps the pieces of a streamed answer, so that one that breaks off is not lost."""

    def __init__(self) -> None:
        self._pieces: list[AIMessageChunk] = []

    def on_llm_new_token(self, token: object, *, chunk: object = None, **_: Any) -> None:  # noqa: ARG002 (LangChain's)
        """Keep one piece."""
        if isinstance(message := getattr(chunk, "message", None), AIMessageChunk):
            self._pieces.append(message)

    def message(self) -> AIMessage | None:
        """Give what has arrived, marked as partial; None when that is nothing to read."""
        if not self._pieces:
            return None
        joined = message_chunk_to_message(
            self._pieces[0] + self._pieces[1:]
        )  # at once: by twos it takes quadratic time
        if not isinstance(joined, AIMessage) or not joined.text:
            return None
        return joined.model_copy(update={"response_metadata": {**joined.response_metadata, "omni_router": "partial"}})


def _answered(message: AIMessage, model: str, settings: Settings) -> AIMessage:
    ended = message.response_metadata.get("finish_reason")
    if ended == "content_filter":
        raise SpecialistError("refused", model=model, cause="finish_reason content_filter")
    as_asked = ended == "length" or (ended == "stop" and settings.stop)  # the caller's own limits leave no word of it
    if not (message.content or message.tool_calls or message.invalid_tool_calls or as_asked):
        raise SpecialistError("malformed_answer", model=model, cause="no content")
    return message


def _asked(settings: Settings) -> dict[str, Any]:
    """Return the parameters that are only sent when they are asked for."""
    parameters = {
        "top_p": settings.top_p,  # ChatHuggingFace has fields for this and the seed, and does not send them
        "seed": settings.seed,
        "tools": list(settings.tools) or None,
        "tool_choice": settings.tool_choice,
        "response_format": settings.response_format,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def _optional(settings: Settings) -> dict[str, Any]:
    """Return the parameters that an answer is better without than not given at all."""
    parameters = {
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "extra_body": settings.extra_body or None,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def _names(optional: Mapping[str, Any]) -> list[str]:
    return [*(name for name in optional if name != "extra_body"), *optional.get("extra_body", {})]


class HubInference:
    """The real `huggingface_hub` client, a new one for each call: a long-lived one keeps every response body."""

    def __init__(
        self,
        token: Token = None,
        *,
        resolve: Resolver | None = None,
        transport: "httpx.BaseTransport | None" = None,
        hub: HubHealth | None = None,
    ) -> None:
        """Take a token, and, for pictures that are fetched here, another name look-up and transport than the usual.

        `hub` knows whether the Hub answers, which the client asks who serves a model of pictures.

        Raises:
            ConfigurationError: the installed huggingface_hub is not one that this package works with.
        """
        check_hub_version()
        self._token, self._resolve, self._transport = token, resolve, transport
        self._hub = hub

    def load(self) -> None:
        """Import what calls of models need, which takes a fraction of a second."""
        import_module("langchain_huggingface")

    def token(self) -> str | None:
        """Give the token of this run."""
        return find_token(self._token)

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation; tokens stream to whoever listens to this run.

        A provider that refuses a request with penalties or extra parameters is asked once more without them; the
        answer's `response_metadata["ignored"]` then names them.

        Raises:
            SpecialistError: the call failed; what had arrived of a streamed answer is its `partial`.
        """
        optional = _optional(settings)
        try:
            return self._chat(model, provider, messages, settings, optional)
        except SpecialistError as failure:
            if failure.kind != "bad_request" or failure.partial or not optional:
                raise
        answer = self._chat(model, provider, messages, settings, {})
        return answer.model_copy(
            update={"response_metadata": {**answer.response_metadata, "ignored": _names(optional)}}
        )

    def _chat(
        self,
        model: str,
        provider: str | None,
        messages: Sequence[AnyMessage],
        settings: Settings,
        optional: Mapping[str, Any],
    ) -> AIMessage:
        from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint

        arrived = Arrived()
        try:
            with self._client(model, None, settings, chat_limit(settings.max_new_tokens)) as client:
                # The router of Inference Providers takes the provider with the id, and asks the Hub for nothing more.
                endpoint = HuggingFaceEndpoint(
                    model=f"{model}:{provider}" if provider else model, task="conversational"
                )
                # Not as a parameter: LangChain hands an object's repr to every tracer, and the token would be in it.
                endpoint.client = client
                chat = ChatHuggingFace(
                    llm=endpoint,
                    temperature=settings.temperature,
                    stream_usage=True,
                    callbacks=[arrived],
                )
                chat.max_tokens = settings.max_new_tokens  # not above, where None becomes the endpoint's 512
                parameters = {**_asked(settings), **optional}
                message = chat.invoke(list(messages), stop=list(settings.stop) or None, **parameters)
            return _answered(message, model, settings)
        except SpecialistError as failure:
            failure.partial = arrived.message()
            raise

    def text_to_image(self, model: str, provider: str | None, prompt: str, settings: Settings) -> "Image":
        """Make a picture, and read it whole, so that a broken one fails here."""
        with self._client(model, provider, settings, IMAGE) as client:
            size = {"width": settings.width, "height": settings.height, "seed": settings.seed}
            given = {name: value for name, value in size.items() if value is not None}
            image: Image = client.text_to_image(prompt, model=model, **given)
            if image.width * image.height > MAX_PIXELS:
                raise SpecialistError("malformed_answer", model=model, cause=f"{image.width} x {image.height} pixels")
            try:
                image.load()
            except Exception as error:  # Pillow's decoders raise whatever they stumble over
                raise SpecialistError("malformed_answer", model=model, cause=type(error).__name__) from error
            return image

    def image_to_text(self, model: str, provider: str | None, url: str, settings: Settings) -> str:
        """Describe a picture with a model that takes no question; the picture is fetched and checked here."""
        with self._client(model, provider, settings, CAPTION) as client:
            box = active_simulation()
            picture = load_image(
                url,
                resolve=box.resolve if box else self._resolve,
                transport=box.transport if box else self._transport,
            )
            text = client.image_to_text(picture, model=model).generated_text
        if not text:
            raise SpecialistError("malformed_answer", model=model, cause="no content")
        return str(text)

    @contextmanager
    def _client(self, model: str, provider: str | None, settings: Settings, most: AnswerLimit) -> Iterator[Any]:
        from huggingface_hub import InferenceClient

        token = self.token()
        if not token:
            raise SpecialistError("token", model=model, cause="no token")
        if not token.startswith("hf_"):  # the client would take it for a provider's own key, and send it there
            raise SpecialistError(
                "token",
                model=model,
                cause="no token of the Hub",
                detail="a token of the Hub starts with hf_, this one does not",
            )
        with specialist_errors(model, token), hub_call(token, settings.timeout, most, health=self._hub):
            client = InferenceClient(provider=cast("Any", provider or "auto"), token=token, timeout=settings.timeout)
            try:
                with client:
                    yield client
            except Exception as error:
                if is_stop_iteration(error):
                    forget_providers()
                raise
