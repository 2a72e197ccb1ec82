"""The offers of providers: what each lists about a model, and which of them the router lets answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LIVE = "live"


@dataclass(frozen=True)
class Offer:
    """One provider of a chat model, as the router of Inference Providers lists it; without the keys that are None.

    `status` is `live`, `staging` or `error`: only live ones answer. `raw` replaces or adds keys with any JSON value,
    such as the absurd ones that real lists contain; calls go by the other fields.
    """

    provider: str
    context_length: int | None = 131_072  # tokens of prompt and answer
    input_price: float | None = 0.1  # US dollars for a million tokens
    output_price: float | None = 0.4
    throughput: float | None = 180.0  # tokens a second
    first_token_ms: float | None = 250
    is_free: bool | None = False
    tools: bool | None = True
    structured_output: bool | None = True
    status: str = LIVE
    raw: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the provider's entry in the router's list."""
        entry = {
            "provider": self.provider,
            "status": self.status,
            "context_length": self.context_length,
            "pricing": _without_none(input=self.input_price, output=self.output_price) or None,
            "is_free": self.is_free,
            "supports_tools": self.tools,
            "supports_structured_output": self.structured_output,
            "first_token_latency_ms": self.first_token_ms,
            "throughput": self.throughput,
        }
        return {**_without_none(**entry), **self.raw}

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return what an answer costs in US dollars; None when a price is missing."""
        if self.is_free:
            return 0.0
        if self.input_price is None or self.output_price is None:
            return None
        return (self.input_price * input_tokens + self.output_price * output_tokens) / 1_000_000


def _output_price(offer: Offer) -> float:
    if offer.is_free:
        return 0.0
    return float("inf") if offer.output_price is None else offer.output_price


# How the router chooses by the suffix of a model: the first offer by this order. Without a suffix it is the fastest.
POLICIES: dict[str, Callable[[Offer], float]] = {
    "fastest": lambda offer: -(offer.throughput or 0.0),
    "auto": lambda offer: -(offer.throughput or 0.0),
    "cheapest": _output_price,
    "preferred": lambda _offer: 0.0,  # the order of the list stands in for that of the account
}


def choose(offers: Sequence[Offer], provider: str | None, policy: str) -> Offer | None:
    """Return the offer that answers a call: the provider's own if one is named, else the policy's first live one."""
    if provider is not None:
        return next((offer for offer in offers if offer.provider == provider), None)
    live = [offer for offer in offers if offer.status == LIVE]
    return min(live, key=POLICIES[policy], default=None)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
