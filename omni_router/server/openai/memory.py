"""Which decision an answer came from: clients of this interface send answers back without what we knew of them."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

KEPT = 10_000  # answers, of about half a kilobyte each; a conversation needs its last


class DecisionMemory:
    """Remembers, for this process, the decisions behind its latest answers.

    An answer is known again by the request before it and by its tool calls, whole: some providers number them from 0 in
    each answer, so that the id alone would mix up conversations. One without is known by its text. Only digests are
    kept.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._decisions: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, answer: AIMessage, text: str, asked: str) -> None:
        """Keep the decision that an answer carries; `text` is what the client was given of it, `asked` the request."""
        if decision := answer.response_metadata.get("decision"):
            key = _digest(answer, text, request_digest(asked))
            with self._lock:  # answers are sent by several threads
                self._decisions[key] = decision
                self._decisions.move_to_end(key)
                while len(self._decisions) > self._size:
                    self._decisions.popitem(last=False)

    def recall(self, answer: AIMessage, request: str) -> Mapping[str, Any]:
        """Return the `response_metadata` of an answer that came back: empty when it is not known here.

        Args:
            answer: as it came back.
            request: the `request_digest` of what it answers, which many answers may follow.
        """
        if not self._decisions:
            return {}
        decision = self._decisions.get(_digest(answer, str(answer.text), request))
        return {"decision": decision} if decision else {}


def request_digest(asked: str) -> str:
    """Return a digest of the words of a request."""
    return hashlib.sha256(asked.encode(errors="surrogatepass")).hexdigest()


def _digest(answer: AIMessage, text: str, request: str) -> bytes:
    calls = [(call["id"], call["name"], call["args"]) for call in (*answer.tool_calls, *answer.invalid_tool_calls)]
    known_by = json.dumps([request, calls or text.strip()], sort_keys=True)
    return hashlib.sha256(known_by.encode(errors="surrogatepass")).digest()
