"""The gates: why a model may not be called for a request, judged for each of its live providers.

A model passes if one provider passes every gate. If none does, the reason is the gate at which the last of them failed,
with the figures. Pure functions on what `listing` has read.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from omni_router.error_kinds import ErrorKind, Gate
from omni_router.hub.capabilities import ProviderEntry
from omni_router.hub.requirements import Requirements

UNKNOWN_CONTEXT = 32_768  # tokens that a chat is trusted to hold where the Hub does not say: nearly all hold more
UNKNOWN_PROVIDER = ""  # the client chooses one, and which ones there are is not known


class Subject(NamedTuple):
    """A model in the light of a request."""

    model: str
    required: Requirements
    lacks_images: bool = False  # the task needs a model that takes images, and this one does not


class Unavailable(NamedTuple):
    """Why a model is not to be called: the kind of error that the call would end in, the reason, and the gate."""

    kind: ErrorKind
    why: str
    gate: Gate | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gates say about the live providers of a model."""

    offers: tuple[ProviderEntry, ...] = ()  # all of them
    passing: tuple[ProviderEntry, ...] = ()
    failed: dict[Gate, int] = field(default_factory=dict)  # how many failed at each gate that others passed
    refused: Unavailable | None = None  # why none is to be called


class Rule(NamedTuple):
    """A gate: whether it applies, which providers pass, and the reason where none does."""

    gate: Gate
    applies: Callable[[Subject], bool]
    passes: Callable[[ProviderEntry, Subject], bool]
    why: Callable[[Sequence[ProviderEntry], Subject], str]
    kind: ErrorKind = "no_provider"


def judge(subject: Subject, offers: Sequence[ProviderEntry]) -> Verdict:
    """Return which of a model's providers pass all gates, and if none does, why; there is at least one provider."""
    passing: Sequence[ProviderEntry] = offers
    failed: dict[Gate, int] = {}
    for rule in _rules_for(subject):
        rest = [offer for offer in passing if rule.passes(offer, subject)]
        if not rest:
            refused = Unavailable(rule.kind, rule.why(passing, subject), rule.gate)
            return Verdict(tuple(offers), (), failed, refused)
        if len(rest) < len(passing):
            failed[rule.gate] = len(passing) - len(rest)
        passing = rest
    return Verdict(tuple(offers), tuple(passing), failed)


def passes(subject: Subject, offers: Iterable[ProviderEntry]) -> bool:
    """Return whether one of a model's providers passes all gates: less work than all of them and the reason."""
    rules = _rules_for(subject)
    return any(all(rule.passes(offer, subject) for rule in rules) for offer in offers)


def _rules_for(subject: Subject) -> "list[Rule]":
    return [rule for rule in RULES if rule.applies(subject)]


def may_be_called(model: str, provider: str, required: Requirements) -> bool:
    """Return whether `only` and `never` allow a provider of a model; an unknown provider may be any of those barred."""
    return _is_allowed(model, provider, required.only, required.never)


@lru_cache(maxsize=8192)
def _is_allowed(model: str, provider: str, only: tuple[tuple[str, ...], ...], never: tuple[str, ...]) -> bool:
    return all(_matches(model, provider, group) for group in only) and not _is_barred(model, provider, never)


def _is_barred(model: str, provider: str, patterns: tuple[str, ...]) -> bool:
    if provider == UNKNOWN_PROVIDER:  # it may be the very one that is barred
        patterns = tuple(pattern.partition(":")[0] for pattern in patterns)
    return _matches(model, provider, patterns)


def _matches(model: str, provider: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of the patterns matches: org/name, or org/name:provider where it has a colon."""
    name = model.casefold()
    for pattern in patterns:
        text = name
        if ":" in pattern:
            text = f"{name}:{provider}"
        if fnmatchcase(text, pattern.casefold()):
            return True
    return False


# ---- the gates, in their order


def _why_not_allowed(_offers: Sequence[ProviderEntry], subject: Subject) -> str:
    limits = [f"only {' or '.join(group)}" for group in subject.required.only]
    if subject.required.never:
        limits.append(f"never {', '.join(subject.required.never)}")
    return f"allowed: the limits are {' and '.join(limits)}"


def _fits(offer: ProviderEntry, subject: Subject) -> bool:
    return not offer.is_chat or context_of(offer) >= subject.required.tokens


def context_of(offer: ProviderEntry) -> int:
    """Return how many tokens a provider holds, or is trusted to hold."""
    return offer.context_length or UNKNOWN_CONTEXT


def _why_too_long(offers: Sequence[ProviderEntry], subject: Subject) -> str:
    largest = max(map(context_of, offers))
    required = subject.required
    return (
        f"context: about {required.tokens:,} tokens are needed, {required.tokens_out:,} of them for the answer; "
        f"the largest offer has {largest:,}"
    )


def _is_affordable(offer: ProviderEntry, subject: Subject) -> bool:
    limit = subject.required.max_price
    if limit is None or not offer.is_chat:
        return True
    return offer.prices is not None and max(offer.prices) <= limit


def _why_too_expensive(offers: Sequence[ProviderEntry], subject: Subject) -> str:
    limit = f"max_price is {subject.required.max_price:g} US dollars a million tokens"
    prices = [max(offer.prices) for offer in offers if offer.prices is not None]
    if not prices:
        return f"price: {limit}, and no offer's price is known"
    return f"price: {limit}, the lowest offer charges {min(prices):g}"


RULES: tuple[Rule, ...] = (
    Rule(
        "allowed",
        applies=lambda subject: bool(subject.required.only or subject.required.never),
        passes=lambda offer, subject: may_be_called(subject.model, offer.provider, subject.required),
        why=_why_not_allowed,
    ),
    Rule(
        "tools",
        applies=lambda subject: "tools" in subject.required.capabilities,
        passes=lambda offer, _subject: bool(offer.tools),
        why=lambda _offers, _subject: "tools: no inference provider is known to serve it with tools",
    ),
    Rule(
        "structured_output",
        applies=lambda subject: "structured_output" in subject.required.capabilities,
        passes=lambda offer, _subject: bool(offer.structured_output),
        why=lambda _offers, _subject: "structured output: no inference provider is known to serve it with JSON schemas",
    ),
    Rule(
        "images",
        applies=lambda subject: subject.lacks_images,
        passes=lambda _offer, _subject: False,
        why=lambda _offers, _subject: "images: it takes none",
    ),
    Rule(
        "context",
        applies=lambda subject: subject.required.tokens > 0,
        passes=_fits,
        why=_why_too_long,
        kind="bad_request",
    ),
    Rule(
        "price",
        applies=lambda subject: subject.required.max_price is not None,
        passes=_is_affordable,
        why=_why_too_expensive,
    ),
)
