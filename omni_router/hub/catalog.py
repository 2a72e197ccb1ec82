"""The catalog: which models the Hub's inference providers serve right now, per task, and by whom one is served."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from omni_router.errors import ErrorKind
from omni_router.hub import listing as hub_listing
from omni_router.hub.cache import TIMEOUT, Kept, Memory, Question
from omni_router.hub.capabilities import (
    Cards,
    CatalogModel,
    Listing,
    Needs,
    Offer,
    chats,
    listing,
    offers_for,
    refusal,
)
from omni_router.hub.disk_cache import DiskCache
from omni_router.hub.http import check_hub_version
from omni_router.hub.listing import CHAT, ModelEntry
from omni_router.simulation import active_simulation

__all__ = ["Catalog", "CatalogModel", "Check", "HubCatalog", "Listing", "Offer", "Survey"]

HUB, ROUTER = "hub", "router"  # the two places that are asked; each may be down without the other


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


class Survey(NamedTuple):
    """All that is known to be served for a task, and how good that knowledge is."""

    models: Listing
    at: float | None  # when the oldest of the lists was given; None when there is none
    stale: bool  # it was to be asked for again, and could not be
    missing: tuple[str, ...]  # lists that could not be had


class Catalog(Protocol):
    """Where models for a route without history come from, and the word on whether one is served."""

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, best first; none for a task that cannot be listed now."""
        ...

    def check(self, model: str, provider: str | None, task: str, needs: Needs = ()) -> Check:
        """Tell whether `model` is served for `task` with what the turn needs, by `provider` if one is named."""
        ...


