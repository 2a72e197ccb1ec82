"""The kinds of failure: one table of their messages, hints and consequences."""

from dataclasses import dataclass
from typing import Literal, get_args

from typing_extensions import TypedDict

from omni_router.hints import PYTHON, Audience

ErrorKind = Literal[
    "no_provider",
    "not_found",
    "token",
    "payment",
    "rate_limited",
    "overloaded",
    "timeout",
    "connection",
    "bad_request",
    "refused",
    "malformed_answer",
    "bad_image",
    "no_route",
    "no_model",
    "no_reply",
]

# What a model and one of its live providers have to pass before they are called, in this order: hub/gates.py.
Gate = Literal["task", "gated", "allowed", "tools", "structured_output", "images", "context", "price"]


class ErrorInfo(TypedDict):
    """A failure as it stands in the state: plain values, never a token."""

    kind: ErrorKind
    message: str
    hint: str
    cause: str  # the exception or the HTTP status: "HTTP 503"; a "StopIteration" is retried
    retry_after: float | None  # seconds, when the server named them


# Causes of a `malformed_answer`: no text and no tool call, and the limit on the length before there was any text.
EMPTY = "no content"
CUT_AT_START = "finish_reason length"
BUDGET = "budget"  # the cause of a `payment` that is this package's own: OMNI_BUDGET is spent
GATES_OF_CALLERS: tuple[Gate, ...] = ("allowed", "context", "price")  # a caller can open them; causes, too
GATES = "gates"  # the cause of a turn without a call: its candidates failed at several gates


@dataclass(frozen=True)
class Kind:
    """The message, the hint and the consequences of one kind of failure."""

    message: str  # may use {model}
    hint: str  # may use the fields of an Audience: {to.token}
    terminal: bool = False  # it ends the turn: another model would fail in the same way
    penalizes_model: bool = False  # it counts against the model in the history
    cooldown: Literal["long", "growing"] | None = None  # how long the model is not called: history/cooldowns.py


KINDS: dict[ErrorKind, Kind] = {
    "no_provider": Kind(
        "No inference provider serves {model}.",
        "{to.token} to a token with access to a provider that serves it, or {to.another_model}.",
        penalizes_model=True,
        cooldown="long",
    ),
    "not_found": Kind(
        "{model} is not on the Hub, or not served for this task.",
        "Check the model's name on the Hub, or {to.another_model}.",
        penalizes_model=True,
        cooldown="long",
    ),
    "token": Kind(
        "The Hugging Face token is missing, wrong, or may not use {model}.",
        "{to.token} to a token with the permission to call Inference Providers, and accept the model's terms on its "
        "page if it is gated.",
        terminal=True,
    ),
    "payment": Kind(
        "The Hugging Face account has no credit left for {model}.",
        "Add credit or subscribe at the account's billing settings, or use the token of another account.",
        terminal=True,
    ),
    "rate_limited": Kind(
        "The provider of {model} is limiting the rate of requests.",
        "Wait a moment and ask again, or {to.another_model}.",
        cooldown="growing",
    ),
    "overloaded": Kind(
        "The provider of {model} could not answer right now.",
        "Ask again in a minute, or {to.another_model}.",
        cooldown="growing",
    ),
    "timeout": Kind(
        "{model} did not answer in time.",
        "Ask again, or {to.more_time}.",
        cooldown="growing",
    ),
    "connection": Kind(
        "Hugging Face could not be reached.",
        "{to.network}",
        terminal=True,
    ),
    "bad_request": Kind(
        "{model} does not accept this request.",
        "Shorten the conversation, change {to.sampling}, or {to.another_model}.",
    ),
    "refused": Kind(
        "{model} refused to answer this request because of its content filter.",
        "Put the request in other words.",
        terminal=True,
    ),
    "malformed_answer": Kind(
        "{model} sent no answer that can be read.",
        "Ask again, or {to.another_model}.",
        penalizes_model=True,
        cooldown="growing",
    ),
    "bad_image": Kind(
        "The image cannot be used.",
        "Send a PNG, JPEG, WebP or GIF {to.image}.",
        terminal=True,
    ),
    "no_route": Kind(
        "No route of the policy fits this request.",
        "Put it in other words, describe a route for it in {to.policy}, or {to.fallback}.",
    ),
    "no_model": Kind(
        "There is no model to try for this route.",
        "The route has no history, and the Hub listed no model for its task: check the network connection, or add "
        'a model to the route in {to.policy} ("models": ["org/name"]).',
    ),
    "no_reply": Kind(
        "The router returned no readable choice.",
        "{to.router}, or {to.fallback}.",
    ),
}

