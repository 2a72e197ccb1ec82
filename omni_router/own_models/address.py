"""Requests to the address of a provider of one's own: the list of its models, and chats in OpenAI's form.

They take a client of their own, not that of huggingface_hub: it sends the token of the machine where no key is given,
follows redirects, obeys HF_HUB_OFFLINE, and changes JSON schemas into the form of one server. An address on this
machine is never asked through a proxy, and nothing is asked where an answer only points to.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from omni_router.config.own_providers import OwnProvider
from omni_router.errors import SpecialistError
from omni_router.hub.answer_limits import LISTING, AnswerLimit
from omni_router.hub.cancellation import DeadlineStream, check_cancelled, track
from omni_router.hub.errors import specialist_errors
from omni_router.hub.http import httpx
from omni_router.hub.wire import watch_response

if TYPE_CHECKING:
    from huggingface_hub import ChatCompletionOutput, ChatCompletionStreamOutput

_DATA, _DONE = "data:", "[DONE]"
_HUB_TOKEN = "hf_"  # noqa: S105 (how one begins)
_HUB_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # what they hold is a token of the Hub, however it begins
# Kinds of failure whose words are about the Hub: another provider has other words (error_kinds.py).
OWN_WORDS = {"token": "own_key", "payment": "own_payment", "not_found": "own_not_found"}
_UNREACHABLE = "own_unreachable"


class KeyUnavailableError(ValueError):
    """The key of a provider is not there, or may not be sent to its address."""


def key_of_provider(provider: OwnProvider, variables: Mapping[str, str] = os.environ) -> str | None:
    """Return the key of a provider; None if it takes none.

    Raises:
        KeyUnavailableError: its variable is not set, holds what no header can hold, or a token of the Hub, which only
            Hugging Face may see.
    """
    if provider.key_env is None:
        return None
    key = variables.get(provider.key_env, "").strip()
    if not key:
        raise KeyUnavailableError(f"the variable {provider.key_env}, which holds its key, is not set")
    if not (key.isascii() and key.isprintable()):
        raise KeyUnavailableError(f"{provider.key_env} holds no key: it has characters that a header cannot have")
    is_of_hub = provider.key_env in _HUB_VARIABLES or key.removeprefix("Bearer ").lstrip("\"' ").startswith(_HUB_TOKEN)
    if is_of_hub and not provider.is_of_hugging_face:
        raise KeyUnavailableError(
            f"{provider.key_env} holds a token of the Hub, which is sent to Hugging Face alone, by https"
        )
    return key


def list_models(provider: OwnProvider, timeout: float) -> Any:
    """Return the JSON of GET /v1/models.

    Raises:
        KeyUnavailableError: there is no key that may be sent.
        httpx.HTTPError: the address does not answer, or with an error.
        ValueError: the answer is not JSON.
    """
    key = key_of_provider(provider)
    with _request(provider, "/models", key=key, timeout=timeout, limit=LISTING) as response:
        return json.loads(response.read())


class AddressClient:
    """The client of one call of a chat model, with the method of huggingface_hub's client that LangChain calls."""

    def __init__(self, provider: OwnProvider, key: str | None, timeout: float, limit: AnswerLimit) -> None:
        self._provider, self._key, self._timeout, self._limit = provider, key, timeout, limit

    def chat_completion(
        self, messages: list[Any], *, extra_body: Mapping[str, Any] | None = None, **parameters: Any
    ) -> "ChatCompletionOutput | Iterator[ChatCompletionStreamOutput]":
        """Call the model, and return its answer or the chunks of it."""
        sent = {name: value for name, value in parameters.items() if value is not None}
        body = {"messages": messages, **sent, **(extra_body or {})}
        if parameters.get("stream"):
            return self._chunks(body)
        from huggingface_hub import ChatCompletionOutput

        with self._post(body) as response:
            return ChatCompletionOutput.parse_obj_as_instance(json.loads(response.read()))

    def _chunks(self, body: dict[str, Any]) -> "Iterator[ChatCompletionStreamOutput]":
        from huggingface_hub import ChatCompletionStreamOutput

        with self._post(body) as response:
            for event in _events(response.iter_lines()):
                yield ChatCompletionStreamOutput.parse_obj_as_instance(event)

    def _post(self, body: dict[str, Any]) -> AbstractContextManager[httpx.Response]:
        return _request(
            self._provider, "/chat/completions", key=self._key, timeout=self._timeout, limit=self._limit, body=body
        )


@contextmanager
def provider_errors(model: str, provider: OwnProvider) -> Iterator[str | None]:
    """Turn what a call raises in the block into a `SpecialistError` that names the provider; the value is its key.

    Raises:
        SpecialistError: the call failed, or there is no key.
    """
    try:
        key = key_of_provider(provider)
    except KeyUnavailableError as error:
        raise _named(SpecialistError("token", model=model, cause="no key", detail=str(error)), provider) from error
    try:
        with specialist_errors(model, key):
            yield key
    except SpecialistError as failure:
        raise _named(failure, provider) from failure.__cause__


def _named(failure: SpecialistError, provider: OwnProvider) -> SpecialistError:
    """Return the failure in words about its provider.

    One address that cannot be reached says nothing about others: unlike the Hub's, it does not end the turn.
    """
    kind, cause = failure.kind, OWN_WORDS.get(failure.kind, failure.cause)
    if kind == "connection":
        kind, cause = "overloaded", _UNREACHABLE
    about = f"{provider.name} at {provider.address}: {failure.cause}"
    detail = ", ".join(filter(None, (about, failure.detail)))
    return SpecialistError(kind, model=failure.model, cause=cause, detail=detail, retry_after=failure.retry_after)


@contextmanager
def _request(  # noqa: PLR0913 (all but two by name)
    provider: OwnProvider, path: str, *, key: str | None, timeout: float, limit: AnswerLimit, body: Any = None
) -> Iterator[httpx.Response]:
    """Send a request, a POST if it has a body, and yield its answer, of which no more than `limit` can be read.

    Raises:
        RunCancelled: the run that this thread works for was cancelled.
        httpx.HTTPError: the address does not answer, or with an error or a redirect.
    """
    client = _client(trusts_proxies=not provider.is_loopback)
    headers = {"accept-encoding": "gzip"}  # the encoding that is unpacked while it is counted
    if key:
        headers["authorization"] = f"Bearer {key}"
    method, url = "GET" if body is None else "POST", f"{provider.address}{path}"
    request = client.build_request(method, url, headers=headers, json=body, timeout=timeout)
    try:
        track(request)
        started = time.monotonic()
        with closing(client.send(request, stream=True)) as response:
            response.stream = DeadlineStream(response, started, timeout, limit)
            watch_response(response)
            if response.is_error or response.is_redirect:
                response.read()
                response.raise_for_status()
            yield response
    except Exception:
        check_cancelled()  # how a cancelled call ends is not the provider's failure
        raise


@lru_cache
def _client(*, trusts_proxies: bool) -> httpx.Client:
    """Return a client that keeps connections, and no cookies, which would mix up users."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.Client(trust_env=trusts_proxies, cookies=no_cookies, follow_redirects=False)


def _events(lines: Iterator[str]) -> Iterator[Any]:
    """Yield the server-sent events of a streamed answer.

    Raises:
        TextGenerationError: an event is an error.
        ValueError: one is not JSON.
    """
    for line in lines:
        if not line.startswith(_DATA):
            continue
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            return
        event = json.loads(data)
        if isinstance(event, dict) and event.get("error"):
            from huggingface_hub.errors import TextGenerationError

            raise TextGenerationError(str(event["error"]))
        yield event
