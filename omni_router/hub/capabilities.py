"""What the Hub's entries say about a task: which providers serve a model for it, and on what terms.

Pure functions on what `listing` has read. Whether one may be called is up to the gates (gates.py).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from omni_router.hub.listing import CHAT, LIMIT, ModelEntry
from omni_router.tasks import TASKS

# The providers' names of a task that no node does, where there are several: both kinds of models embed texts.
_FURTHER_TASKS = {"feature-extraction": ("feature-extraction", "sentence-similarity")}

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
    is_free: bool | None = None
    first_token_latency_ms: float | None = None
    throughput: float | None = None  # tokens a second

    @property
    def is_chat(self) -> bool:
        """Whether the provider chats: only then tokens are counted, and prices and contexts known."""
        return self.task == CHAT

    @property
    def prices(self) -> tuple[float, float] | None:
        """The prices of a million tokens of input and of output; None if one of them is not known."""
        if self.is_free:
            return 0.0, 0.0
        if self.input_price is None or self.output_price is None:
            return None
        return self.input_price, self.output_price


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


Listing = tuple[CatalogModel, ...]
RouterModels = Mapping[str, ModelEntry]  # the chat models in the list of the router of Inference Providers, by id


def served_as(task: str) -> tuple[str, ...]:
    """Return the providers' name of a task."""
    if task in TASKS:
        return TASKS[task].served_as
    return _FURTHER_TASKS.get(task, (task,))  # the catalog lists tasks of the Hub that have no entry here, too


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
    if lacks_images(task, entry, router_models):
        return ()
    return offers_of(task, entry, router_models)


def offers_of(task: str, entry: ModelEntry, router_models: RouterModels) -> tuple[ProviderEntry, ...]:
    """Return the providers that serve a model by the providers' name of the task, whether or not it takes images."""
    on_router = router_models.get(entry["id"] or "")
    return tuple(_with_details(entry["providers"], served_as(task), on_router))


def lacks_images(task: str, entry: ModelEntry, router_models: RouterModels) -> bool:
    """Return whether the task needs a model that takes images, and this one does not."""
    return _needs_images(task) and not _takes_images(entry, router_models.get(entry["id"] or ""))


def _with_details(
    providers: Iterable[Any], tasks: Collection[str], on_router: ModelEntry | None
) -> Iterator[ProviderEntry]:
    details: dict[str, Any] = {}
    down: Collection[str] = ()
    if on_router:
        details = {each["provider"]: each for each in on_router["providers"]}
        down = on_router.get("down", ())
    for each in providers:
        if each["task"] in tasks and not (each["task"] == CHAT and each["provider"] in down):
            yield ProviderEntry(**{**details.get(each["provider"], {}), **each})


def _needs_images(task: str) -> bool:
    return task in TASKS and TASKS[task].takes_images


def _takes_images(entry: ModelEntry, on_router: ModelEntry | None) -> bool:
    """Return whether a model takes images: as the router says, else by its task on the Hub."""
    if on_router and (takes_images := on_router.get("takes_images")) is not None:
        return takes_images
    return entry.get("task", TEXT_ONLY) != TEXT_ONLY
