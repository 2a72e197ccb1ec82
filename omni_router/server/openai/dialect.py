"""What an interface under /v1 consists of: how its requests are read, and how answers, events and errors are written.

There is one handler, in chat.py. It reads a request as one of chat completions, runs the graph, remembers the decision,
notices a client that disconnects, and counts. A dialect only translates, so that all interfaces behave alike.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage

from omni_router.server.bodies import to_json
from omni_router.server.openai.errors import ApiError

MAX_DELTA = 16_384  # characters of an image at once: some clients read events line by line into 64 KB


class Answer(NamedTuple):
    """The end of a run that has an answer."""

    state: Mapping[str, Any]
    message: AIMessage
    text: str  # with files embedded as Markdown
    ignored: list[str]  # the parameters of the request that had no effect


class Writer(ABC):
    """Writes the server-sent events of one answer."""

    @abstractmethod
    def begin(self, state: Mapping[str, Any]) -> bytes:
        """Return what every stream begins with; `state` has the decision, or None in its place."""

    @abstractmethod
    def change_model(self, model: str | None) -> None:
        """Set the model of later events: the previous one failed without a token."""

    @abstractmethod
    def delta(self, message: AIMessage) -> bytes:
        """Return the events of a token, or nothing if the token has neither text, reasoning nor tool calls."""

    @abstractmethod
    def end(self, answer: Answer) -> Iterable[bytes]:
        """Return the events of what has not been sent yet, and of the end; called on a thread."""

    @abstractmethod
    def fail(self, error: ApiError) -> bytes:
        """Return the event of a failure after the first event."""

    def keep_alive(self) -> bytes:
        """Return what tells proxies that the connection is alive: a comment, which clients skip."""
        return b": waiting\n\n"


class Dialect(ABC):
    """A request in the words of one interface, and its answer in the same words."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request  # the body, as the client sent it

    @abstractmethod
    def chat_body(self) -> dict[str, Any]:
        """Return the request as a body of chat completions; parameters that are not known keep their names.

        Raises:
            ApiError: a parameter has a value that is not allowed.
        """

    def place(self, index: int) -> str:
        """Return where in the request a message of `chat_body` stands, for errors."""
        return f"messages[{index}]"

    @abstractmethod
    def body(self, answer: Answer) -> dict[str, Any]:
        """Return the whole answer."""

    @abstractmethod
    def writer(self) -> Writer:
        """Return what writes the answer as a stream."""


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """Return a server-sent event."""
    named = b"" if name is None else f"event: {name}\n".encode()
    return named + b"data: " + to_json(data) + b"\n\n"


def parts(text: str) -> Iterator[str]:
    """Yield a text in parts that are short enough for one event each."""
    return (text[start : start + MAX_DELTA] for start in range(0, len(text), MAX_DELTA))
