"""The catalog: which models the Hub's inference providers serve right now, per task, and by whom one is served."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Protocol

from omni_router import _sandbox
from omni_router.errors import ErrorKind
from omni_router.inference import hub_listing
from omni_router.inference.disk_cache import DiskCache
from omni_router.inference.memory import TIMEOUT, Kept, Memory, Question, real_time
from omni_router.tasks import TASKS, Task

CHAT = "conversational"  # what providers call both kinds of chat, with pictures and without


@dataclass(frozen=True)
class Offer:
    """What one provider offers of a model; None where the Hub does not say."""

    provider: str
    task: str = CHAT  # in the providers' words
    context_length: int | None = None  # tokens
    input_price: float | None = None  # US dollars for a million tokens
    output_price: float | None = None
    tools: bool | None = None  # whether it takes tools


@dataclass(frozen=True)
class CatalogModel:
    """A model on the Hub and the inference providers that serve it live."""

    id: str
    offers: tuple[Offer, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """Name the providers, in the Hub's order: the user's own preference, where a token told the Hub whose it is."""
        return tuple(offer.provider for offer in self.offers)


@dataclass(frozen=True)
class Check:
    """Whether a model is served for a task.

    `refused` is the kind of error that a call would end in, None when it may be called. `model` is its present id: the
    Hub gives renamed models a new one. `provider` is a live one to pass on, None to let the client choose.
    """

    model: str
    provider: str | None
    verified: bool
    refused: ErrorKind | None = None
    why: str = ""


Listing = tuple[CatalogModel, ...]


class Catalog(Protocol):
    """Where models for a route without history come from, and the word on whether one is served."""

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, best first; none for a task that cannot be listed now."""
        ...

    def check(self, model: str, provider: str | None, task: str) -> Check:
        """Tell whether `model` is served for `task`, by `provider` if one is named."""
        ...


class HubCatalog:
    """Asks the Hub, and for chats the router of Inference Providers; keeps the answers in memory and on disk."""

    def __init__(
        self,
        token: Callable[[], str | None] = lambda: None,
        disk: DiskCache | None = None,
        clock: Callable[[], float] = real_time,
    ) -> None:
        self._token = token
        self._memory = Memory(disk, clock)

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, trending first; all tasks are asked at once, within `TIMEOUT`."""
        tasks = list(tasks)
        questions = [self._listing(task) for task in tasks]
        if any(map(_chats, tasks)):
            questions.append(self._chats())
        answers = self._memory.ask(*questions)
        chats = answers[len(tasks)] if len(answers) > len(tasks) else None
        details = {card["id"]: card for card in chats.value} if chats else {}
        return {
            task: _models(task, kept.value, details) if kept else () for task, kept in zip(tasks, answers, strict=False)
        }

    def all_models(self, task: str) -> Listing:
        """Give every served model of a task that is known: those of `models`, then the rest of the router's list."""
        listed = self.models([task])[task]
        [chats] = self._memory.ask(self._chats()) if _chats(task) else [None]
        known = {model.id for model in listed}
        cards = [card for card in chats.value if card["id"] not in known and _sees_enough(card, task)] if chats else []
        return (*listed, *_models(task, cards, {}))

    def check(self, model: str, provider: str | None, task: str) -> Check:
        """Tell whether `model` is served for `task`; unverified when the Hub cannot be asked."""
        for kept in self._memory.ask(*self._lists(task)):
            found = next((entry for entry in kept.value if entry["id"] == model), None) if kept else None
            if kept and found and _sees_enough(found, task) and (offers := _offers(found, task)):
                return _checked(model, offers, provider, task, kept)
        return self._looked_up(model, provider, task)

    def _looked_up(self, model: str, provider: str | None, task: str) -> Check:
        unverified = Check(model, provider, verified=False, why="the Hub could not be asked whether it is served")
        question = self._model(model)
        # When the lists failed a moment ago the Hub is away, and asking for one model more would be a wait more.
        [kept] = self._memory.ask(question) if not self._memory.failed_lately(*self._lists(task)) else [None]
        if kept is None:
            return unverified
        found = kept.value
        if found["id"] is None:
            return _refused(model, "not_found", "not on the Hub, or not for this token")
        if found["gated"]:
            return _refused(model, "not_found", "gated, and this token has no access: accept its terms on its page")
        if offers := _offers(found, task) if _sees_enough(found, task) else ():
            return _checked(found["id"], offers, provider, task, kept)
        other = f"its task is {found['task']}" if found["offers"] else "no provider has it"
        return _refused(found["id"], "no_provider", f"no inference provider serves it for {task}: {other}")

    def _lists(self, task: str) -> list[Question]:
        """Name the lists a model of the task may stand in."""
        return [self._listing(task), *([self._chats()] if _chats(task) else [])]

    def _listing(self, task: str) -> Question:
        return self._question(f"models of {task}", partial(hub_listing.served_models, task))

    def _chats(self) -> Question:
        return self._question("chat models", hub_listing.chat_models)

    def _model(self, model: str) -> Question:
        """Ask about one model; what only this token may know is kept apart."""
        token = self._token()
        everybodys = self._question(f"model {model}", partial(hub_listing.look_up, model), stale_is_fine=False)
        own = Question(everybodys.name, everybodys.ask, scope=(everybodys.scope, hash(token)), stale_is_fine=False)

        def ask() -> Any:
            found = everybodys.ask()
            if found["public"]:
                self._memory.keep(everybodys, found)
            return found

        return everybodys if self._memory.knows(everybodys) else Question(own.name, ask, own.scope, own.stale_is_fine)

    def _question(self, name: str, ask: Callable[[str | None, float], Any], *, stale_is_fine: bool = True) -> Question:
        # What a sandbox lists is served nowhere else.
        return Question(name, lambda: ask(self._token(), TIMEOUT), _sandbox.active(), stale_is_fine)


