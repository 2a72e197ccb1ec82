"""The prices of a call: those of the provider that answered, else the highest among the live providers."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from omni_router.costs import cost_at
from omni_router.hub.capabilities import ProviderEntry
from omni_router.state import TokenUsage


@runtime_checkable
class PriceList(Protocol):
    """A catalog that knows prices; a catalog of your own may do without, and costs are then unknown."""

    def offers(self, model: str) -> Sequence[ProviderEntry]:
        """Return the live providers of a chat model, with their prices; none if the list cannot be had now."""
        ...


def offers_of(catalog: object, model: str) -> Sequence[ProviderEntry]:
    """Return the live providers of a chat model in a catalog."""
    if isinstance(catalog, PriceList):
        return catalog.offers(model)
    return ()


def cost_of_call(usage: TokenUsage | None, provider: str | None, offers: Sequence[ProviderEntry]) -> float | None:
    """Return the cost of a call by the provider that answered; None if its prices or the usage are not known."""
    if usage is None:
        return None
    for offer in offers:
        if offer.provider == provider:
            return _cost_at(usage, offer)
    return None


def highest_cost(usage: TokenUsage | None, offers: Sequence[ProviderEntry]) -> float | None:
    """Return the cost of a call by the most expensive of the providers whose prices are known."""
    if usage is None:
        return None
    costs = [_cost_at(usage, offer) for offer in offers]
    return max((cost for cost in costs if cost is not None), default=None)


def _cost_at(usage: TokenUsage, offer: ProviderEntry) -> float | None:
    if offer.prices is None:
        return None
    return cost_at(usage, *offer.prices)
