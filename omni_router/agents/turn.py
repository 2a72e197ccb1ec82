"""From what a run of the graph streams to the pieces of one answer."""

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from omni_router.errors import AnswerFailed
from omni_router.tasks import task_of


class Turn:
    """One run: `take` each part of its stream, then ask for the `message`, or for the `last` piece of a stream."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        """Take where the run's events are told."""
        self._tell = tell
        self._result: dict[str, Any] = {}
        self._streamed = False
        self._metadata: set[str] = set()  # what the pieces so far had: LangChain would add text to text

    def take(self, mode: str, part: Any) -> ChatGenerationChunk | None:
        """Take a part; give the piece of the answer that is in it."""
        if mode == "values":
            self._result = part
        elif mode == "custom":
            self._tell(part)
        elif mode == "messages":
            message, about = part
            if isinstance(message, AIMessageChunk) and task_of(about.get("langgraph_node")):
                return self._piece(message)
        return None

    def message(self) -> AIMessage:
        """Give the answer, with its decision and pictures in `response_metadata`.

        Raises:
            AnswerFailed: there is none.
        """
        if error := self._result.get("error"):
            raise AnswerFailed(error, self._result.get("decision"), self._result.get("attempts") or [])
        answer: AIMessage = self._result["messages"][-1]
        model = self._result["decision"]["model"]
        metadata = {"model_name": model, "artifacts": self._result["artifacts"], **answer.response_metadata}
        return answer.model_copy(update={"id": None, "response_metadata": metadata})

    def last(self) -> ChatGenerationChunk:
        """Give what is left to say of the answer: all of it, if it did not come in pieces.

        Raises:
            AnswerFailed: there is none, or it broke off.
        """
        answer = self.message()
        missing = {key: value for key, value in answer.response_metadata.items() if key not in self._metadata}
        rest = AIMessage("") if self._streamed else answer
        chunk = AIMessageChunk(
            content=rest.content,
            tool_calls=rest.tool_calls,
            usage_metadata=rest.usage_metadata,
            response_metadata=missing,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=chunk)

    def _piece(self, chunk: AIMessageChunk) -> ChatGenerationChunk | None:
        if not (chunk.content or chunk.tool_call_chunks or chunk.response_metadata or chunk.usage_metadata):
            return None
        self._streamed = True
        self._metadata |= set(chunk.response_metadata)
        # The id is that of the run inside; LangChain gives the pieces that of the chat model's own run.
        return ChatGenerationChunk(message=chunk.model_copy(update={"id": None, "chunk_position": None}))
