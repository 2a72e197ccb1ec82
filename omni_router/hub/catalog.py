"""The catalog: which models the Hub's inference providers serve right now, per task, and by whom one is served."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from omni_router.hub.availability import Availability, Criteria, unknown_terms, without_terms
from omni_router.hub.cache import TIMEOUT, Query, SwrCache
from omni_router.hub.capabilities import (
    CatalogModel,
    Listing,
    ProviderEntry,
    is_chat,
)
from omni_router.hub.http import check_hub_version
from omni_router.hub.listing import ModelEntry, chat_models, look_up_model, served_models
from omni_router.hub.model_lists import HUB, ROUTER, ModelLists, ReadLists
from omni_router.hub.requirements import NO_REQUIREMENTS, Requirements
from omni_router.model_id import PROVIDER_POLICIES
from omni_router.simulation import active_simulation
from omni_router.storage.sqlite import DiskCache

__all__ = ["Availability", "Catalog", "CatalogModel", "CatalogSnapshot", "HubCatalog", "Listing", "ProviderEntry"]


class CatalogSnapshot(NamedTuple):
    """All models that are known to be served for a task, and how good that knowledge is."""

    models: Listing
    at: float | None  # when the oldest of the lists was fetched; None if there is no list
    stale: bool  # a list was due to be fetched again, and could not be
    missing: tuple[str, ...]  # the names of lists that could not be fetched


class Catalog(Protocol):
    """Lists models for routes without history, and checks whether a model is served."""

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Return the served models of each task, best first; none for a task that cannot be listed now."""
        ...

    def check(
        self, model: str, provider: str | None, task: str, required: Requirements = NO_REQUIREMENTS
    ) -> Availability:
        """Check whether `model` is served for `task` with what a run requires, by `provider` if one is named."""
        ...


