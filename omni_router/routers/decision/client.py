"""A service that speaks OpenAI's `/v1/decisions`: omni-router's own, OpenAI's, or any other."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from omni_router.errors import EndpointFailed
from omni_router.routers.decision.router import INSTRUCTIONS, QUESTION, Verdict
from omni_router.routers.endpoint.client import JsonClient
from omni_router.routers.endpoint.router import TIMEOUT
from omni_router.routers.protocol import Turn

PATH = "/decisions"
DEFAULT_MODEL = "omni"  # the name that a server of this package knows


class DecisionClient:
    """Chooses a label by one request with one question."""

    def __init__(
        self,
        url: str,
        model: str = DEFAULT_MODEL,
        *,
        key: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Keep the arguments; nothing is connected yet.

        Args:
            url: of the server, with or without /v1 and /decisions.
            model: its name as the server knows it.
            key: sent as a bearer token.
            timeout: seconds for a choice, whatever it takes.
            transport: sends the requests instead of the network.

        Raises:
            ConfigurationError: the address or the key cannot be used.
        """
        self.model = model
        self._client = JsonClient(url, PATH, key=key, timeout=timeout, transport=transport)

    @property
    def title(self) -> str:
        """The service as messages name it, with its address as it may be shown."""
        return f"decision service {self._client.origin}"

    def decide(self, conversation: Sequence[Turn], criteria: Mapping[str, str]) -> Verdict:
        """Choose one of the criteria's labels.

        Raises:
            EndpointFailed: the server is late, down, or refuses, or its answer is not a decision.
        """
        choices = [{"value": label, "description": text} for label, text in criteria.items()]
        question = {"type": "choice", "name": QUESTION, "instructions": INSTRUCTIONS, "choices": choices}
        request = {"model": self.model, "input": _messages(conversation), "questions": [question]}
        return _verdict(self._client.post(request, time.monotonic() + self._client.timeout))


def _messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in conversation:
        # A lone surrogate would be refused, since it is not a character.
        content = turn["content"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        messages.append({"role": turn["role"], "content": content})
    return messages


def _verdict(body: bytes) -> Verdict:
    """Read the answer to the one question.

    Raises:
        EndpointFailed: it is not one of the forms of an answer.
    """
    try:
        [answer] = json.loads(body)["answers"]
        if answer["type"] == "refusal":
            return Verdict(None, None)
        choice, confidence = str(answer["choice"]), float(answer["confidence"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise EndpointFailed("outage", "its answer is not a decision") from error
    if not 0 <= confidence <= 1:
        raise EndpointFailed("invalid_reply", "its confidence is not a probability")
    return Verdict(choice, confidence)
