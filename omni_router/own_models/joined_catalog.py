"""The catalog of models of one's own, and the Hub's catalog with them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from omni_router.hub.availability import Availability, Criteria
from omni_router.hub.capabilities import Listing, ProviderEntry, is_chat, read_listing
from omni_router.hub.catalog import Catalog, CatalogSnapshot
from omni_router.hub.gates import Subject, Unavailable, judge
from omni_router.hub.listing import ModelEntry
from omni_router.hub.requirements import NO_REQUIREMENTS, Requirements
from omni_router.own_models.specialists import OwnModels, OwnSpecialist

_DECLARED_GATES = ("tools", "structured_output", "images")  # what only the policy says of a model of one's own


class OwnCatalog:
    """Knows the models of one's own, and asks nobody about others."""

    def __init__(self, own: OwnModels) -> None:
        self.own = own
        self._listings: dict[str, tuple[object, Listing]] = {}  # by task, with the models that they were read from

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Return the models of each task, in the order of the policy."""
        specialists = self.own.all()
        return {task: self._listing(task, specialists) for task in tasks}

    def snapshot(self, task: str) -> CatalogSnapshot:
        """Return every model for a task; unlike `models` it waits for fresh lists."""
        specialists = self.own.all(wait_for_fresh=True)
        missing = tuple(f"the models at {provider.address}" for provider in self.own.unlisted())
        return CatalogSnapshot(self._listing(task, specialists), None, stale=False, missing=missing)

    def offers(self, model: str) -> tuple[ProviderEntry, ...]:
        """Return the provider of a model, with its prices."""
        specialist = self.own.find(model)
        return () if specialist is None else (_offer(specialist),)

    def context_length(self, model: str, _provider: str | None) -> int | None:
        """Return how many tokens a model takes; None if it is not known."""
        specialist = self.own.find(model)
        return _offer(specialist).context_length if specialist else None

    def check(
        self,
        model: str,
        provider: str | None,
        task: str,
        required: Requirements = NO_REQUIREMENTS,
        *,
        wait_for_fresh: bool = False,
    ) -> Availability:
        """Check whether a model of one's own may be called; any other may not."""
        if not self.own.owns(model):
            return _not_allowed(model, provider, required)
        if wait_for_fresh:
            self.own.all(wait_for_fresh=True)
        specialist = self.own.find(model, provider)
        if specialist is None:
            why = self.own.why_unknown(model)
            return Availability(model, None, verified=True, refused="no_provider", why=why, gate="task")
        if not is_chat(task):
            required = required.outside_of_chats()
        criteria = Criteria(task, None, required, {specialist.id: specialist.entry})
        checked = criteria.availability(specialist.id, specialist.entry, stale=False)
        if checked.refused is None:
            return replace(checked, provider=specialist.provider_name, provider_reason="")
        if checked.gate in _DECLARED_GATES and specialist.provider:
            why = f'{checked.why}; "{checked.gate}": true at {specialist.provider_name} in the policy says otherwise'
            return replace(checked, why=why)
        return checked

    def _listing(self, task: str, specialists: Any) -> Listing:
        """Return the models of a task: the same object as long as nothing has changed, as the ranking expects."""
        known = self._listings.get(task)
        if known is None or known[0] is not specialists:
            entries: dict[str, ModelEntry] = {name: each.entry for name, each in specialists.items()}
            known = self._listings[task] = specialists, read_listing(task, entries.values(), entries, limit=None)
        return known[1]


class _Joined(NamedTuple):
    """A list, and those that it was joined from."""

    own: Listing
    hub: Listing
    listing: Listing


