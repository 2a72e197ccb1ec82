"""What the Hub's entries say about a task: which providers serve a model for it, and why a model may not be called.

Pure functions on what `listing` has read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

from omni_router.config.settings import Settings
from omni_router.errors import ErrorKind
from omni_router.hub.listing import CHAT, LIMIT, ModelEntry
from omni_router.tasks import TASKS

Capability = Literal["tools", "structured_output"]  # beyond its task, what a run may require: a field of ProviderEntry
Capabilities = tuple[Capability, ...]

TEXT_ONLY = "text-generation"  # the Hub's tag of models that chat without images


@dataclass(frozen=True)
class ProviderEntry:
    """One provider of a model, and on what terms; None where the Hub does not say."""

    provider: str
    task: str = CHAT  # the providers' name of the task
    context_length: int | None = None  # tokens
    input_price: float | None = None  # US dollars for a million tokens
    output_price: float | None = None
    tools: bool | None = None  # whether it takes tools
    structured_output: bool | None = None  # whether it follows a JSON schema

    def supports(self, required: Capabilities) -> bool:
        """Return whether the provider is known to support all that is required."""
        return all(getattr(self, capability) for capability in required)


@dataclass(frozen=True)
class CatalogModel:
    """A model on the Hub and the inference providers that serve it live."""

    id: str
    entries: tuple[ProviderEntry, ...]
    created: int | None = field(default=None, compare=False)  # seconds since 1970

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers, in the Hub's order."""
        return tuple(entry.provider for entry in self.entries)

    def supports(self, required: Capabilities) -> bool:
        """Return whether some provider of it is known to support all that is required."""
        return any(entry.supports(required) for entry in self.entries)


Listing = tuple[CatalogModel, ...]
RouterModels = Mapping[str, ModelEntry]  # the chat models in the list of the router of Inference Providers, by id


class Unavailable(NamedTuple):
    """Why a model is not to be called: the kind of error that the call would end in, and the reason."""

    kind: ErrorKind
    why: str


def required_capabilities(settings: Settings) -> Capabilities:
    """Return what a run requires of its model beyond the task."""
    required: list[Capability] = []
    if settings.tools:
        required.append("tools")
    if settings.response_format is not None and settings.response_format.get("type") != "text":
        required.append("structured_output")
    return tuple(required)


def served_as(task: str) -> tuple[str, ...]:
    """Return the providers' name of a task."""
    if task in TASKS:
        return TASKS[task].served_as
    return (task,)  # the catalog lists tasks of the Hub that have no entry here, too


def is_chat(task: str) -> bool:
    """Return whether models of the task may be chat models, of which the router has a list."""
    return CHAT in served_as(task)


def read_listing(
    task: str, entries: Iterable[ModelEntry], router_models: RouterModels, limit: int | None = LIMIT
) -> Listing:
    """Return the first models of a list that are served for the task, with the details that the router's list adds."""
    return tuple(islice(_served_models(task, entries, router_models), limit))


def _served_models(task: str, entries: Iterable[ModelEntry], router_models: RouterModels) -> Iterator[CatalogModel]:
    for entry in entries:
        if providers := provider_entries(task, entry, router_models):
            yield CatalogModel(str(entry["id"]), providers, entry.get("created"))


def provider_entries(task: str, entry: ModelEntry, router_models: RouterModels) -> tuple[ProviderEntry, ...]:
    """Return the providers of a model that serve it for the task."""
    on_router = router_models.get(entry["id"] or "")
    if _needs_images(task) and not _takes_images(entry, on_router):
        return ()
    return tuple(_with_details(entry["providers"], served_as(task), on_router))


def _with_details(
    providers: Iterable[Any], tasks: Collection[str], on_router: ModelEntry | None
) -> Iterator[ProviderEntry]:
    details: dict[str, Any] = {}
    if on_router:
        details = {each["provider"]: each for each in on_router["providers"]}
    for each in providers:
        if each["task"] in tasks:
            yield ProviderEntry(**{**details.get(each["provider"], {}), **each})


def _supporting(entries: Iterable[ProviderEntry], required: Capabilities) -> tuple[str, ...]:
    return tuple(entry.provider for entry in entries if entry.supports(required))


def why_unavailable(
    task: str,
    entry: ModelEntry,
    router_models: RouterModels,
    provider: str | None = None,
    required: Capabilities = (),
) -> Unavailable | None:
    """Return why a model cannot be called for the task, by `provider` if one is named; None when it can."""
    if entry["id"] is None:
        return Unavailable("not_found", "not on the Hub, or not visible to this token")
    if entry["gated"]:
        return Unavailable("not_found", "gated, and this token has no access: accept its terms on its page")
    entries = provider_entries(task, entry, router_models)
    suitable = _supporting(entries, required)
    purpose = " with ".join((task, *required)).replace("_", " ")
    if provider in suitable or (suitable and not provider):
        return None
    if suitable:
        why = f"{provider} does not serve it for {purpose}; {', '.join(suitable)} would"
    elif entries:
        why = f"no inference provider is known to serve it for {purpose}"
    elif entry["providers"]:
        why = f"no inference provider serves it for {task}: its task is {entry.get('task')}"
    else:
        why = f"no inference provider serves it for {task}, or for any other task"
    return Unavailable("no_provider", why)


@dataclass(frozen=True)
class Availability:
    """Whether a model is served for a task.

    `refused` is the kind of error that a call would end in, None when it may be called. `model` is its present id: the
    Hub gives renamed models a new one. `provider` is a live one to pass on, None to let the client choose.
    """

    model: str
    provider: str | None
    verified: bool
    refused: ErrorKind | None = None
    why: str = ""


@dataclass(frozen=True)
class Criteria:
    """The criteria that a model is checked by."""

    task: str
    provider: str | None
    required: Capabilities
    router_models: RouterModels

    def is_met(self, entry: ModelEntry) -> bool:
        """Return whether a model may be called."""
        return why_unavailable(self.task, entry, self.router_models, self.provider, self.required) is None

    def availability(self, model: str, entry: ModelEntry, *, stale: bool) -> Availability:
        """Return what the Hub's own entry of a model says."""
        if unavailable := why_unavailable(self.task, entry, self.router_models, self.provider, self.required):
            name = entry["id"] or model
            return Availability(name, None, verified=True, refused=unavailable.kind, why=unavailable.why)
        return self.available(entry, stale=stale)

    def available(self, entry: ModelEntry, *, stale: bool) -> Availability:
        """Return that a model may be called, and through which provider.

        The router itself chooses the provider of a chat, on the server, unless one is named or not all will do. For
        other tasks the client would choose from a list of its own, in which not all are live, so one is named. A stale
        entry is no better than that list: then the client asks anew.
        """
        entries = provider_entries(self.task, entry, self.router_models)
        suitable = _supporting(entries, self.required)
        client_chooses = stale or any(each.task == CHAT for each in entries)
        provider = self.provider
        if not provider and not (client_chooses and len(suitable) == len(entries)):
            provider = suitable[0]
        return Availability(str(entry["id"]), provider, verified=True)


def _needs_images(task: str) -> bool:
    return task in TASKS and TASKS[task].takes_images


def _takes_images(entry: ModelEntry, on_router: ModelEntry | None) -> bool:
    """Return whether a model takes images: as the router says, else by its task on the Hub."""
    if on_router and (takes_images := on_router.get("takes_images")) is not None:
        return takes_images
    return entry.get("task", TEXT_ONLY) != TEXT_ONLY
