"""The turns of a chat: the conversation, what is chosen for the next turn, and what was answered."""

import sys
from collections.abc import Mapping
from typing import Any

from omni_router.cli.chat.protocol import Backend, Message
from omni_router.cli.chat.saved import SavedChat, readable_text
from omni_router.cli.chat.view import ChatView
from omni_router.cli.console import print_field
from omni_router.errors import InvalidRequest, OmniRouterError
from omni_router.messages import user_content


class Chat:
    """A conversation with what answers it.

    Args:
        backend: what answers.
        view: where that is shown.
        saved: where the conversation is kept; None keeps it in memory alone.
        image: an image for the first message.
    """

    def __init__(
        self, backend: Backend, view: ChatView, saved: SavedChat | None = None, image: str | None = None
    ) -> None:
        self.backend, self.view, self.saved, self.image = backend, view, saved, image
        self.choices: dict[str, Any] = {}  # the route and the model that were chosen for the next turns
        self.messages: list[Message] = saved.load() if saved else []
        self.last: Mapping[str, Any] | None = None  # the result of the newest turn
        self.question = ""  # the text of its request
        self.ended = False
        self.failed = False  # whether a message had no answer, or a command could not be done

    def ask(self, text: str) -> None:
        """Have a message answered."""
        try:
            content = user_content(text, self.image)
        except InvalidRequest as error:
            self.show(error)
            return
        question: Message = {"role": "user", "content": content}
        answer = self._turn([*self.messages, question], text)
        if answer is not None:
            self.image = None
            self.messages += [question, answer]
            self._save()

    def ask_another(self) -> None:
        """Have the last message answered by another model, whose answer takes the place of the first."""
        if not self.messages:
            raise InvalidRequest("there is no answer yet that another model could replace")
        answer = self._turn(self.messages, readable_text(self.messages[-2]), another=True)
        if answer is not None:
            self.messages[-1] = answer
            self._save()

    def _turn(self, messages: list[Message], text: str, **more: Any) -> Message | None:
        """Run a turn, and return the answer; None if there is none."""
        choices = {**self.choices, **more}
        if more:  # the other model is not the one that was chosen
            choices.pop("model", None)
        try:
            self.backend.wait()
            return self._answered(messages, text, choices)
        except KeyboardInterrupt:
            self.view.cancel()
            return None

    def _answered(self, messages: list[Message], text: str, choices: Mapping[str, Any]) -> Message | None:
        self.view.begin()
        try:
            result, answer = self.backend.answer(messages, self.view, **choices)
        except OmniRouterError as error:
            self.show(error)
            return None
        self.view.end(result)
        self.failed |= result["error"] is not None
        self.last, self.question = result, text.strip()
        return answer

    def _save(self) -> None:
        if self.saved is None:
            return
        try:
            self.saved.save(self.messages)
        except OmniRouterError as error:  # the conversation goes on in memory
            self.show(error)

    def show(self, error: Exception) -> None:
        """Show an error that a person can correct; the chat goes on."""
        self.view.end_streams()
        self.failed = True
        print_field("error", (str(error), "red"))
        sys.stdout.flush()
