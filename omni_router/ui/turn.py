"""One request from the page: what is shown while it is answered."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from langchain_core.messages import AIMessageChunk, HumanMessage

from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest, OmniRouterError, hint_for
from omni_router.events import DecisionMade, Finished, RouterReplied, RunEvent, Token
from omni_router.hints import SERVER
from omni_router.messages import user_message
from omni_router.tasks import media
from omni_router.ui.backend import Backend
from omni_router.ui.badge import badge, problem, safe, waiting
from omni_router.ui.chat import Chat, Turn
from omni_router.ui.components import file_part, html

logger = logging.getLogger("omni_router")

# Two patterns, each of which reads a text once: one that looks for both would begin anew at every "https://".
_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_IMAGE_ADDRESS = re.compile(r"https?://.+\.(?:png|jpe?g|webp|gif)(?:\?.*)?", re.IGNORECASE)
FRAME = 0.05  # seconds between two views of a text that streams: each is compared with the one before, and sent
WAITING = waiting("Choosing a route and a model …")
UNEXPECTED = "Something went wrong in the page's own process. Its terminal says what; the chat goes on."


class Request(NamedTuple):
    """What was typed and attached."""

    text: str
    file: str | None = None  # an uploaded one
    address: str = ""  # of a picture, from the field for it


class View(NamedTuple):
    """What to show now."""

    chat: Chat
    taken: bool  # the request was taken: the field for it may be emptied
    notice: str = ""  # HTML, beside the field
    ended: bool = False


@dataclass
class _Answer:
    """What is known of an answer so far."""

    started: float = field(default_factory=perf_counter)
    candidates: dict[str, Any] = field(default_factory=dict)
    decision: dict[str, Any] | None = None
    text: str = ""
    finished: Finished | None = None
    failure: str = ""

    def add(self, event: RunEvent) -> None:
        """Add an event to what is known."""
        match event:
            case RouterReplied():
                self.candidates = event.candidates
            case DecisionMade():
                self.decision, self.text = dict(event.decision), ""
            case Token(message=AIMessageChunk()):
                self.text += event.text
            case Finished():
                self.finished = event
                self.decision = event.state.get("decision") or self.decision

    def content(self, folder: Path) -> list[Any]:
        """Give the parts of the message, as Gradio shows them."""
        result = self.finished.state if self.finished else {}
        seconds = perf_counter() - self.started if self.finished else None
        head = (
            badge(self.decision, self.candidates, result.get("attempts") or (), seconds) if self.decision else WAITING
        )
        parts: list[Any] = [] if self.failure and not self.decision else [html(head)]
        made = (_of_ours(artifact["path"], folder) for artifact in result.get("artifacts") or ())
        files = [path for path in made if path]
        if self.text:
            parts.append(self.text)
        elif self.finished and not result.get("error") and not files:
            parts.append(self.finished.result.answer or "")
        parts += map(file_part, files)
        if error := result.get("error"):
            parts.append(html(problem(error["message"], hint_for(error["kind"], SERVER))))
        if self.failure:
            parts.append(html(problem(self.failure)))
        return parts


async def take_turn(
    chat: Chat, request: Request, backend: Backend, folder: Path, settings: Settings
) -> AsyncIterator[View]:
    """Answer a request, and give what to show whenever there is something new."""
    try:
        message, address = _message(request)
    except InvalidRequest as error:
        yield View(chat, taken=False, notice=problem(_sentence(error)), ended=True)
        return
    answer = _Answer()
    chat.running = True
    chat.shown.append({"role": "user", "content": _said(request, address)})
    chat.shown.append({"role": "assistant", "content": answer.content(folder)})
    yield View(chat, taken=True)
    try:
        last = 0.0
        async for event in backend.stream(chat.thread, message, settings):
            answer.add(event)
            if not isinstance(event, Token) or perf_counter() - last >= FRAME:
                last = perf_counter()
                chat.shown[-1]["content"] = answer.content(folder)
                yield View(chat, taken=True)
    except OmniRouterError as error:
        answer.failure = _sentence(error)
    except Exception:
        logger.exception("a turn of the page failed")
        answer.failure = UNEXPECTED
    chat.shown[-1]["content"] = answer.content(folder)
    chat.running = False
    if answer.finished and answer.decision:
        chat.turns.append(Turn(request.text.strip(), answer.finished.state))
    yield View(chat, taken=True, ended=True)


def stop(chat: Chat) -> None:
    """Note in the chat that its newest answer was stopped: the run is cancelled, and its model hung up on."""
    if chat.running:
        so_far = [part for part in chat.shown[-1]["content"] if part != html(WAITING)]
        chat.shown[-1]["content"] = [*so_far, html(waiting("Stopped."))]
        chat.running = False


def _said(request: Request, address: str) -> list[Any]:
    """Give the parts of the user's message, as Gradio shows them; an address is not fetched for it."""
    said: list[Any] = [request.text] if request.text.strip() else []
    if request.file:
        said.append(file_part(request.file))
    elif address and address not in request.text:
        said.append(html(f'<span class="omni-address">{safe(address)}</span>'))
    return said


def _message(request: Request) -> tuple[HumanMessage, str]:
    """Make the message for the graph, and name the picture that belongs to it, if it has an address."""
    address = request.address.strip() or image_address(request.text)
    image = request.file or address or None
    try:
        return user_message(request.text, image, local_files=image == request.file), address
    except InvalidRequest as error:
        if request.file is None:
            raise
        raise InvalidRequest(str(error).replace(request.file, Path(request.file).name)) from error


def image_address(text: str) -> str:
    """Return the first address in a text that ends like an image, which is meant as one; empty when there is none."""
    for address in _ADDRESS.finditer(text):
        if image := _IMAGE_ADDRESS.match(address[0]):
            return image[0]
    return ""


def _of_ours(path: str, folder: Path) -> str | None:
    """Find a file that a task made by its name in our folder; None where there is none.

    A server may name any path, of its own machine or of this one. What is shown is a copy under a name that nobody
    guesses; the folder is not served, since there is more in it.
    """
    from gradio.processing_utils import save_file_to_cache
    from gradio.utils import get_upload_folder

    suffixes = [each.suffix for each in media()]  # the policy and the decision log may lie in the folder, too
    found = folder / Path(path).name
    return save_file_to_cache(found, get_upload_folder()) if found.suffix in suffixes and found.is_file() else None


def _sentence(error: Exception) -> str:
    """Begin with a capital, unless that is the name of a file."""
    text = str(error)
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0].isalpha() else text
