"""Whether a model may be called for a request, by which provider, and what that is likely to cost.

Pure functions on what `listing` has read: the gates judge (gates.py), and a provider is chosen of those that pass.
"""

from dataclasses import dataclass, field, replace
from operator import attrgetter

from omni_router.error_kinds import ErrorKind, Gate
from omni_router.hub import gates
from omni_router.hub.capabilities import CatalogModel, ProviderEntry, RouterModels, is_chat, lacks_images, offers_of
from omni_router.hub.gates import UNKNOWN_CONTEXT, UNKNOWN_PROVIDER, Subject, Unavailable, Verdict, judge
from omni_router.hub.listing import ModelEntry
from omni_router.hub.provider_choice import ProviderChoice, choose_provider, estimated_cost
from omni_router.hub.requirements import Requirements
from omni_router.model_id import PROVIDER_POLICIES

# The gates that no entry of a single model can open, since the lists have all that is known.
LISTED_GATES: frozenset[Gate | None] = frozenset(("allowed", "tools", "structured_output", "context", "price"))


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
    gate: Gate | None = None  # the one that it did not pass
    provider_reason: str = field(default="", compare=False)  # why this provider
    limited: bool = field(default=False, compare=False)  # whether some of its providers did not pass the gates
    estimated_cost: float | None = field(default=None, compare=False)  # US dollars; None where a price is not known

    @property
    def is_final(self) -> bool:
        """Whether no further entry of the Hub can change a refusal."""
        return self.gate in LISTED_GATES


@dataclass(frozen=True)
class Criteria:
    """The criteria that a model is checked by.

    Args:
        task: the Hub's name of it.
        provider: the one that is named, or one of `PROVIDER_POLICIES`.
        required: what the request requires.
        router_models: the chat models with their terms.
    """

    task: str
    provider: str | None
    required: Requirements
    router_models: RouterModels

    @property
    def named(self) -> str | None:
        """The provider that is named, if it is not a way to choose one."""
        return None if self.provider in PROVIDER_POLICIES else self.provider

    @property
    def policy(self) -> str | None:
        """The way to choose a provider that is named in place of one."""
        return self.provider if self.provider in PROVIDER_POLICIES else None

    def is_met(self, entry: ModelEntry) -> bool:
        """Return whether a model may be called."""
        return self.judge(entry).refused is None

    def judge(self, entry: ModelEntry) -> Verdict:
        """Return which of a model's providers may be called; none, and the reason, if the model may not."""
        if entry["id"] is None:
            return Verdict(refused=Unavailable("not_found", "not on the Hub, or not visible to this token"))
        offers = offers_of(self.task, entry, self.router_models)
        if not offers:
            return Verdict(refused=Unavailable("no_provider", self._why_not_served(entry), "task"))
        if entry["gated"]:
            why = "gated, and this token has no access: accept its terms on its page"
            return Verdict(refused=Unavailable("not_found", why, "gated"))
        subject = Subject(entry["id"], self.required, lacks_images(self.task, entry, self.router_models))
        verdict = judge(subject, offers)
        if self.named is None:
            return verdict
        return self._judge_named(self.named, subject, verdict)

    def availability(self, model: str, entry: ModelEntry, *, stale: bool) -> Availability:
        """Return what the Hub's own entry of a model says, and through which provider it may be called.

        A stale entry is no better than the client's own list of providers for tasks other than chats: then the client
        asks anew.
        """
        verdict, name = self.judge(entry), entry["id"] or model
        if refused := verdict.refused:
            return Availability(name, None, verified=True, refused=refused.kind, why=refused.why, gate=refused.gate)
        choice = ProviderChoice(self.named, verdict.passing[0])
        if self.named is None:
            choice = choose_provider(verdict, self.required, self.policy)
        provider = choice.provider
        if stale and self.named is None and not is_chat(self.task) and not verdict.failed:
            provider = None
        cost: float | None = None
        if choice.expected and choice.expected.is_chat:
            cost = estimated_cost(choice.expected, self.required)
        return Availability(
            name,
            provider,
            verified=True,
            provider_reason=choice.why,
            limited=bool(verdict.failed),
            estimated_cost=cost,
        )

    def unverified(self, model: str, why: str) -> Availability:
        """Return that a model may be called although its providers are not known, unless a limit may be broken."""
        provider = self.named
        if is_chat(self.task) and self.policy != "auto":
            provider = self.provider
        unknown = ProviderEntry(self.named or UNKNOWN_PROVIDER)
        subject = Subject(
            model, Requirements(only=self.required.only, never=self.required.never, max_price=self.required.max_price)
        )
        if refused := judge(subject, [unknown]).refused:
            reason = f"{refused.why}; {why}"
            return Availability(model, None, verified=False, refused=refused.kind, why=reason, gate=refused.gate)
        return Availability(model, provider, verified=False, why=why)

    def _judge_named(self, provider: str, subject: Subject, verdict: Verdict) -> Verdict:
        """Return the verdict on the provider that is named; the reason mentions others that would do."""
        offers = [offer for offer in verdict.offers if offer.provider == provider]
        others = ", ".join(offer.provider for offer in verdict.passing)
        if not offers:
            why = f"{provider} does not serve it for {self.task}"
            refused = Unavailable("no_provider", why, "task")
        else:
            named = judge(subject, offers)
            if named.refused is None:
                return named
            refused = named.refused
        if others:
            refused = refused._replace(why=f"{refused.why}; {others} would do")
        return Verdict(verdict.offers, refused=refused)

    def _why_not_served(self, entry: ModelEntry) -> str:
        on_router = self.router_models.get(entry["id"] or "")
        if on_router and (down := on_router.get("down")):
            return f"no inference provider serves it at the moment: {', '.join(down)} cannot"
        if entry["providers"]:
            return f"no inference provider serves it for {self.task}: its task is {entry.get('task')}"
        return f"no inference provider serves it for {self.task}, or for any other task"


