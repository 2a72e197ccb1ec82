"""A server that answers a chat."""

from collections.abc import Mapping, Sequence
from typing import Any

from omni_router.cli.chat.protocol import ChatAnswer, Explanation, Message
from omni_router.cli.remote.remote_run import AnswerClient
from omni_router.cli.transcript import View

# What an answer's message keeps of its decision, as `selection.overrides` reads it.
DECISION = ("id", "route", "task", "model", "provider", "reason", "source", "confidence")


class OnServer:
    """Sends the whole conversation with each turn; the history is the server's."""

    def __init__(self, answers: AnswerClient) -> None:
        self._answers, self._client = answers, answers.client
        # The server knows its answers by their text: that of the newest one, which may hold files, by decision.
        self._newest: tuple[str, str] = ("", "")

    def wait(self) -> None:
        """Wait for nothing: a server answers at once."""

    def answer(self, messages: Sequence[Message], view: View, **choices: Any) -> ChatAnswer:
        """Answer the last message.

        Raises:
            OmniRouterError: the server does not answer, or does not take the request.
            KeyboardInterrupt: Ctrl-C ended the turn.
        """
        result, content = self._answers.answer(list(map(self._sent, messages)), view, **choices)
        if result["answer"] is None:
            return ChatAnswer(result, None)
        self._newest = (result["id"], content)
        decision = {name: result[name] for name in DECISION}
        message = {"role": "assistant", "content": result["answer"], "decision": decision, "cost": result["cost"]}
        return ChatAnswer(result, message)

    def _sent(self, message: Message) -> Message:
        """Return a message as it is sent: an answer as it came."""
        decision, content = self._newest
        if (message.get("decision") or {}).get("id") != decision:
            content = message["content"]
        return {"role": message["role"], "content": content}

    def close(self) -> None:
        """Close nothing: each request has a connection of its own."""

    def routes(self) -> Sequence[str]:
        """Return the names of the server's routes."""
        return [route["name"] for route in self._client.get("omni", "routes", field="routes")["routes"]]

    def models(self, name: str) -> Mapping[str, Any]:
        """Return the models for a route of the server."""
        return self._client.get("omni", "routes", name, "models", field="models")

    def explain(self, decision: str) -> Explanation:
        """Return what the server knows of a decision."""
        found = self._client.get("omni", "decisions", decision, field="decision")
        return Explanation(found["decision"], found["doubts"])

    def rate(self, decision: str, verdict: str, text: str) -> str:
        """Rate a decision of the server."""
        rating = self._client.post(
            "/omni/feedback", {"id": decision, "verdict": verdict, "text": text}, field="summary"
        )
        return str(rating["summary"])
