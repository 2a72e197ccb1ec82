"""Check the providers that a policy declares, and the routes that are kept to their models."""

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from omni_router.config.own_providers import OwnProvider, is_local, is_loopback
from omni_router.config.routes import Document, Route
from omni_router.hub.availability import passes
from omni_router.hub.capabilities import Listing
from omni_router.hub.catalog import Catalog
from omni_router.hub.requirements import Requirements
from omni_router.own_models.address import KeyUnavailableError, key_of_provider
from omni_router.own_models.discovery import MAX_MODELS
from omni_router.own_models.joined_catalog import within
from omni_router.own_models.specialists import OwnModels


class ProviderFinding(NamedTuple):
    """Something to correct (a problem) or to know (a note) about a provider, or about a route that is kept to some."""

    level: Literal["problem", "note"]
    finding: str
    hint: str
    route: str | None = None


def provider_findings(document: Document, own: OwnModels) -> Iterator[ProviderFinding]:
    """Yield what is wrong with the providers of a policy; their addresses are asked for their models."""
    unlisted = own.unlisted()
    models = Counter(map(attrgetter("provider_name"), own.all().values()))
    for provider in document.providers:
        if not provider.address:  # reported where the policy is read
            continue
        subject = f"the provider {provider.name} at {provider.address}"
        try:
            key = key_of_provider(provider)
        except KeyUnavailableError as error:
            yield ProviderFinding("problem", f"{subject}: {error}", "Set it, or correct `key_env`")
            continue
        if key and provider.address.startswith("http://") and not is_local(provider.host):
            yield ProviderFinding("note", f"{subject} gets its key in plain text", "Use https")
        if provider in unlisted:
            yield ProviderFinding(
                "problem", f"{subject} did not list its models", "Start its server, or correct the address or the key"
            )
        elif not models[provider.name]:
            yield ProviderFinding("note", f"{subject} has no models", "Load one there, or name some in `models`")
        elif models[provider.name] >= MAX_MODELS and not provider.models:
            finding = f"{subject} lists many models, of which the first {MAX_MODELS} are used"
            yield ProviderFinding("note", finding, "Name the ones that you need in `models`")


def kept_route_findings(document: Document, catalog: Catalog, router_url: str | None) -> Iterator[ProviderFinding]:
    """Yield what to know about routes that are kept to models of one's own.

    Args:
        document: the policy.
        catalog: knows which limits exclude the Hub.
        router_url: the address of a router that reads requests; None if they are read on this machine.
    """
    for route in document.routes:
        own = within(catalog, [Requirements(only=route.parameters.only)])
        if own is catalog:
            continue
        models = own.models([route.task])[route.task]
        if not models:
            finding = "`only` keeps it to models of your own, and none of them is served for its task"
            yield ProviderFinding("problem", finding, "Declare a provider that serves one", route.name)
        for provider in _providers_elsewhere(document.providers, models, route):
            finding = f"`only` keeps it to models of your own, and {provider.name} at {provider.address} is elsewhere"
            yield ProviderFinding("note", finding, "Exclude it with `never` if nothing may leave", route.name)
        if router_url and not is_loopback(urlsplit(router_url).hostname or ""):
            finding = "`only` keeps it to models of your own, and the router at OMNI_ROUTER_URL reads its requests"
            yield ProviderFinding("note", finding, "Use a router on this machine: OMNI_ROUTER=semantic", route.name)


def _providers_elsewhere(providers: Sequence[OwnProvider], models: Listing, route: Route) -> Iterator[OwnProvider]:
    """Yield the providers of these models that are not on this machine, and that the route may call."""
    required = Requirements(only=route.parameters.only, never=route.parameters.never)
    called = {model.id.partition("/")[0] for model in models if passes(model, required)}
    for provider in providers:
        if provider.name in called and not provider.is_loopback:
            yield provider
