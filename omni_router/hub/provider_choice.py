"""Which of the providers that pass the gates is named in a call. Pure functions; docs/order-of-choice.md has the rules.

None is named where Hugging Face's own choice will do: it knows what is up at the moment, and takes another one in time.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from omni_router.config.parameters import Prefer
from omni_router.costs import rounded
from omni_router.hub.capabilities import ProviderEntry
from omni_router.hub.gates import Verdict
from omni_router.hub.requirements import Requirements
from omni_router.model_id import PROVIDER_POLICIES

MILLION = 1_000_000
FAST_ENOUGH = 0.5  # of the throughput of the fastest: a balanced choice takes the cheapest of those that have it


class ProviderChoice(NamedTuple):
    """A provider to be named, or a policy of Hugging Face; None leaves the choice to the client."""

    provider: str | None
    expected: ProviderEntry | None = None  # the one that is expected to answer
    why: str = ""


def choose_provider(verdict: Verdict, required: Requirements, policy: str | None = None) -> ProviderChoice:
    """Return the provider of a model that may be called.

    Args:
        verdict: what the gates say about its providers; at least one passes.
        required: the request, whose rule decides unless a policy is named.
        policy: one of `PROVIDER_POLICIES`, which stands in the model's id.
    """
    chats = [offer for offer in verdict.passing if offer.is_chat]
    if not chats:  # the client would choose from a list of its own, in which not all are live
        return ProviderChoice(verdict.passing[0].provider, verdict.passing[0])
    rule = RULES[required.provider_rule]
    if policy:
        rule = POLICIES[policy]
    expected = rule.pick(chats, required)
    if len(verdict.passing) == len(verdict.offers):
        if policy:
            named = None if policy == "auto" else policy
            return ProviderChoice(named, expected, f":{policy} is passed on to Hugging Face")
        if expected is None or required.provider_rule == "best":
            return ProviderChoice(None, expected)
    chosen, words = expected, rule.words
    if chosen is None:
        chosen, words = _fastest(chats, required) or chats[0], "one"
    return ProviderChoice(chosen.provider, chosen, _describe(chosen, words, verdict))


def estimated_cost(offer: ProviderEntry, required: Requirements) -> float | None:
    """Return the US dollars that a request is likely to cost; None if a price is not known."""
    if offer.prices is None:
        return None
    price_in, price_out = offer.prices
    return rounded((required.tokens_in * price_in + required.tokens_out * price_out) / MILLION)


def _describe(chosen: ProviderEntry, words: str, verdict: Verdict) -> str:
    """Return why a provider is named: the rule, its price, and the gates that others did not pass."""
    parts = [f"{chosen.provider} is {words} of {len(verdict.passing)}"]
    if len(verdict.passing) == 1:
        parts = [f"{chosen.provider} is the only one"]
    if chosen.prices:
        price_in, price_out = chosen.prices
        parts.append(f"{price_in:g} and {price_out:g} US dollars a million tokens in and out")
    for gate, count in verdict.failed.items():
        parts.append(f"{count} of {len(verdict.offers)} did not pass: {gate.replace('_', ' ')}")
    return "; ".join(parts)


# ---- the rules


def _cheapest(offers: Sequence[ProviderEntry], required: Requirements) -> ProviderEntry | None:
    """Return the provider with the lowest estimated cost; None if no price is known."""

    def cost(offer: ProviderEntry) -> tuple[float, float]:
        return estimated_cost(offer, required) or 0.0, sum(offer.prices or ())

    priced = [offer for offer in offers if offer.prices is not None]
    return min(priced, key=cost, default=None)


def _lowest_output_price(offers: Sequence[ProviderEntry], _required: Requirements) -> ProviderEntry | None:
    """Return the provider that Hugging Face takes for the cheapest."""
    priced = [offer for offer in offers if offer.prices is not None]
    return min(priced, key=lambda offer: (offer.prices or (0, 0))[1], default=None)


def _fastest(offers: Sequence[ProviderEntry], _required: Requirements) -> ProviderEntry | None:
    """Return the provider with the highest throughput, then the lowest latency; None if no throughput is known."""

    def speed(offer: ProviderEntry) -> tuple[float, float]:
        latency = offer.first_token_latency_ms
        return offer.throughput or 0.0, -math.inf if latency is None else -latency

    return max((offer for offer in offers if offer.throughput), key=speed, default=None)


def _balanced(offers: Sequence[ProviderEntry], required: Requirements) -> ProviderEntry | None:
    """Return the cheapest of the providers that are not much slower than the fastest; None if no price is known."""
    best = max(offer.throughput or 0.0 for offer in offers)
    fast = [offer for offer in offers if offer.throughput is None or offer.throughput >= FAST_ENOUGH * best]
    return _cheapest(fast, required)


def _first(offers: Sequence[ProviderEntry], _required: Requirements) -> ProviderEntry:
    """Return the first in the Hub's order, the account's own as far as it is known."""
    return offers[0]


class Rule(NamedTuple):
    """How one of several providers is chosen, and the words for the one chosen."""

    pick: Callable[[Sequence[ProviderEntry], Requirements], ProviderEntry | None]
    words: str


RULES: dict[Prefer, Rule] = {
    "best": Rule(_fastest, "the fastest"),
    "fastest": Rule(_fastest, "the fastest"),
    "cheapest": Rule(_cheapest, "the cheapest"),
    "balanced": Rule(_balanced, "the cheapest that is at least half as fast as the fastest"),
}
POLICIES: dict[str, Rule] = {
    "fastest": Rule(_fastest, "the fastest"),
    "cheapest": Rule(_lowest_output_price, "the cheapest"),
    "preferred": Rule(_first, "the first"),
    "auto": Rule(_fastest, "the fastest"),  # what Hugging Face does for chats if nothing is named
}

if set(POLICIES) != set(PROVIDER_POLICIES):  # both are written by hand
    raise AssertionError(set(POLICIES) ^ set(PROVIDER_POLICIES))
