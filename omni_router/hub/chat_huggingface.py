"""LangChain's chat model of Hugging Face, with the reasoning that it drops on the way in and on the way out.

Providers send reasoning beside the content of a message, as `reasoning_content` or `reasoning`. It is kept under the
key in which LangChain looks for it, so that `content_blocks` of a message or a chunk begins with a block of type
`reasoning`, and the text is the answer alone. To import this takes a fraction of a second.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_huggingface import ChatHuggingFace as LibraryChat
from pydantic import Field

from omni_router.hub.reasoning import FIELDS, ThinkTags
from omni_router.messages import REASONING, reasoning_of


class ChatHuggingFace(LibraryChat):
    """LangChain's chat model of Hugging Face, which keeps reasoning, and passes it back with tool calls.

    It has the library's name, under which tracers and dashboards know it.
    """

    pass_back: str | None = Field(default=None, exclude=True, repr=False)  # a field; None: left out
    on_reasoning: Any = Field(
        default=None, exclude=True, repr=False
    )  # called with the field in which reasoning arrives

    def _create_message_dicts(
        self, messages: list[BaseMessage], stop: list[str] | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        bodies, parameters = super()._create_message_dicts(messages, stop)
        if self.pass_back:
            for message, body in zip(messages, bodies, strict=True):
                if "tool_calls" in body and (reasoning := reasoning_of(message)):
                    body[self.pass_back] = reasoning
        return bodies, parameters

    def _create_chat_result(self, response: Any) -> ChatResult:
        result = super()._create_chat_result(response)
        for generation, choice in zip(result.generations, response.choices, strict=True):
            tags = ThinkTags()
            self._complete(generation.message, choice.message, response.usage, tags)
            _append(generation.message, *tags.rest())
            generation.text = str(generation.message.text)
        return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        client, tags = _LastChunk(self.llm.client), ThinkTags()
        call = self.model_copy(update={"llm": self.llm.model_copy(update={"client": client})})
        for chunk in super(ChatHuggingFace, call)._stream(messages, stop, **kwargs):
            self._complete(chunk.message, client.delta, client.usage, tags)
            if (chunk.generation_info or {}).get("finish_reason"):
                _append(chunk.message, *tags.rest())
            whole = ChatGenerationChunk(message=chunk.message, generation_info=chunk.generation_info)
            if run_manager:
                run_manager.on_llm_new_token(whole.text, chunk=whole)
            yield whole

    def _complete(self, message: BaseMessage, sent: object, usage: object, tags: ThinkTags) -> None:
        """Add to a message or chunk what the library left out, and take the reasoning out of its text."""
        field, reasoning = _sent_reasoning(sent)
        if isinstance(message.content, str):
            in_tags, message.content = tags.split(message.content)
            reasoning += in_tags
        if reasoning:
            message.additional_kwargs[REASONING] = reasoning
            if self.on_reasoning:
                self.on_reasoning(field)
        tokens = _item(_item(usage, "completion_tokens_details"), "reasoning_tokens")
        if isinstance(message, AIMessage) and message.usage_metadata and type(tokens) is int and tokens >= 0:
            message.usage_metadata["output_token_details"] = {"reasoning": tokens}


def _sent_reasoning(sent: object) -> tuple[str, str]:
    """Return the reasoning beside a content, and before it the field in which it was sent."""
    for field in FIELDS:
        text = _item(sent, field)
        if text and isinstance(text, str):
            return field, text
    return FIELDS[0], ""


def _append(message: BaseMessage, reasoning: str, answer: str) -> None:
    if reasoning:
        message.additional_kwargs[REASONING] = message.additional_kwargs.get(REASONING, "") + reasoning
    if answer:
        message.content = str(message.content) + answer


class _LastChunk:
    """The client of one call; it remembers the newest chunk of a stream as the client read it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.delta: object = None
        self.usage: object = None

    def chat_completion(self, **parameters: Any) -> Iterator[Any]:
        """Call the client."""
        return self._remembered(self._client.chat_completion(**parameters))

    def _remembered(self, chunks: Iterable[Any]) -> Iterator[Any]:
        for chunk in chunks:
            self.delta = chunk.choices[0].delta if chunk.choices else None
            self.usage = chunk.usage
            yield chunk


def _item(value: object, key: str) -> Any:
    """Return the item of an object in a server's answer; None if it is not an object, or has no such item."""
    return value.get(key) if isinstance(value, Mapping) else None
