"""What one call of a chat model reports beside its answer: the provider that answered, and the tokens it counted."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from omni_router.model_id import PROVIDER_POLICIES, split_model_id
from omni_router.state import TokenUsage

PROVIDER_HEADER = "x-inference-provider"  # the router of Inference Providers names in it who answered
_ABSURD = 10**12  # more tokens than any call has


class Meter:
    """Collects what the wire reports of one call."""

    def __init__(self, model: str, provider: str | None) -> None:
        self._model = model
        # The router of Inference Providers takes the provider with the id, and asks the Hub for nothing more.
        self.name = f"{model}:{provider}" if provider else model
        self.provider = _known(provider)  # the one named in the request, until the answer names one
        self.usage: TokenUsage | None = None

    def read_headers(self, headers: Mapping[str, str]) -> None:
        """Note the provider that a response names; whatever is not the name of one is ignored."""
        _, provider = split_model_id(f"{self._model}:{headers.get(PROVIDER_HEADER, '')}")
        self.provider = _known(provider) or self.provider

    def read_usage(self, answer: object) -> None:
        """Note the tokens in an answer or a chunk; of several counts in a stream the last is that of the whole."""
        # The attribute: the value of the key lacks what the client has no field for, as the count of the reasoning.
        self.usage = parse_usage(getattr(answer, "usage", None)) or self.usage

    def write_to(self, message: AIMessage) -> None:
        """Set on an answer who sent it and what was counted.

        LangChain adds up the counts of all chunks, which is wrong for providers that send a running total with each,
        and takes what is missing for 0.
        """
        if self.provider:
            message.response_metadata["provider"] = self.provider
        message.usage_metadata = _as_metadata(self.usage) if self.usage else None


class MeteredClient:
    """The client of one call; it sends the name that its meter has, with the provider, and lets it read the usage.

    LangChain takes the name that it sends for that of the model, which is the same at every provider.
    """

    def __init__(self, client: Any, meter: Meter) -> None:
        self._client, self._meter = client, meter

    def chat_completion(self, *arguments: Any, **parameters: Any) -> Any:
        """Call the model, and return its answer or the chunks of it."""
        answer = self._client.chat_completion(*arguments, **{**parameters, "model": self._meter.name})
        if parameters.get("stream"):
            return self._chunks(answer)
        self._meter.read_usage(answer)
        return answer

    def _chunks(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            self._meter.read_usage(chunk)
            yield chunk


def _known(provider: str | None) -> str | None:
    """Return a provider; None for a way to choose one."""
    if provider in PROVIDER_POLICIES:
        return None
    return provider


def parse_usage(usage: object) -> TokenUsage | None:
    """Read a provider's count of tokens; None if it is not one. No prompt is empty, so 0 counts as not counted."""
    if not isinstance(usage, Mapping):
        return None
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if not read or written is None:
        return None
    counted = TokenUsage(input_tokens=read, output_tokens=written)
    details = usage.get("completion_tokens_details")
    if isinstance(details, Mapping) and (reasoning := _count(details.get("reasoning_tokens"))) is not None:
        counted["reasoning_tokens"] = reasoning
    return counted


def usage_of(message: AIMessage) -> TokenUsage | None:
    """Return the tokens of an answer as LangChain describes them; None where nothing was counted."""
    metadata = message.usage_metadata
    if not metadata or not metadata["input_tokens"]:
        return None
    counted = TokenUsage(input_tokens=metadata["input_tokens"], output_tokens=metadata["output_tokens"])
    reasoning = metadata.get("output_token_details", {}).get("reasoning")
    if reasoning is not None:
        counted["reasoning_tokens"] = reasoning
    return counted


def _as_metadata(usage: TokenUsage) -> UsageMetadata:
    read, written = usage["input_tokens"], usage["output_tokens"]
    metadata = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    if "reasoning_tokens" in usage:
        metadata["output_token_details"] = {"reasoning": usage["reasoning_tokens"]}
    return metadata


def _count(value: object) -> int | None:
    if type(value) is int and 0 <= value < _ABSURD:
        return value
    return None
