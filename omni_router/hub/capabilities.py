"""What the Hub's entries say about a task: who offers a model for it, and why it may not be called. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

from omni_router.config.settings import Settings
from omni_router.errors import ErrorKind
from omni_router.hub.listing import CHAT, LIMIT, ModelEntry
from omni_router.tasks import TASKS

Need = Literal["tools", "structured_output"]  # what a turn may ask of a model: a field of `Offer`
Needs = tuple[Need, ...]

TEXT_ONLY = "text-generation"  # the Hub's tag of models that chat without pictures


@dataclass(frozen=True)
class Offer:
    """What one provider offers of a model; None where the Hub does not say."""

    provider: str
    task: str = CHAT  # in the providers' words
    context_length: int | None = None  # tokens
    input_price: float | None = None  # US dollars for a million tokens
    output_price: float | None = None
    tools: bool | None = None  # whether it takes tools
    structured_output: bool | None = None  # whether it keeps to a JSON schema

    def meets(self, needs: Needs) -> bool:
        """Tell whether the provider is known to offer all that a turn needs."""
        return all(getattr(self, need) for need in needs)


@dataclass(frozen=True)
class CatalogModel:
    """A model on the Hub and the inference providers that serve it live."""

    id: str
    offers: tuple[Offer, ...]
    created: int | None = field(default=None, compare=False)  # seconds since 1970

    @property
    def providers(self) -> tuple[str, ...]:
        """Name the providers, in the Hub's order."""
        return tuple(offer.provider for offer in self.offers)

    def meets(self, needs: Needs) -> bool:
        """Tell whether some provider of it is known to offer all that a turn needs."""
        return any(offer.meets(needs) for offer in self.offers)


Listing = tuple[CatalogModel, ...]
Cards = Mapping[str, ModelEntry]  # what the router's own list says of chat models, by id


class Refusal(NamedTuple):
    """Why a model is not to be called: the kind of error that the call would end in, and the reason."""

    kind: ErrorKind
    why: str


def needs_of(settings: Settings) -> Needs:
    """Tell what a run asks of its model beside the task."""
    schema = settings.response_format is not None and settings.response_format.get("type") != "text"
    wanted: dict[Need, bool] = {"tools": bool(settings.tools), "structured_output": schema}
    return tuple(need for need, asked in wanted.items() if asked)


def served_as(task: str) -> tuple[str, ...]:
    """Give what providers call a task."""
    return TASKS[task].served_as if task in TASKS else (task,)


def chats(task: str) -> bool:
    """Tell whether models of the task may be chat models, which the router has a list of."""
    return CHAT in served_as(task)


def listing(task: str, entries: Iterable[ModelEntry], cards: Cards, limit: int = LIMIT) -> Listing:
    """Read the entries of a list, with what the router's list has to add; what is not for the task is left out."""
    models = (CatalogModel(str(entry["id"]), offers_for(task, entry, cards), entry.get("created")) for entry in entries)
    return tuple(islice((model for model in models if model.offers), limit))


def offers_for(task: str, entry: ModelEntry, cards: Cards) -> tuple[Offer, ...]:
    """Give the offers of a model that are for the task."""
    card = cards.get(entry["id"] or "")
    if not _sees_enough(task, entry, card):
        return ()
    details: dict[str, Any] = {offer["provider"]: offer for offer in card["offers"]} if card else {}
    wanted: list[Any] = [offer for offer in entry["offers"] if offer["task"] in served_as(task)]
    return tuple(Offer(**{**details.get(offer["provider"], {}), **offer}) for offer in wanted)


def refusal(task: str, entry: ModelEntry, cards: Cards, provider: str | None, needs: Needs = ()) -> Refusal | None:
    """Say why what the Hub says of a model speaks against calling it; None when it does not."""
    if entry["id"] is None:
        return Refusal("not_found", "not on the Hub, or not for this token")
    if entry["gated"]:
        return Refusal("not_found", "gated, and this token has no access: accept its terms on its page")
    offers = offers_for(task, entry, cards)
    live = [offer.provider for offer in offers if offer.meets(needs)]
    for_task = " with ".join((task, *(need.replace("_", " ") for need in needs)))
    if not live:
        if offers:
            return Refusal("no_provider", f"no inference provider is known to serve it for {for_task}")
        other = f"its task is {entry.get('task')}" if entry["offers"] else "no provider has it"
        return Refusal("no_provider", f"no inference provider serves it for {task}: {other}")
    if provider and provider not in live:
        return Refusal("no_provider", f"{provider} does not serve it for {for_task}; {', '.join(live)} would")
    return None


def _sees_enough(task: str, entry: ModelEntry, card: ModelEntry | None) -> bool:
    """Tell whether a model can be shown pictures, if the task has some."""
    if task not in TASKS or not TASKS[task].takes_images:
        return True
    sees = card.get("sees") if card else None
    return sees if sees is not None else entry.get("task", TEXT_ONLY) != TEXT_ONLY