class HubCatalog:
    """Asks the Hub, and for chats the router of Inference Providers; keeps the answers in memory and on disk.

    Args:
        token: gives the token of the run that asks.
        disk: where answers that are everybody's are kept for other processes.
        clock: gives the time, in seconds since 1970, since other processes read it.

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
        self._memory = Memory(disk, clock)

    def is_down(self) -> bool:
        """Return whether the Hub did not answer a moment ago."""
        return self._memory.is_down(HUB, active_simulation())

    def note_down(self) -> None:
        """Note that the Hub did not answer somebody else: it is left alone for a while."""
        self._memory.note_down(HUB, active_simulation())

    def models(self, tasks: Iterable[str]) -> dict[str, Listing]:
        """Give the served models of each task, trending first; all tasks are asked at once, within `TIMEOUT`."""
        tasks = list(tasks)
        questions = [self._listing(task) for task in tasks]
        if any(map(chats, tasks)):
            questions.append(self._chat_models())
        answers = self._memory.ask(*questions)
        router = answers[len(tasks)] if len(answers) > len(tasks) else None
        return {task: _listed(task, kept, router) for task, kept in zip(tasks, answers, strict=False)}

    def survey(self, task: str) -> Survey:
        """Give every model that is known to be served for a task: the trending ones, then the rest of the router's.

        For a person who asks what is there now: unlike the other methods it waits for fresh answers.
        """
        questions = self._lists(task)
        answers = self._memory.ask(*questions, patient=True)
        found = [kept for kept in answers if kept]
        first = _listed(task, answers[0], answers[-1] if chats(task) else None)
        known = {model.id for model in first}
        cards = _cards(answers[-1]) if chats(task) else {}
        rest = listing(task, (card for name, card in cards.items() if name not in known), cards, limit=len(cards))
        return Survey(
            models=(*first, *rest),
            at=min((kept.at for kept in found), default=None),
            stale=any(kept.stale for kept in found),
            missing=tuple(q.name for q, kept in zip(questions, answers, strict=True) if kept is None),
        )

    def check(self, model: str, provider: str | None, task: str, needs: Needs = (), *, patient: bool = False) -> Check:
        """Tell whether `model` is served for `task`; unverified when the Hub cannot be asked.

        A list can only speak for a model. What speaks against one is in the Hub's own entry of it; but who takes tools
        stands in the router's list alone, and a model that is not known to does not. Who is patient waits for a fresh
        answer also where a stale one is at hand.
        """
        needs = needs if chats(task) else ()
        hubs, *others = self._memory.ask(*self._lists(task), patient=patient)
        cards = _cards(others[0]) if others else {}
        if needs and not cards:
            check = self.check(model, provider, task, patient=patient)
            why = f"the Hub could not be asked for {' and '.join(needs)}".replace("_", " ")
            return check if check.refused else replace(check, verified=False, why=why)
        trending = next((entry for entry in hubs.value if entry["id"] == model), None) if hubs else None
        if hubs and trending and not refusal(task, trending, cards, provider, needs):
            return _served(model, offers_for(task, trending, cards), provider, needs, stale=hubs.stale)
        question = self._model(model, lambda entry: not refusal(task, entry, cards, provider, needs))
        [kept] = self._memory.ask(question, patient=patient)
        if kept:
            entry: ModelEntry = kept.value
            if no := refusal(task, entry, cards, provider, needs):
                return Check(entry["id"] or model, None, verified=True, refused=no.kind, why=no.why)
            offers = offers_for(task, entry, cards)
            return _served(entry["id"] or model, offers, provider, needs, stale=kept.stale)
        if (card := cards.get(model)) and not refusal(task, card, cards, provider, needs):
            return _served(model, offers_for(task, card, cards), provider, needs, stale=True)
        return Check(model, provider, verified=False, why="the Hub could not be asked whether it is served")

    def _lists(self, task: str) -> list[Question]:
        """Name the lists a model of the task may stand in, the Hub's first."""
        return [self._listing(task), *([self._chat_models()] if chats(task) else [])]

    def _listing(self, task: str) -> Question:
        return self._question(f"models of {task}", HUB, partial(hub_listing.served_models, task), anonymous=True)

    def _chat_models(self) -> Question:
        return self._question("chat models", ROUTER, hub_listing.chat_models, anonymous=True)

    def _model(self, model: str, good: Callable[[ModelEntry], bool]) -> Question:
        """Ask for the Hub's entry of a model; of old ones only those will do that speak for calling it."""
        return self._question(
            f"model {model}",
            HUB,
            partial(hub_listing.look_up, model),
            asker=hash(self._token()),
            is_everybodys=lambda entry: bool(entry["public"]),
            may_be_stale=good,
        )

    def _question(
        self, name: str, place: str, ask: Callable[[str | None, float], Any], *, anonymous: bool = False, **more: Any
    ) -> Question:
        # Both are looked up here: the thread that asks is another one, and may come to it later. What is kept for all
        # is asked for without a token: no user's private models are in it, and no user's bad token keeps it away.
        token, box = None if anonymous else self._token(), active_simulation()

        def asked() -> Any:
            answer = ask(token, TIMEOUT)
            if active_simulation() is not box:  # what a sandbox lists is served nowhere else
                raise RuntimeError("a sandbox came or went while the Hub was asked")
            return answer

        return Question(name, asked, place, scope=box, **more)


def _listed(task: str, hubs: Kept | None, router: Kept | None) -> Listing:
    """Read the Hub's list of a task, else the router's, which is of chat models alone."""
    cards = _cards(router) if chats(task) else {}
    return listing(task, hubs.value if hubs else cards.values(), cards)


def _cards(router: Kept | None) -> Cards:
    return {card["id"]: card for card in router.value} if router else {}


def _served(model: str, offers: tuple[Offer, ...], provider: str | None, needs: Needs, *, stale: bool) -> Check:
    meeting = [offer for offer in offers if offer.meets(needs)]
    # Chats are given a provider by the router itself, on the server, unless one is named or not all will do; elsewhere
    # the client would choose from a list of its own, in which not all are live. An old answer is no better: then the
    # client asks anew.
    leave = len(meeting) == len(offers) and (stale or any(offer.task == CHAT for offer in offers))
    return Check(model, provider or (None if leave else meeting[0].provider), verified=True)
