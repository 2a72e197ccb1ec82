"""What can go wrong, in one tree and one table.

    OmniRouterError(RuntimeError)
    ├── AnswerFailed             a turn ended without an answer, told to a caller that takes answers alone
    ├── ConfigurationError       something to fix before a run: a file, a package, a checkpoint
    │   └── PolicyFileError      route_config.json is not what it should be; names path, line and fault
    ├── EndpointFailed           the router's endpoint gave no usable reply, so that another router answers
    ├── RunCancelled             the run was cancelled, and with it the call of a specialist; nobody waits to see this
    ├── HistoryUnreachable       the store of the history does not answer; runs go on, what was asked of it has failed
    ├── InvalidRequest           the input cannot be answered by anybody; also a ValueError
    │   └── BadImage             an image is not readable, is too large, or may not be fetched
    └── SpecialistError          one call of a specialist failed; carries one of the kinds of KINDS

All of them are RuntimeErrors because the LangGraph server hides the text of most other exceptions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from typing_extensions import TypedDict

from omni_router.hints import PYTHON, Audience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AIMessage

    from omni_router.state import Attempt, Decision

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


class ErrorInfo(TypedDict):
    """A failure as it stands in the state: plain values, never a token."""

    kind: ErrorKind
    message: str
    hint: str
    cause: str  # what was raised or answered: "HTTP 503"; a "StopIteration" is retried
    retry_after: float | None  # seconds, when the server named them


@dataclass(frozen=True)
class Kind:
    """How one kind of failure is described and what follows from it."""

    message: str  # may use {model}
    hint: str  # may use the fields of an Audience: {to.token}
    ends_turn: bool = False  # the caller has to act: another model would fail in the same way
    counts: bool = False  # it speaks against the model, so history keeps it
    cooldown: Literal["long", "growing"] | None = None  # how long the model is left alone: history/cooldown.py


KINDS: dict[ErrorKind, Kind] = {
    "no_provider": Kind(
        "No inference provider serves {model}.",
        "{to.token} to a token with access to a provider that serves it, or {to.another_model}.",
        counts=True,
        cooldown="long",
    ),
    "not_found": Kind(
        "{model} is not on the Hub, or not served for this task.",
        "Check the model's name on the Hub, or {to.another_model}.",
        counts=True,
        cooldown="long",
    ),
    "token": Kind(
        "The Hugging Face token is missing, wrong, or may not use {model}.",
        "{to.token} to a token with the permission to call Inference Providers, and accept the model's terms on its "
        "page if it is gated.",
        ends_turn=True,
    ),
    "payment": Kind(
        "The Hugging Face account has no credit left for {model}.",
        "Add credit or subscribe at the account's billing settings, or use the token of another account.",
        ends_turn=True,
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
        ends_turn=True,
    ),
    "bad_request": Kind(
        "{model} does not accept this request.",
        "Shorten the conversation, change {to.sampling}, or {to.another_model}.",
    ),
    "refused": Kind(
        "{model} refused to answer this request on account of its content filter.",
        "Put the request in other words.",
        ends_turn=True,
    ),
    "malformed_answer": Kind(
        "{model} sent an answer that cannot be read.",
        "Ask again, or {to.another_model}.",
        counts=True,
        cooldown="growing",
    ),
    "bad_image": Kind(
        "The image cannot be used.",
        "Give a PNG, JPEG, WebP or GIF {to.image}.",
        ends_turn=True,
    ),
    "no_route": Kind(
        "No route of the policy fits this request.",
        "Put it in other words, describe a route for it in {to.policy}, or {to.fallback}.",
    ),
    "no_model": Kind(
        "There is no model to try for this route.",
        "The route has no history, and the Hub gave no model for its task: check the network connection, or add "
        'a model to the route in {to.policy} ("models": ["org/name"]).',
    ),
    "no_reply": Kind(
        "The router gave no readable choice.",
        "{to.router}, or {to.fallback}.",
    ),
}

if set(KINDS) != set(get_args(ErrorKind)):  # both lists are written by hand
    raise AssertionError(set(KINDS) ^ set(get_args(ErrorKind)))


class OmniRouterError(RuntimeError):
    """Base of everything this package raises on purpose."""


class AnswerFailed(OmniRouterError):  # noqa: N818 (says what is the case)
    """A turn ended without an answer, or the answer broke off; raised where only an answer can be given back.

    `kind`, `message`, `hint`, `cause` and `retry_after` are those of the `ErrorInfo`. `decision` and `attempts` are
    those of the graph's output, and tell how far the turn came.
    """

    def __init__(
        self, error: ErrorInfo, decision: "Decision | None" = None, attempts: "Sequence[Attempt]" = ()
    ) -> None:
        self.kind, self.message, self.hint = error["kind"], error["message"], error["hint"]
        self.cause, self.retry_after = error["cause"], error["retry_after"]
        self.decision, self.attempts = decision, list(attempts)
        super().__init__(f"{self.message} {self.hint}")


class ConfigurationError(OmniRouterError):
    """Something to fix before a run: a file, a package, a checkpoint."""


def install_command(extra: str) -> str:
    """Return the command that installs what an extra of this package brings: from a checkout, until it is published."""
    return f'pip install -e ".[{extra}]" in a checkout of omni-router'


def missing_package(problem: str, extra: str) -> ConfigurationError:
    """Return the error of a package that is not installed: what needs it, and which extra brings it."""
    return ConfigurationError(f"{problem}: {install_command(extra)}")


class PolicyFileError(ConfigurationError):
    """route_config.json cannot be used; the file is left untouched."""

    def __init__(self, path: Path, fault: str, line: int | None = None) -> None:
        self.path, self.fault, self.line = path, fault, line
        super().__init__(f"{path}:{line}: {fault}" if line else f"{path}: {fault}")


EndpointFault = Literal["outage", "refused", "setup", "invalid_reply"]


class EndpointFailed(OmniRouterError):  # noqa: N818 (says what is the case)
    """The router's endpoint gave no usable reply; `fault` says whether the next request may succeed."""

    def __init__(self, fault: EndpointFault, reason: str) -> None:
        self.fault = fault
        super().__init__(reason)


