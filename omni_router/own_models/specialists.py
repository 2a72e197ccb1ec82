"""The models of one's own that there are now: those that a policy declares or an address lists, and LangChain's."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from omni_router.config.own_providers import LOCAL, ModelTerms, OwnModel, OwnProvider
from omni_router.hub.cache import TIMEOUT, CachedValue, Query, SwrCache
from omni_router.hub.capabilities import Listing
from omni_router.hub.listing import CHAT, ModelEntry, ProviderJson
from omni_router.own_models.discovery import as_own_model, ids_of_models, read_list
from omni_router.own_models.langchain_models import Specialist
from omni_router.simulation import active_simulation, is_simulated
from omni_router.storage.sqlite import DiskCache

Declared = Callable[[], Sequence[OwnProvider]]
SHOWN = 5  # models that a reason names


@dataclass(frozen=True)
class OwnSpecialist:
    """A model of one's own: at an address, or a chat model of LangChain."""

    id: str  # provider/name
    entry: ModelEntry  # as the Hub would list it
    provider: OwnProvider | None = None
    name: str = ""  # the provider's name of the model
    chat_model: Specialist | None = None

    @property
    def provider_name(self) -> str:
        """The name of its provider, with which its id begins."""
        return self.id.partition("/")[0]


class _Source(NamedTuple):
    """A provider and the models that it lists now; None: they could not be listed."""

    provider: OwnProvider
    rows: list[Any] | None


class _Built(NamedTuple):
    """The models that were built of some sources."""

    sources: tuple[_Source, ...]
    specialists: Mapping[str, OwnSpecialist]