class JoinedCatalog:
    """The catalog of the Hub, and before its models those of one's own."""

    def __init__(self, hub: Catalog, own: OwnModels) -> None:
        self.own = own
        self._hub, self._own = hub, OwnCatalog(own)
        self._listings: dict[str, _Joined] = {}

    def owns(self, model: str) -> bool:
        """Return whether a model belongs to a provider of one's own, whether or not it is there."""
        return self.own.owns(model)

    def within(self, limits: Iterable[Requirements]) -> "JoinedCatalog | OwnCatalog":
        """Return the catalog for requests with these limits: without the Hub, if they allow none of its models."""
        limits = list(limits)
        if limits and all(self.own.keeps(required.only) for required in limits):
            return self._own
        return self

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Return the served models of each task: those of one's own first."""
        tasks = list(tasks)
        own, hub = self._own.models(tasks), self._hub.models(tasks)
        return {task: self._join(task, own[task], hub[task]) for task in tasks}

    def snapshot(self, task: str) -> CatalogSnapshot:
        """Return every model known for a task; unlike `models` it waits for fresh lists.

        Raises:
            AttributeError: the Hub's catalog is one of your own, without this method.
        """
        own, hub = self._own.snapshot(task), self._hub.snapshot(task)  # type: ignore[attr-defined]
        models = (*own.models, *self.own.without_own(hub.models))
        return CatalogSnapshot(models, hub.at, hub.stale, (*own.missing, *hub.missing))

    def snapshot_within(self, limits: Iterable[Requirements], task: str) -> CatalogSnapshot:
        """Return every model known for a task, without asking the Hub if the limits allow none of its models."""
        if self.within(limits) is self:
            return self.snapshot(task)
        return self._own.snapshot(task)

    def offers(self, model: str) -> tuple[ProviderEntry, ...]:
        """Return the live providers of a chat model, with their prices."""
        if self.own.owns(model):
            return self._own.offers(model)
        from omni_router.hub.prices import offers_of  # LangGraph comes with it

        return tuple(offers_of(self._hub, model))

    def check(
        self,
        model: str,
        provider: str | None,
        task: str,
        required: Requirements = NO_REQUIREMENTS,
        *,
        wait_for_fresh: bool = False,
    ) -> Availability:
        """Check whether a model may be called for a task; the Hub is not asked about models that `only` excludes."""
        if self.own.owns(model) or self.own.keeps(required.only):
            return self._own.check(model, provider, task, required, wait_for_fresh=wait_for_fresh)
        if wait_for_fresh:
            return self._hub.check(model, provider, task, required, wait_for_fresh=True)  # type: ignore[call-arg]
        return self._hub.check(model, provider, task, required)

    def _join(self, task: str, own: Listing, hub: Listing) -> Listing:
        known = self._listings.get(task)
        if known is None or known.own is not own or known.hub is not hub:
            known = self._listings[task] = _Joined(own, hub, (*own, *self.own.without_own(hub)))
        return known.listing


@runtime_checkable
class LimitedCatalog(Protocol):
    """A catalog of several sources, which knows which of them the limits of requests exclude."""

    def owns(self, model: str) -> bool:
        """Return whether a model belongs to a provider of one's own, so that the Hub is not asked about it."""
        ...

    def within(self, limits: Iterable[Requirements]) -> Catalog:
        """Return the catalog for requests with these limits."""
        ...


def within(catalog: Catalog, limits: Iterable[Requirements]) -> Catalog:
    """Return the part of a catalog that requests with these limits may ask."""
    if isinstance(catalog, LimitedCatalog):
        return catalog.within(limits)
    return catalog


def owns(catalog: object, model: str) -> bool:
    """Return whether a model belongs to a provider of one's own."""
    return isinstance(catalog, LimitedCatalog) and catalog.owns(model)


def _offer(specialist: OwnSpecialist) -> ProviderEntry:
    return ProviderEntry(**specialist.entry["providers"][0])


def _not_allowed(model: str, provider: str | None, required: Requirements) -> Availability:
    """Return that a model is not one of one's own, in the words of the limits where there are any."""
    refused = judge(Subject(model, required), [ProviderEntry(provider or "")]).refused
    if refused is None or refused.gate != "allowed":
        refused = Unavailable("no_provider", "it is not a model of one's own, and the Hub is not asked", "allowed")
    return Availability(model, None, verified=True, refused=refused.kind, why=refused.why, gate=refused.gate)