class HistoryUnreachable(OmniRouterError):  # noqa: N818 (says what is the case)
    """The store of the history does not answer; a run goes on without it, an export or a verdict cannot."""


class RunCancelled(OmniRouterError):  # noqa: N818 (says what is the case)
    """The run was cancelled while it called a specialist: no failure of the model, and nobody is there to see this."""


class InvalidRequest(OmniRouterError, ValueError):  # noqa: N818 (the name is public and reads well in an except)
    """The input cannot be answered by anybody."""


class BadImage(InvalidRequest):
    """An image is not readable, is too large, or may not be fetched."""


class SpecialistError(OmniRouterError):
    """One call of a specialist failed.

    `kind` is one of `KINDS`, `model` the one called, `cause` what was raised or answered, and `detail` what the server
    said about it, already cleared of tokens. `retry_after` is the wait in seconds that the server asked for. `partial`
    is what had arrived of an answer that broke off, a message marked as such.
    """

    def __init__(  # noqa: PLR0913 (all by name)
        self,
        kind: ErrorKind,
        *,
        model: str | None,
        cause: str,
        detail: str = "",
        retry_after: float | None = None,
        partial: "AIMessage | None" = None,
    ) -> None:
        self.kind, self.model, self.cause, self.detail = kind, model, cause, detail
        self.retry_after, self.partial = retry_after, partial
        super().__init__(self.info["message"])

    @property
    def info(self) -> ErrorInfo:
        """The failure as it stands in the state."""
        return describe(self.kind, self.model, self.cause, self.detail, self.retry_after)


def describe(
    kind: ErrorKind, model: str | None = None, cause: str = "", detail: str = "", retry_after: float | None = None
) -> ErrorInfo:
    """Return a failure of `kind` in the words of `KINDS`, with a hint for who reads the state."""
    entry = KINDS[kind]
    message = entry.message.format(model=model or "the model")
    return ErrorInfo(
        kind=kind,
        message=f"{message} ({detail})" if detail else message,
        hint=hint_for(kind),
        cause=cause or kind,
        retry_after=retry_after,
    )


def hint_for(kind: ErrorKind, audience: Audience = PYTHON) -> str:
    """Return what to do about a failure of `kind`, in the words of those who read it."""
    return KINDS[kind].hint.format(to=audience)


def for_audience(error: ErrorInfo, audience: Audience) -> ErrorInfo:
    """Return the failure with the hint of another surface."""
    return {**error, "hint": hint_for(error["kind"], audience)}