class OwnModels:
    """The models of one's own.

    Args:
        declared: returns the providers of the policy, which may change.
        chat_models: LangChain's, by id.
        disk: keeps the lists of addresses for other processes.
        clock: returns the time, in seconds since 1970, since other processes read it.
    """

    def __init__(
        self,
        declared: Declared = tuple,
        chat_models: Mapping[str, Specialist] | None = None,
        disk: DiskCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._declared, self._disk = declared, disk
        self._cache = SwrCache(disk, clock)
        self._of_langchain = dict(_of_langchain(chat_models or {}))
        self._built = _Built((), self._of_langchain)

    def names(self) -> frozenset[str]:
        """Return the names of the providers: every model whose id begins with one is theirs, and not the Hub's."""
        return frozenset((LOCAL, *map(attrgetter("name"), self._declared())))

    def owns(self, model: str) -> bool:
        """Return whether a model belongs to a provider, whether or not it is there, or is one of LangChain's."""
        return model in self._of_langchain or _provider_of(model) in self.names()

    def without_own(self, listing: Listing) -> Listing:
        """Return a list of the Hub without models that are one's own by their id."""
        names = self.names()
        return tuple(
            model for model in listing if not (model.id in self._of_langchain or _provider_of(model.id) in names)
        )

    def keeps(self, only: Iterable[Sequence[str]]) -> bool:
        """Return whether the limits `only` allow no model but those of these providers."""
        return any(group and all(map(self._matches_own_alone, group)) for group in only)

    def _matches_own_alone(self, pattern: str) -> bool:
        """Return whether a pattern can match no model but those of these providers: it begins with the name of one."""
        model, _, _ = pattern.partition(":")
        return model in self._of_langchain or ("/" in model and _provider_of(model) in self.names())

    def all(self, *, wait_for_fresh: bool = False) -> Mapping[str, OwnSpecialist]:
        """Return the models by id; the same object for as long as nothing has changed."""
        sources = self._sources(wait_for_fresh=wait_for_fresh)
        if not _are_same(sources, self._built.sources):
            self._built = _Built(sources, {**_of_sources(sources), **self._of_langchain})
        return self._built.specialists

    def find(self, model: str, provider: str | None = None) -> OwnSpecialist | None:
        """Return a model by its id, or by the name that its provider knows: `local/llama3.2:3b` is read as two."""
        specialists = self.all()
        name = model.partition("/")[2]
        if provider:
            for specialist in specialists.values():
                if specialist.name == f"{name}:{provider}" and specialist.id.startswith(f"{model.partition('/')[0]}/"):
                    return specialist
        specialist_of_id = specialists.get(model)
        if specialist_of_id and provider not in (None, specialist_of_id.provider_name):
            return None
        return specialist_of_id

    def unlisted(self) -> list[OwnProvider]:
        """Return the providers whose models could not be listed."""
        providers: list[OwnProvider] = []
        for source in self._sources():
            if source.rows is None:
                providers.append(source.provider)  # noqa: PERF401 (a loop reads well)
        return providers

    def why_unknown(self, model: str) -> str:
        """Return why a model of one of these providers is not there."""
        name = _provider_of(model)
        provider = self._provider(name)
        if provider is None:
            if known := _of_provider(name, self._of_langchain):
                return f"{name} has no such model; {_some(known)}"
            return f"the policy declares no provider {name}"
        if not provider.address:
            return f"the provider {name} cannot be used as the policy declares it: omni-router --check says why"
        if not _may_be_called(provider):
            return f"the sandbox calls only providers on this machine, not {provider.address}"
        if provider in self.unlisted():
            return f"{name} at {provider.address} could not be asked for its models; its server may not be running"
        return f"{name} at {provider.address} has no such model; {_some(_of_provider(name, self.all()))}"

    def _provider(self, name: str) -> OwnProvider | None:
        for provider in self._declared():
            if provider.name == name:
                return provider
        return None

    def _sources(self, *, wait_for_fresh: bool = False) -> tuple[_Source, ...]:
        providers = list(filter(_may_be_called, self._declared()))
        queries = {provider.name: self._query(provider) for provider in providers if not provider.models}
        values = self._cache.get(*queries.values(), wait_for_fresh=wait_for_fresh)
        sources: list[_Source] = []
        for provider in providers:
            rows: list[Any] | None = []
            if provider.name in queries:
                value: CachedValue | None = values[queries[provider.name]]
                rows = value.value if value else None
            sources.append(_Source(provider, rows))
        return tuple(sources)

    def _query(self, provider: OwnProvider) -> Query:
        name = f"models at {provider.address}"
        if provider.key_env:  # what is listed may depend on the key
            name += f" with {provider.key_env}"
        return Query(name, partial(_fetch, provider), name, source=provider.name, scope=active_simulation())


def _fetch(provider: OwnProvider) -> Any:
    from omni_router.own_models.address import list_models

    return read_list(list_models(provider, TIMEOUT))


def _may_be_called(provider: OwnProvider) -> bool:
    """Return whether a provider can be used, and in a sandbox whether it is on this machine."""
    return bool(provider.address) and (provider.is_loopback or not is_simulated())


def _provider_of(model: str) -> str:
    """Return the first part of an id, in small letters."""
    return model.partition("/")[0].casefold()


def _are_same(one: tuple[_Source, ...], other: tuple[_Source, ...]) -> bool:
    if len(one) != len(other):
        return False
    for source, known in zip(one, other, strict=True):
        if source.rows is not known.rows and source.rows != known.rows:
            return False
        if source.provider != known.provider:
            return False
    return True


def _of_sources(sources: Iterable[_Source]) -> dict[str, OwnSpecialist]:
    specialists: dict[str, OwnSpecialist] = {}
    for provider, rows in sources:
        models: Sequence[OwnModel] = provider.models
        if not models:
            models = tuple(map(as_own_model, rows or ()))
        for name, model in ids_of_models(provider.name, models):
            entry = _entry(name, provider.name, model.terms.over(provider.terms))
            specialists[name] = OwnSpecialist(name, entry, provider, model.name)
    return specialists


def _of_langchain(chat_models: Mapping[str, Specialist]) -> Iterator[tuple[str, OwnSpecialist]]:
    for name, specialist in chat_models.items():
        provider = name.partition("/")[0]
        general = ModelTerms()
        if provider == LOCAL:
            general = ModelTerms(input_price=0.0, output_price=0.0)
        entry = _entry(name, provider, specialist.terms.over(general))
        yield name, OwnSpecialist(name, entry, chat_model=specialist)


def _entry(name: str, provider: str, terms: ModelTerms) -> ModelEntry:
    """Return a model as the Hub would list it: it takes only what somebody says that it takes."""
    served = ProviderJson(
        provider=provider,
        task=CHAT,
        context_length=terms.context_length,
        input_price=terms.input_price,
        output_price=terms.output_price,
        tools=terms.tools,
        structured_output=terms.structured_output,
    )
    return ModelEntry(id=name, providers=[served], gated=None, takes_images=bool(terms.images))


def _of_provider(name: str, specialists: Mapping[str, OwnSpecialist]) -> list[str]:
    """Return the names of the models of a provider, as the provider knows them."""
    names: list[str] = []
    for specialist in specialists.values():
        if specialist.provider_name == name:
            names.append(specialist.name or specialist.id)  # noqa: PERF401 (a loop reads well)
    return names


def _some(names: Sequence[str]) -> str:
    if not names:
        return "it has none"
    text = f"it has {', '.join(names[:SHOWN])}"
    if len(names) > SHOWN:
        text += f" and {len(names) - SHOWN} more"
    return text