# A failure of a known kind whose cause is this package's own has words of its own.
_OF_CAUSE: dict[str, Kind] = {
    BUDGET: Kind("The budget is used up.", "{to.budget}.", terminal=True),
    GATES: Kind(
        "No provider may be called for {model}.", "Change the limits that the reasons name, or {to.another_model}."
    ),
    "allowed": Kind("`only` and `never` allow no known provider of {model}.", "Change {to.limits}."),
    "context": Kind(
        "The conversation is too long for {model}.", "Shorten it, lower {to.length}, or {to.another_model}."
    ),
    # At an address that the policy declares (own_models/address.py).
    "own_key": Kind(
        "The provider of {model} got no key that it accepts.",
        "Set the variable that `key_env` of the provider names in {to.policy}, or {to.another_model}.",
    ),
    "own_payment": Kind(
        "The account at the provider of {model} has no credit left.", "Add credit there, or {to.another_model}."
    ),
    "own_not_found": Kind(
        "{model} is not served at the address of its provider.",
        "Load it there, correct the provider in {to.policy}, or {to.another_model}.",
    ),
    "own_models": Kind(
        "There is no model to try for this route: `only` keeps it to models of one's own, and there are none for it.",
        "Check that their server runs and lists a model, see `providers` in {to.policy} (omni-router --check), or "
        "change {to.limits}.",
    ),
    "own_unreachable": Kind(
        "The provider of {model} could not be reached.",
        "Start its server, correct its address in {to.policy}, or {to.another_model}.",
    ),
    "price": Kind(
        "No provider of {model} is known to be within `max_price`.", "Raise {to.max_price}, or {to.another_model}."
    ),
}

if set(KINDS) != set(get_args(ErrorKind)):  # both lists are written by hand
    raise AssertionError(set(KINDS) ^ set(get_args(ErrorKind)))


def read_kind(value: object) -> ErrorKind | None:
    """Return a value as a kind of failure; None when it is not the name of one."""
    for kind in KINDS:
        if kind == value:
            return kind
    return None


def describe(
    kind: ErrorKind, model: str | None = None, cause: str = "", detail: str = "", retry_after: float | None = None
) -> ErrorInfo:
    """Return a failure of `kind` in the words of `KINDS`, with a hint for readers of the state."""
    entry = _OF_CAUSE.get(cause, KINDS[kind])
    message = entry.message.format(model=model or "the model")
    return ErrorInfo(
        kind=kind,
        message=f"{message} ({detail})" if detail else message,
        hint=hint_for(kind, cause=cause),
        cause=cause or kind,
        retry_after=retry_after,
    )


def hint_for(kind: ErrorKind, audience: Audience = PYTHON, cause: str = "") -> str:
    """Return what to do about a failure of `kind`, in the words of a surface."""
    return _OF_CAUSE.get(cause, KINDS[kind]).hint.format(to=audience)


def ends_turn(error: ErrorInfo) -> bool:
    """Return whether another model would fail in the same way."""
    return _OF_CAUSE.get(error["cause"], KINDS[error["kind"]]).terminal


def for_audience(error: ErrorInfo, audience: Audience) -> ErrorInfo:
    """Return the failure with the hint of another surface."""
    return {**error, "hint": hint_for(error["kind"], audience, error["cause"])}
