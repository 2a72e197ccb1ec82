"""Call specialists through Hugging Face Inference Providers: one method a task."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub.answer_limits import CAPTION, EMBEDDINGS, IMAGE, AnswerLimit, chat_limit
from omni_router.hub.chat_call import without_none
from omni_router.hub.chat_caller import ChatCaller
from omni_router.hub.errors import is_stop_iteration, specialist_errors
from omni_router.hub.http import check_hub_version
from omni_router.hub.metering import Meter
from omni_router.hub.protocol import Inference
from omni_router.hub.session import HubHealth, forget_providers, hub_session
from omni_router.hub.tokens import Token, find_token
from omni_router.images import MAX_PIXELS, load_image
from omni_router.images.fetch import Resolver
from omni_router.model_id import PROVIDER_POLICIES
from omni_router.simulation import active_simulation

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray
    from PIL.Image import Image

    from omni_router.hub.http import httpx


__all__ = ["HubInference", "Inference"]


class HubInference:
    """The real `huggingface_hub` client, a new one for each call: a long-lived one keeps every response body."""

    def __init__(
        self,
        token: Token = None,
        *,
        resolve: Resolver | None = None,
        transport: "httpx.BaseTransport | None" = None,
        hub: HubHealth | None = None,
        context_length: Callable[[str, str | None], int | None] | None = None,
    ) -> None:
        """Create a client.

        Args:
            token: of all runs, or a function that returns that of the run under way.
            resolve: looks up the names in addresses of images that are fetched here.
            transport: fetches these images.
            hub: knows whether the Hub answers, which the client asks who serves a model.
            context_length: returns how many tokens a model takes at a provider, prompt and answer together.

        Raises:
            ConfigurationError: the installed huggingface_hub is not one that this package works with.
        """
        check_hub_version()
        self._token, self._resolve, self._transport = token, resolve, transport
        self._hub = hub
        self._chats = ChatCaller(self._chat_client, context_length or (lambda _model, _provider: None))

    def load(self) -> None:
        """Import what calls of models need; it takes a fraction of a second."""
        import_module("omni_router.hub.chat_huggingface")

    def token(self) -> str | None:
        """Return the token of this run."""
        return find_token(self._token)

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation; tokens stream to the callbacks of this run.

        Raises:
            SpecialistError: the call failed; what had arrived of a streamed answer is its `partial`.
        """
        return self._chats.chat(model, provider, messages, settings)

    def text_to_image(self, model: str, provider: str | None, prompt: str, settings: Settings) -> "Image":
        """Generate an image, and decode all of it, so that a broken one fails here."""
        parameters = {"width": settings.width, "height": settings.height, "seed": settings.seed}
        with self._client(model, provider, settings, IMAGE) as client:
            image: Image = client.text_to_image(prompt, model=model, **without_none(parameters))
            if image.width * image.height > MAX_PIXELS:
                raise SpecialistError("malformed_answer", model=model, cause=f"{image.width} x {image.height} pixels")
            try:
                image.load()
            except Exception as error:  # Pillow's decoders raise all kinds of exceptions
                raise SpecialistError("malformed_answer", model=model, cause=type(error).__name__) from error
            return image

    def image_to_text(self, model: str, provider: str | None, url: str, settings: Settings) -> str:
        """Describe an image with a model that takes no question; the image is fetched and checked here."""
        with self._client(model, provider, settings, CAPTION) as client:
            text = client.image_to_text(self._load_image(url), model=model).generated_text
        if not text or not text.strip():
            raise SpecialistError("malformed_answer", model=model, cause="no content")
        return str(text)

    def embed(
        self, model: str, provider: str | None, texts: Sequence[str], settings: Settings, dimensions: int | None = None
    ) -> "NDArray[float32]":
        """Return a matrix with the vector of each text; `dimensions` is only passed on, and may have no effect."""
        with self._client(model, provider, settings, EMBEDDINGS) as client:
            vectors: NDArray[float32] = client.feature_extraction(
                list(texts), model=model, **without_none({"dimensions": dimensions})
            )
        if vectors.ndim != 2 or len(vectors) != len(texts):  # noqa: PLR2004 (a matrix)
            raise SpecialistError("malformed_answer", model=model, cause=f"vectors of the shape {vectors.shape}")
        return vectors

    def _load_image(self, url: str) -> bytes:
        if simulation := active_simulation():
            return load_image(url, resolve=simulation.resolve, transport=simulation.transport)
        return load_image(url, resolve=self._resolve, transport=self._transport)

    def _chat_client(self, model: str, settings: Settings, meter: Meter) -> AbstractContextManager[Any]:
        return self._client(model, None, settings, chat_limit(settings.max_new_tokens), meter)

    @contextmanager
    def _client(
        self,
        model: str,
        provider: str | None,
        settings: Settings,
        limit: AnswerLimit,
        meter: Meter | None = None,
    ) -> Iterator[Any]:
        from huggingface_hub import InferenceClient

        token = self._token_for(model)
        read_headers = meter.read_headers if meter else None
        session = hub_session(token, settings.timeout, limit, health=self._hub, read_headers=read_headers)
        with specialist_errors(model, token), session:
            if provider is None or provider in PROVIDER_POLICIES:  # of these the router of chats alone knows
                provider = "auto"
            client = InferenceClient(
                provider=cast("Any", provider),
                token=token,
                timeout=settings.timeout,
                bill_to=settings.bill_to,
            )
            try:
                with client:
                    yield client
            except Exception as error:
                if is_stop_iteration(error):
                    forget_providers()
                raise

    def _token_for(self, model: str) -> str:
        """Return the token of this run.

        Raises:
            SpecialistError: there is none, or it is not one of the Hub.
        """
        token = self.token()
        if not token:
            raise SpecialistError("token", model=model, cause="no token")
        if not token.startswith("hf_"):  # the client would take it for a provider's own key, and send it there
            raise SpecialistError(
                "token",
                model=model,
                cause="not a token of the Hub",
                detail="a token of the Hub starts with hf_; this one does not",
            )
        return token