def passes(model: CatalogModel, required: Requirements) -> bool:
    """Return whether some provider of a listed model passes all gates."""
    return gates.passes(_subject(model, required), model.entries)


def why_not(model: CatalogModel, required: Requirements) -> Unavailable | None:
    """Return why a listed model, which has providers, may not be called; None if it may."""
    return _judge_listed(model, required).refused


def choose(model: CatalogModel, required: Requirements) -> ProviderChoice:
    """Return the provider of a listed model that may be called."""
    return choose_provider(_judge_listed(model, required), required)


def _judge_listed(model: CatalogModel, required: Requirements) -> Verdict:
    return judge(_subject(model, required), model.entries)


def _subject(model: CatalogModel, required: Requirements) -> Subject:
    if not any(map(attrgetter("is_chat"), model.entries)):
        required = required.outside_of_chats()
    return Subject(model.id, required)


# ---- while the router's list, which alone has the terms of the providers of chats, cannot be fetched


def unknown_terms(required: Requirements, task: str, router_models: RouterModels) -> str:
    """Return which terms of a chat's providers a request needs, while none are known; an empty text if none is."""
    if router_models or not is_chat(task):
        return ""
    terms: list[str] = [capability.replace("_", " ") for capability in required.capabilities]
    if required.tokens > UNKNOWN_CONTEXT:
        terms.append("context lengths")
    if required.max_price is not None:
        terms.append("prices")
    return " and ".join(terms)


def without_terms(availability: Availability, required: Requirements, unknown: str) -> Availability:
    """Return that a model is served, and that the terms of its providers are not known."""
    if availability.refused:
        return availability
    why = f"the Hub could not be reached to check for {unknown}"
    if required.max_price is None:
        return replace(availability, verified=False, why=why)
    # A limit on money holds also while nobody knows the prices.
    return Availability(
        availability.model, None, verified=False, refused="no_provider", why=f"price: {why}", gate="price"
    )
