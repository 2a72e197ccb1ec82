"""From the events of a run to LangChain's chunks and message."""

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from omni_router.errors import AnswerFailed
from omni_router.events import Custom, DecisionMade, Finished, Recorded, RunEvent, Token
from omni_router.messages import REASONING, reasoning_of


class Generation:
    """Collects one run: pass each event to `add`, then call `result`, or `last_chunk` after a streamed answer."""

    def __init__(self, write_custom: Callable[[Any], None]) -> None:
        """Store the custom stream of the surrounding run, which receives decisions and records."""
        self._write_custom = write_custom
        self._state: dict[str, Any] = {}
        self._streamed = self._streamed_reasoning = False

    def add(self, event: RunEvent) -> ChatGenerationChunk | None:
        """Add an event, and return the chunk of the answer in it, if there is one."""
        match event:
            case DecisionMade() | Recorded() | Custom():
                self._write_custom(event.as_custom())
            case Token(message=AIMessageChunk() as chunk):
                return self._chunk(chunk)
            case Finished():
                self._state = event.state
        return None

    def message(self) -> AIMessage:
        """Return the answer, with its decision and artifacts in `response_metadata`.

        Raises:
            AnswerFailed: there is none.
        """
        if error := self._state.get("error"):
            raise AnswerFailed(error, self._state.get("decision"), self._state.get("attempts") or [])
        answer: AIMessage = self._state["messages"][-1]
        model = self._state["decision"]["model"]
        metadata = {"model_name": model, "artifacts": self._state["artifacts"], **answer.response_metadata}
        return answer.model_copy(update={"id": None, "response_metadata": metadata})

    def result(self) -> ChatResult:
        """Return the whole answer.

        Raises:
            AnswerFailed: there is none.
        """
        return ChatResult(generations=[ChatGeneration(message=self.message())])

    def last_chunk(self) -> ChatGenerationChunk:
        """Return the rest of the answer: its metadata and usage, and all of the answer if the model did not stream.

        Raises:
            AnswerFailed: there is none, or it broke off.
        """
        answer = self.message()
        rest = AIMessage("") if self._streamed else answer
        chunk = AIMessageChunk(
            content=rest.content,
            tool_calls=rest.tool_calls,
            usage_metadata=answer.usage_metadata,
            response_metadata=answer.response_metadata,
            chunk_position="last",
        )
        if not self._streamed_reasoning and (reasoning := reasoning_of(answer)):
            chunk.additional_kwargs[REASONING] = reasoning
        return ChatGenerationChunk(message=chunk)

    def _chunk(self, chunk: AIMessageChunk) -> ChatGenerationChunk | None:
        is_answer, is_reasoning = bool(chunk.content or chunk.tool_call_chunks), bool(reasoning_of(chunk))
        if not (is_answer or is_reasoning):
            return None
        self._streamed |= is_answer
        self._streamed_reasoning |= is_reasoning
        # The id is that of the inner run; LangChain gives the chunks that of the chat model's own run. Metadata and
        # usage come with the last chunk: a model that only reasoned, and was followed by another, has sent its own.
        changes: dict[str, Any] = {"id": None, "chunk_position": None, "response_metadata": {}, "usage_metadata": None}
        return ChatGenerationChunk(message=chunk.model_copy(update=changes))
