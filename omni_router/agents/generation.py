"""From the events of a run to LangChain's chunks and message."""

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from omni_router.errors import AnswerFailed
from omni_router.events import Custom, DecisionMade, Finished, Recorded, RunEvent, Token


class Generation:
    """Collects one run: pass each event to `add`, then call `result`, or `last_chunk` after a streamed answer."""

    def __init__(self, write_custom: Callable[[Any], None]) -> None:
        """Store the custom stream of the surrounding run, which receives decisions and records."""
        self._write_custom = write_custom
        self._state: dict[str, Any] = {}
        self._streamed = False
        self._metadata_keys: set[str] = set()  # keys of earlier chunks: LangChain would join a repeated key's texts

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
        """Return the rest of the answer: its metadata, and all of the answer if the model did not stream.

        Raises:
            AnswerFailed: there is none, or it broke off.
        """
        answer = self.message()
        metadata = {key: value for key, value in answer.response_metadata.items() if key not in self._metadata_keys}
        rest = AIMessage("") if self._streamed else answer
        chunk = AIMessageChunk(
            content=rest.content,
            tool_calls=rest.tool_calls,
            usage_metadata=rest.usage_metadata,
            response_metadata=metadata,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=chunk)

    def _chunk(self, chunk: AIMessageChunk) -> ChatGenerationChunk | None:
        if not (chunk.content or chunk.tool_call_chunks or chunk.response_metadata or chunk.usage_metadata):
            return None
        self._streamed = True
        self._metadata_keys |= set(chunk.response_metadata)
        # The id is that of the inner run; LangChain gives the chunks that of the chat model's own run.
        return ChatGenerationChunk(message=chunk.model_copy(update={"id": None, "chunk_position": None}))
