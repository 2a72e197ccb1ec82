"""The result of a run, in plain values: the one form that every surface returns to programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from omni_router.costs import total_cost
from omni_router.errors import ErrorInfo
from omni_router.errors import for_audience as error_for_audience
from omni_router.hints import Audience
from omni_router.state import Artifact, Attempt, Source


@dataclass(frozen=True)
class RunResult:
    """The result of a run, in plain values: the JSON of `--json`, MCP, A2A, and of the field `omni` in /v1."""

    route: str | None
    model: str | None
    reason: str
    source: Source | None
    confidence: float | None  # 0..1
    answer: str | None  # None: nothing was answered, or only routed
    artifacts: Sequence[Artifact]
    attempts: Sequence[Attempt]
    error: ErrorInfo | None
    id: str | None  # the id of the decision, which --why and --feedback take
    task: str | None
    provider: str | None
    proposed_route: str | None  # the router's choice, such as `other`, if another route was taken instead
    cost: float | None  # US dollars for all its calls; None: not known
    estimated_cost: float | None  # US dollars for the model chosen last, before its call; None: not known

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "RunResult":
        """Build the result from a graph's output, its final state, or the state so far."""
        decision = state.get("decision") or {}
        return cls(
            route=decision.get("route"),
            model=decision.get("model"),
            reason=decision.get("reason", ""),
            source=decision.get("source"),
            confidence=decision.get("confidence"),
            answer=_answer(state),
            artifacts=state.get("artifacts") or [],
            attempts=state.get("attempts") or [],
            error=state.get("error"),
            id=decision.get("id"),
            task=decision.get("task"),
            provider=decision.get("provider"),
            proposed_route=decision.get("proposed_route"),
            cost=total_cost(state.get("attempts") or []),
            estimated_cost=decision.get("estimated_cost"),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def for_audience(self, audience: Audience) -> "RunResult":
        """Return the result with the hint of its error in the words of a surface."""
        if self.error is None:
            return self
        return replace(self, error=error_for_audience(self.error, audience))

    def redact_paths(self) -> "RunResult":
        """Return the result for readers on other machines, with the names of files in place of their paths."""
        answer = self.answer
        artifacts: list[Artifact] = []
        for artifact in self.artifacts:
            name = Path(artifact["path"]).name
            artifacts.append({**artifact, "path": name})
            if answer:
                answer = answer.replace(artifact["path"], name)
        return replace(self, answer=answer, artifacts=artifacts)

    def text(self, state: Mapping[str, Any]) -> str:
        """Return the answer, else the explanation that ends the state, with this result's hint in place of its own."""
        if self.answer:
            return self.answer
        text, error = str(state["messages"][-1].text), state.get("error")
        if error and self.error:
            return text.replace(error["hint"], self.error["hint"])
        return text


def _answer(state: Mapping[str, Any]) -> str | None:
    attempts = state.get("attempts")
    if attempts and attempts[-1]["outcome"] == "answered":
        return str(state["messages"][-1].text)
    return None
