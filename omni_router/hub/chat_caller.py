"""Call a chat model through any client of OpenAI's wire form: the forms of a request to try, and what came of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from omni_router.config.settings import Settings
from omni_router.errors import SpecialistError
from omni_router.hub.chat_call import (
    Arrived,
    RequestForm,
    chat_model,
    chat_template,
    check_answer,
    droppable_parameters,
    explicit_parameters,
    request_forms,
)
from omni_router.hub.metering import Meter, MeteredClient
from omni_router.hub.reasoning import ReasoningMemory, answer_room, has_reasoning_to_pass_back, own_reasoning

OpenClient = Callable[[str, Settings, Meter], AbstractContextManager[Any]]
ContextLength = Callable[[str, str | None], int | None]


class ChatCaller:
    """Has chats with models, and remembers which of them reason.

    Args:
        open_client: opens the client for one call of a model; within it, whatever the client raises is a
            `SpecialistError`. It may change what its meter sends as the name of the model.
        context_length: returns how many tokens a model takes at a provider, prompt and answer together.
    """

    def __init__(self, open_client: OpenClient, context_length: ContextLength) -> None:
        self._open_client, self._context_length = open_client, context_length
        self._reasoning = ReasoningMemory()

    def chat(self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings) -> AIMessage:
        """Answer a conversation; tokens stream to the callbacks of this run.

        A provider that refuses the request is asked again without what it may not know: penalties, extra parameters and
        the reasoning effort, and then also without the model's earlier reasoning. The answer's
        `response_metadata["ignored"]` names the parameters that were left out.

        Raises:
            SpecialistError: the call failed; what had arrived of a streamed answer is its `partial`.
        """
        messages = own_reasoning(messages, model)
        *fuller, barest = self._forms(model, provider, messages, settings)
        for form in fuller:
            try:
                return self._chat(model, provider, form, messages, settings)
            except SpecialistError as failure:  # noqa: PERF203 (twice at most)
                if failure.kind != "bad_request" or failure.partial:
                    raise
        return self._chat(model, provider, barest, messages, settings)

    def _forms(
        self, model: str, provider: str | None, messages: Sequence[AnyMessage], settings: Settings
    ) -> list[RequestForm]:
        """Return the forms of a request, the fullest first."""
        profile = chat_template(model, settings).profile or {}
        max_tokens: int | None = None
        ways_back: tuple[str | None, ...] = (None,)
        if settings.max_new_tokens is None and (profile.get("reasoning_output") or self._reasoning.reasons(model)):
            max_tokens = answer_room(messages, settings, profile, self._context_length(model, provider))
        if has_reasoning_to_pass_back(messages):
            ways_back = self._reasoning.ways_back(model)
        return request_forms(droppable_parameters(settings, profile), max_tokens, ways_back)

    def _chat(
        self,
        model: str,
        provider: str | None,
        form: RequestForm,
        messages: Sequence[AnyMessage],
        settings: Settings,
    ) -> AIMessage:
        arrived, meter = Arrived(), Meter(model, provider)
        try:
            with self._open_client(model, settings, meter) as client:
                metered, note_field = MeteredClient(client, meter), partial(self._reasoning.note_field, model)
                chat = chat_model(model, settings, metered, arrived, pass_back=form.pass_back, on_reasoning=note_field)
                stop = list(settings.stop) or None
                message = chat.invoke(list(messages), stop=stop, **explicit_parameters(settings), **form.parameters)
            meter.write_to(message)
            check_answer(message, model, settings)
        except SpecialistError as failure:  # a failed check keeps what had arrived, too
            failure.partial, failure.provider, failure.usage = arrived.message(), meter.provider, meter.usage
            raise
        if form.second_way:
            self._reasoning.note_second_way(model)
        if form.left_out:
            message.response_metadata["ignored"] = list(form.left_out)
        return message
