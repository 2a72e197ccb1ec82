"""The cached lists that a model of a task may be in: the Hub's, and for chats the router's. Pure functions on them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from omni_router.hub.availability import Availability, Criteria
from omni_router.hub.cache import CachedValue, Query
from omni_router.hub.capabilities import Listing, RouterModels, is_chat, read_listing
from omni_router.hub.listing import ModelEntry

HUB, ROUTER = "hub", "router"  # the two services that are asked; each may be down without the other


@dataclass(frozen=True)
class ModelLists:
    """The lists of a task, as far as they could be fetched."""

    task: str
    hub: CachedValue | None
    router: CachedValue | None  # chat models alone

    @classmethod
    def of(cls, task: str, values: dict[Query, CachedValue | None]) -> "ModelLists":
        """Return the lists of a task, each by the service that it came from."""
        by_service = {query.service: value for query, value in values.items()}
        return cls(task, by_service[HUB], by_service.get(ROUTER))

    @cached_property
    def router_models(self) -> RouterModels:
        """The router's models by id; none for a task that is not a chat."""
        if self.router is None or not is_chat(self.task):
            return {}
        return {entry["id"]: entry for entry in self.router.value}

    def are_those_of(self, other: "ModelLists") -> bool:
        """Return whether both have the same values, which may have grown stale."""
        return _is_same(self.hub, other.hub) and _is_same(self.router, other.router)

    def hub_entry(self, model: str) -> ModelEntry | None:
        """Return the model's entry in the Hub's list."""
        entries: list[ModelEntry] = self.hub.value if self.hub else []
        return next((entry for entry in entries if entry["id"] == model), None)

    def availability(self, model: str, criteria: Criteria) -> Availability | None:
        """Return what the lists say about a model; None if its own entry has to be fetched."""
        if entry := self.hub_entry(model):
            is_stale = self.hub is not None and self.hub.stale
            availability = criteria.availability(model, entry, stale=is_stale)
            if availability.refused is None or (availability.is_final and not is_stale):
                return availability
        elif entry := self.router_models.get(model):
            availability = criteria.availability(model, entry, stale=True)
            if availability.is_final:
                return availability
        return None

    def served(self) -> Listing:
        """Return the Hub's list, else the router's."""
        entries = self.hub.value if self.hub else self.router_models.values()
        return read_listing(self.task, entries, self.router_models)

    def others(self) -> Listing:
        """Return the models of the router's list that `served` leaves out."""
        others = dict(self.router_models)
        for model in self.served():
            others.pop(model.id, None)
        return read_listing(self.task, others.values(), self.router_models, limit=None)


class ReadLists(NamedTuple):
    """Lists as they were when they were read last."""

    lists: ModelLists
    listing: Listing


def _is_same(one: CachedValue | None, other: CachedValue | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.value is other.value
