"""What answers a chat: the graph in this process, or a server."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from omni_router.cli.transcript import View

# A message in OpenAI's form: `role` and `content`; an answer also has the `decision` behind it, and its `cost`.
Message = dict[str, Any]


class ChatAnswer(NamedTuple):
    """The end of a turn."""

    result: Mapping[str, Any]  # a `RunResult` as JSON
    message: Message | None  # the answer; None if there is none


class Explanation(NamedTuple):
    """A decision afterwards."""

    entry: Mapping[str, Any]  # as the decision log has it
    doubts: Iterable[Mapping[str, Any]]  # the entries of later decisions that doubt the answer


class Backend(Protocol):
    """Answers a chat. Every method may raise OmniRouterError."""

    def wait(self) -> None:
        """Wait until it can answer.

        Raises:
            OmniRouterError: it never will.
        """
        ...

    def answer(self, messages: Sequence[Message], view: View, **choices: Any) -> ChatAnswer:
        """Answer the last message; `choices` are fields of `Settings` for this turn.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the turn, and with it the call of the model.
        """
        ...

    def close(self) -> None:
        """Release resources at the end of the chat."""
        ...

    def routes(self) -> Sequence[str]:
        """Return the names of the routes."""
        ...

    def models(self, name: str) -> Mapping[str, Any]:
        """Return the models for a route, in the form of `selection.listings.list_models`."""
        ...

    def explain(self, decision: str) -> Explanation:
        """Return what is known of a decision of this chat."""
        ...

    def rate(self, decision: str, verdict: str, text: str) -> str:
        """Rate a decision of this chat, whose request is `text`, and return in words what became of it."""
        ...
