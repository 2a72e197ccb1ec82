"""One request from the page: what is shown while it is answered."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from langchain_core.messages import AIMessageChunk

from omni_router.config.settings import Settings
from omni_router.errors import InvalidRequest, OmniRouterError, for_audience
from omni_router.events import DecisionMade, Finished, RouterReplied, RunEvent, Token
from omni_router.hints import SERVER
from omni_router.messages import reasoning_of
from omni_router.tasks import media
from omni_router.ui.backend import Backend
from omni_router.ui.badge import badge
from omni_router.ui.chat import Chat, Request, Turn
from omni_router.ui.components import file_part, folded_reasoning, html_part, problem, waiting

logger = logging.getLogger("omni_router")

FRAME = 0.05  # seconds between two views of a text that streams: each is compared with the one before, and sent
WAITING = waiting("Choosing a route and a model …")
UNEXPECTED = "Something went wrong on the page's side. Its terminal has the details; you can go on chatting."


class View(NamedTuple):
    """What to show now."""

    chat: Chat
    accepted: bool  # the field may be emptied: the request is being answered
    notice: str = ""  # HTML beside the field
    ended: bool = False


@dataclass
class _Answer:
    """What is known of an answer so far."""

    started: float = field(default_factory=perf_counter)
    candidates: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None
    text: str = ""
    reasoning: str = ""
    finished: Finished | None = None
    failure: str = ""

    def add(self, event: RunEvent) -> None:
        """Add an event to what is known."""
        match event:
            case RouterReplied():
                self.candidates = event.candidates
            case DecisionMade():
                self.decision, self.text, self.reasoning = event.decision, "", ""
            case Token(message=AIMessageChunk()):
                self.text += event.text
                self.reasoning += reasoning_of(event.message)
            case Finished():
                self.finished = event
                self.decision = event.state.get("decision") or self.decision

    def content(self, folder: Path) -> list[Any]:
        """Return the parts of the message, as Gradio shows them."""
        head = self._head()
        parts: list[Any] = []
        if head:
            parts.append(html_part(head))
        if self.reasoning:
            parts.append(html_part(self._shown_reasoning()))
        if self.text:
            parts.append(self.text)
        if self.finished is not None:
            parts += _outcome(self.finished, folder, text_is_shown=bool(self.text))
        if self.failure:
            parts.append(html_part(problem(self.failure)))
        return parts

    def _shown_reasoning(self) -> str:
        """Return the reasoning folded when it is complete: a new view would close what a reader has opened."""
        if self.text or self.finished or self.failure:
            return folded_reasoning(self.reasoning)
        return waiting(f"Thinking … {len(self.reasoning.split()):,} words")

    def _head(self) -> str:
        """Return the badge, what stands in its place until there is one, or nothing for a run that failed before."""
        if self.decision is None:
            return "" if self.failure else WAITING
        if self.finished is None:
            return badge(self.decision, self.candidates)
        attempts = self.finished.state.get("attempts") or ()
        return badge(self.decision, self.candidates, attempts, perf_counter() - self.started)


def _outcome(finished: Finished, folder: Path, *, text_is_shown: bool) -> list[Any]:
    """Return the parts that a finished run adds: its files, its error, or the text of an answer that did not stream."""
    error = finished.state.get("error")
    files = _published_files(finished.state.get("artifacts") or (), folder)
    parts: list[Any] = []
    if not text_is_shown and not error and not files:
        parts.append(finished.result.answer or "")
    parts += map(file_part, files)
    if error:
        parts.append(html_part(problem(error["message"], for_audience(error, SERVER)["hint"])))
    return parts


async def take_turn(
    chat: Chat, request: Request, backend: Backend, folder: Path, settings: Settings
) -> AsyncIterator[View]:
    """Answer a request, and yield what to show whenever there is something new."""
    try:
        message = request.message()
    except InvalidRequest as error:
        yield View(chat, accepted=False, notice=problem(_sentence(error)), ended=True)
        return
    answer = _Answer()
    chat.begin(request.parts(), answer.content(folder))
    yield View(chat, accepted=True)
    try:
        last_view = 0.0
        async for event in backend.stream(chat.thread, message, settings):
            answer.add(event)
            if not isinstance(event, Token) or perf_counter() - last_view >= FRAME:
                last_view = perf_counter()
                chat.messages[-1]["content"] = answer.content(folder)
                yield View(chat, accepted=True)
    except OmniRouterError as error:
        answer.failure = _sentence(error)
    except Exception:
        logger.exception("a turn of the page failed")
        answer.failure = UNEXPECTED
    chat.messages[-1]["content"] = answer.content(folder)
    chat.running = False
    if answer.finished and answer.finished.state.get("decision"):
        chat.turns.append(Turn(request.text.strip(), answer.finished.state))
    yield View(chat, accepted=True, ended=True)


def stop(chat: Chat) -> None:
    """Note in the chat that its newest answer was stopped; the caller cancels the run, and with it the model's call."""
    if chat.running:
        parts = [part for part in chat.messages[-1]["content"] if part != html_part(WAITING)]
        chat.messages[-1]["content"] = [*parts, html_part(waiting("Stopped."))]
        chat.running = False


def _published_files(artifacts: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """Copy the files of a run to where Gradio serves them, and return the paths of the copies.

    A server may name any path, of its own machine or of this one: only the name counts, and only in our folder. What
    is served is a copy under a name that cannot be guessed; the folder itself is not, since it holds more than that.
    """
    from gradio.processing_utils import save_file_to_cache
    from gradio.utils import get_upload_folder

    suffixes = [medium.suffix for medium in media()]  # the policy and the decision log may be in the folder, too
    copies: list[str] = []
    for artifact in artifacts:
        file = folder / Path(artifact["path"]).name
        if file.suffix in suffixes and file.is_file():
            copies.append(save_file_to_cache(file, get_upload_folder()))
    return copies


def _sentence(error: Exception) -> str:
    """Return the text of an error with a capital at its start, unless it starts with the name of a file."""
    text = str(error)
    if not text.split(" ", 1)[0].isalpha():
        return text
    return text[:1].upper() + text[1:]