def _chats(task: str) -> bool:
    return task in TASKS and CHAT in TASKS[task].served_as


def _models(task: str, entries: Iterable[Mapping[str, Any]], details: Mapping[str, Mapping[str, Any]]) -> Listing:
    """Read entries of a list, with what the router's own list has to add."""
    found = []
    for entry in entries:
        more = {offer["provider"]: offer for offer in details.get(entry["id"], {}).get("offers", ())}
        offers = tuple(_offer({**offer, **more.get(offer["provider"], {})}) for offer in _served(entry, task))
        if offers:
            found.append(CatalogModel(entry["id"], offers))
    return tuple(found)


def _offers(entry: Mapping[str, Any], task: str) -> tuple[Offer, ...]:
    return tuple(map(_offer, _served(entry, task)))


def _served(entry: Mapping[str, Any], task: str) -> list[Mapping[str, Any]]:
    served_as = TASKS[task].served_as if task in TASKS else (task,)
    return [offer for offer in entry["offers"] if offer["task"] in served_as]


def _offer(entry: Mapping[str, Any]) -> Offer:
    return Offer(**{field.name: entry.get(field.name) for field in fields(Offer)})  # type: ignore[arg-type]


def _sees_enough(entry: Mapping[str, Any], task: str) -> bool:
    """Tell whether a model that chats can be shown pictures, if the task has some."""
    wanted: Task | None = TASKS.get(task)
    if wanted is None or not wanted.takes_pictures:
        return True
    return bool(entry.get("sees")) if entry.get("sees") is not None else entry.get("task") != "text-generation"


def _checked(model: str, offers: Iterable[Offer], provider: str | None, task: str, kept: Kept) -> Check:
    live = [offer.provider for offer in offers]
    if provider and provider not in live:
        return _refused(model, "no_provider", f"{provider} does not serve it for {task}; {', '.join(live)} would")
    # Chats are given a provider by the router itself, on the server, unless one is named; elsewhere the client would
    # choose from a list of its own, which it never renews. A stale list is no better: then the client asks the Hub.
    named = provider or (live[0] if not _chats(task) and not kept.stale else None)
    return Check(model, named, verified=True)


def _refused(model: str, kind: ErrorKind, why: str) -> Check:
    return Check(model, None, verified=True, refused=kind, why=why)
