"""A conversation on the page: what is remembered of it, and how a typed request becomes a message for the graph."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.messages import HumanMessage

from omni_router.errors import InvalidRequest
from omni_router.messages import user_message
from omni_router.ui.components import file_part, html_part, safe

# Two patterns, each of which reads a text once: one that looks for both would begin anew at every "https://".
_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_IMAGE_ADDRESS = re.compile(r"https?://.+\.(?:png|jpe?g|webp|gif)(?:\?.*)?", re.IGNORECASE)


@dataclass
class Turn:
    """A request, and the final state of its run."""

    text: str
    state: dict[str, Any]

    @property
    def decision(self) -> dict[str, Any]:
        """Return the decision of the run; a run without one is not a turn."""
        decision: dict[str, Any] = self.state["decision"]
        return decision


@dataclass
class Chat:
    """A conversation: its thread in the graph, its turns, and the messages as Gradio shows them.

    `running` stays true when an answer is stopped: its run is cancelled before it can be set to false.
    """

    thread: str = field(default_factory=lambda: str(uuid4()))
    turns: list[Turn] = field(default_factory=list)
    running: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, question: list[Any], answer: list[Any]) -> None:
        """Append a request and what is shown of its answer so far."""
        self.running = True
        self.messages.append({"role": "user", "content": question})
        self.messages.append({"role": "assistant", "content": answer})

    def begin_again(self, answer: list[Any]) -> None:
        """Append what is shown so far of another answer to the newest request."""
        self.running = True
        self.messages.append({"role": "assistant", "content": answer})


class Request(NamedTuple):
    """What was typed and attached."""

    text: str
    file: str | None = None  # an uploaded one
    address: str = ""  # the address of an image, from its field

    @property
    def image_address(self) -> str:
        """Return the address of the image that belongs to the request; empty when it has none."""
        return self.address.strip() or image_address(self.text)

    def message(self) -> HumanMessage:
        """Build the message for the graph.

        Raises:
            InvalidRequest: the request is empty, or its image is not one that can be sent.
        """
        if self.file is None:
            return user_message(self.text, self.image_address or None, local_files=False)
        try:
            return user_message(self.text, self.file, local_files=True)
        except InvalidRequest as error:
            raise InvalidRequest(str(error).replace(self.file, Path(self.file).name)) from error

    def parts(self) -> list[Any]:
        """Return the parts of the user's message, as Gradio shows them; nothing is fetched for an address."""
        parts: list[Any] = []
        if self.text.strip():
            parts.append(self.text)
        address = self.image_address
        if self.file is not None:
            parts.append(file_part(self.file))
        elif address and address not in self.text:
            parts.append(html_part(f'<span class="omni-address">{safe(address)}</span>'))
        return parts


def image_address(text: str) -> str:
    """Return the first address in a text that ends like an image, which is meant as one; empty when there is none."""
    for address in _ADDRESS.finditer(text):
        if image := _IMAGE_ADDRESS.match(address[0]):
            return image[0]
    return ""
