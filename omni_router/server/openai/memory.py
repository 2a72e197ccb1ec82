"""Recall the decision behind an answer: clients of this interface send answers back without their metadata."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

CARRIED = ("decision", "cost")  # what an answer's `response_metadata` holds for the next turn
MAX_ANSWERS = 10_000  # about half a kilobyte each; a conversation needs its last answer


class DecisionMemory:
    """The decisions behind the latest answers of this process.

    An answer is recognized by the request before it and by its whole tool calls: some providers number these from 0 in
    each answer, so that the id alone would mix up conversations. An answer without tool calls is recognized by its
    text. Only digests are stored.
    """

    def __init__(self, size: int = MAX_ANSWERS) -> None:
        self._size = size
        self._metadata: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, answer: AIMessage, text: str, request: str) -> None:
        """Store the decision and the cost of an answer.

        Args:
            answer: with both in its metadata.
            text: the answer as it was sent to the client.
            request: the words that it answers.
        """
        metadata = {key: answer.response_metadata[key] for key in CARRIED if key in answer.response_metadata}
        if "decision" in metadata:
            key = _digest(answer, text, request_digest(request))
            with self._lock:  # answers are sent by several threads
                self._metadata[key] = metadata
                self._metadata.move_to_end(key)
                while len(self._metadata) > self._size:
                    self._metadata.popitem(last=False)

    def recall(self, answer: AIMessage, request: str) -> Mapping[str, Any]:
        """Return the `response_metadata` of an answer that came back; empty for an unknown answer.

        Args:
            answer: as it came back.
            request: the `request_digest` of the words that it answers, which may be followed by many answers.
        """
        if not self._metadata:
            return {}
        return self._metadata.get(_digest(answer, str(answer.text), request), {})


def request_digest(request: str) -> str:
    """Return a digest of the words of a request."""
    return hashlib.sha256(request.encode(errors="surrogatepass")).hexdigest()


def _digest(answer: AIMessage, text: str, request: str) -> bytes:
    calls = [(call["id"], call["name"], call["args"]) for call in (*answer.tool_calls, *answer.invalid_tool_calls)]
    known_by = json.dumps([request, calls or text.strip()], sort_keys=True)
    return hashlib.sha256(known_by.encode(errors="surrogatepass")).digest()