class HubCatalog:
    """Asks the Hub, and for chats the router of Inference Providers; caches the answers in memory and on disk.

    Args:
        token: returns the token of the run that asks.
        disk: caches answers that everyone may see for other processes.
        clock: returns the time, in seconds since 1970, since other processes read it.

    Raises:
        ConfigurationError: the installed huggingface_hub is not one that this package works with.
    """

    def __init__(
        self,
        token: Callable[[], str | None] = lambda: None,
        disk: DiskCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_hub_version()
        self._token = token
        self._cache = SwrCache(disk, clock)
        self._listings: dict[str, ReadLists] = {}  # by task

    def is_down(self) -> bool:
        """Return whether the Hub did not answer a moment ago."""
        return self._cache.is_down(HUB, active_simulation())

    def note_down(self) -> None:
        """Note that the Hub did not answer another caller: it is left alone for a while."""
        self._cache.note_down(HUB, active_simulation())

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Return the served models of each task, trending first; all lists are fetched at once, within `TIMEOUT`."""
        on_hub = {task: self._hub_list(task) for task in tasks}
        on_router = self._router_list()
        queries = list(on_hub.values())
        if any(map(is_chat, on_hub)):
            queries.append(on_router)
        values = self._cache.get(*queries)
        router = values.get(on_router)
        return {task: self._listing(ModelLists(task, values[query], router)) for task, query in on_hub.items()}

    def offers(self, model: str) -> tuple[ProviderEntry, ...]:
        """Return the live providers of a chat model in the router's list; none if the list cannot be had now."""
        query = self._router_list()
        value = self._cache.get(query)[query]
        entries = value.value if value else []
        for entry in entries:
            if entry["id"] == model:
                return tuple(ProviderEntry(**each) for each in entry["providers"])
        return ()

    def snapshot(self, task: str) -> CatalogSnapshot:
        """Return every model known to be served for a task: the trending ones, then the rest of the router's list.

        For a person who wants to know what there is now: unlike `models` it waits for fresh answers.
        """
        values = self._cache.get(*self._queries(task), wait_for_fresh=True)
        lists = ModelLists.of(task, values)
        cached = list(filter(None, values.values()))
        return CatalogSnapshot(
            models=(*lists.served(), *lists.others()),
            at=min((value.at for value in cached), default=None),
            stale=any(value.stale for value in cached),
            missing=tuple(query.name for query, value in values.items() if value is None),
        )

    def check(
        self,
        model: str,
        provider: str | None,
        task: str,
        required: Requirements = NO_REQUIREMENTS,
        *,
        wait_for_fresh: bool = False,
    ) -> Availability:
        """Check whether `model` is served for `task`; unverified when the Hub cannot be asked.

        A list can only show that a model is served. Whether it is not is up to the Hub's own entry of the model, except
        for the terms of its providers, which the router's list alone has. `wait_for_fresh` waits for a fresh answer
        also where a stale one is at hand.
        """
        if not is_chat(task):
            required = required.outside_of_chats()
        lists = ModelLists.of(task, self._cache.get(*self._queries(task), wait_for_fresh=wait_for_fresh))
        if unknown := unknown_terms(required, task, lists.router_models):
            bare = replace(required, capabilities=(), tokens_in=0, tokens_out=0, max_price=None)
            availability = self.check(model, provider, task, bare, wait_for_fresh=wait_for_fresh)
            return without_terms(availability, required, unknown)
        criteria = Criteria(task, provider, required, lists.router_models)
        if by_lists := lists.availability(model, criteria):
            return by_lists
        query = self._model_query(model, criteria.is_met)
        if value := self._cache.get(query, wait_for_fresh=wait_for_fresh)[query]:
            return criteria.availability(model, value.value, stale=value.stale)
        if (entry := lists.router_models.get(model)) and criteria.is_met(entry):
            return criteria.availability(model, entry, stale=True)
        return criteria.unverified(model, "the Hub could not be reached to check that it is served")

    def context_length(self, model: str, provider: str | None) -> int | None:
        """Return how many tokens a chat model takes at a provider, or else at all of them; None if it is not known."""
        offers = self.offers(model)
        if provider and provider not in PROVIDER_POLICIES:
            offers = tuple(offer for offer in offers if offer.provider == provider)
        return min(filter(None, (offer.context_length for offer in offers)), default=None)

    def _listing(self, lists: ModelLists) -> Listing:
        """Return what the lists serve; they are read once, since that takes longer than the choice itself."""
        last = self._listings.get(lists.task)
        if last is None or not last.lists.are_those_of(lists):
            last = self._listings[lists.task] = ReadLists(lists, lists.served())
        return last.listing

    def _queries(self, task: str) -> list[Query]:
        """Return the queries of the lists that a model of the task may be in."""
        queries = [self._hub_list(task)]
        if is_chat(task):
            queries.append(self._router_list())
        return queries

    def _hub_list(self, task: str) -> Query:
        return self._query(f"models of {task}", HUB, partial(served_models, task), token=None)

    def _router_list(self) -> Query:
        return self._query("chat models", ROUTER, chat_models, token=None)

    def _model_query(self, model: str, is_met: Callable[[ModelEntry], bool]) -> Query:
        """Return the query of the Hub's entry of a model; a stale one will do only if the model may be called."""
        token = self._token()
        return self._query(
            f"model {model}",
            HUB,
            partial(look_up_model, model),
            token=token,
            owner=hash(token),
            is_shared=lambda entry: bool(entry["public"]),
            may_be_stale=is_met,
        )

    def _query(
        self,
        name: str,
        service: str,
        fetch: Callable[[str | None, float], Any],
        *,
        token: str | None,
        **rules: Any,
    ) -> Query:
        # Token and simulation are those of this thread now: another thread fetches, perhaps later. Shared lists are
        # fetched without a token: no user's private models are in them, and no user's bad token keeps them away.
        simulation = active_simulation()

        def fetch_now() -> Any:
            value = fetch(token, TIMEOUT)
            if active_simulation() is not simulation:  # simulated models are served nowhere else
                raise RuntimeError("a simulation began or ended during the query of the Hub")
            return value

        return Query(name, fetch_now, service, scope=simulation, **rules)
