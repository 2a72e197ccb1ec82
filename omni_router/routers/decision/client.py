"""A service that speaks `/v1/decisions`, in the form of OpenAI or of System One: omni-router's own, or a hosted one.

Both forms are served under the same path by different services, so the first answer tells which one it is.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import httpx

from omni_router.errors import EndpointFailed
from omni_router.routers.decision.router import INSTRUCTIONS, QUESTION, Verdict
from omni_router.routers.endpoint.client import JsonClient
from omni_router.routers.endpoint.router import TIMEOUT
from omni_router.routers.protocol import Turn

PATH, SYSTEM_ONE_PATH = "/decisions", "/systemone"
DEFAULT_MODEL = "omni"  # the name that a server of this package knows

Form = Literal["openai", "system_one"]


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
            url: of the server, with or without /v1, or a whole address that ends in /decisions or /systemone.
            model: its name as the server knows it.
            key: sent as a bearer token.
            timeout: seconds for a choice, whatever it takes.
            transport: sends the requests instead of the network.

        Raises:
            ConfigurationError: the address or the key cannot be used.
        """
        self.model = model
        self._form: Form | None = None  # None until the service has answered
        path = PATH
        if url.rstrip("/ ").endswith(SYSTEM_ONE_PATH):
            path, self._form = SYSTEM_ONE_PATH, "system_one"
        self._client = JsonClient(url, path, key=key, timeout=timeout, transport=transport)

    @property
    def title(self) -> str:
        """The service as messages name it, with its address as it may be shown."""
        return f"decision service {self._client.origin}"

    def decide(self, conversation: Sequence[Turn], criteria: Mapping[str, str]) -> Verdict:
        """Choose one of the criteria's labels.

        Raises:
            EndpointFailed: the server is late, down, or refuses, or its answer is not a decision.
        """
        deadline = time.monotonic() + self._client.timeout
        if self._form is not None:
            return self._ask(self._form, conversation, criteria, deadline)
        try:
            verdict = self._ask("openai", conversation, criteria, deadline)
        except EndpointFailed as error:
            if error.fault != "refused":
                raise
            verdict = self._ask("system_one", conversation, criteria, deadline)
            self._form = "system_one"  # set only now: the server refused the form, and not the request
        else:
            self._form = "openai"
        return verdict

    def _ask(self, form: Form, conversation: Sequence[Turn], criteria: Mapping[str, str], deadline: float) -> Verdict:
        question: dict[str, Any] = {"type": "choice", "instructions": INSTRUCTIONS}
        messages = _messages(conversation)
        if form == "openai":
            choices = [{"value": label, "description": text} for label, text in criteria.items()]
            body: dict[str, Any] = {
                "input": messages,
                "questions": [{**question, "name": QUESTION, "choices": choices}],
            }
        else:
            body = {"state": messages, "questions": {QUESTION: {**question, "criteria": {**criteria}}}}
        return _verdict(form, self._client.post({"model": self.model, **body}, deadline))


def _messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in conversation:
        # A lone surrogate would be refused, since it is not a character.
        content = turn["content"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        messages.append({"role": turn["role"], "content": content})
    return messages


def _verdict(form: Form, body: bytes) -> Verdict:
    """Read the answer to the one question.

    Raises:
        EndpointFailed: it is not one of the forms of an answer.
    """
    try:
        answers = json.loads(body)["answers"]
        answer = answers[QUESTION] if form == "system_one" else _only(answers)
        if answer["type"] == "refusal":
            return Verdict(None, None)
        verdict = Verdict(str(answer["choice"]), _confidence(answer))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EndpointFailed("outage", "its answer is not a decision") from error
    if verdict.confidence is not None and not 0 <= verdict.confidence <= 1:
        raise EndpointFailed("invalid_reply", "its confidence is not a probability")
    return verdict


def _only(answers: list[Any]) -> Any:
    [answer] = answers
    return answer


def _confidence(answer: Mapping[str, Any]) -> float | None:
    """Return the confidence of an answer; System One allows to leave it out."""
    value = answer.get("confidence")
    return None if value is None else float(value)
