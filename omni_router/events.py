"""What a run came to, in plain values: what the command line prints and every surface hands to a program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from omni_router.artifacts import Artifact
from omni_router.errors import ErrorInfo, for_audience
from omni_router.hints import SERVER, Audience
from omni_router.state import Attempt, Source


class Summary(TypedDict):
    """A run's decision, answer, and how it went; JSON-able."""

    route: str | None
    model: str | None
    reason: str
    source: Source | None
    confidence: float | None  # 0..1
    answer: str | None  # None: nothing was answered, or only routed
    artifacts: list[Artifact]
    attempts: list[Attempt]
    error: ErrorInfo | None
    id: str | None  # of the decision: what --why and --feedback take
    task: str | None
    provider: str | None
    proposed_route: str | None  # what the router chose, such as `other`, where another route was taken instead


def summarize(result: Mapping[str, Any]) -> Summary:
    """Sum up a graph's output or final state."""
    decision = result.get("decision") or {}
    return Summary(
        route=decision.get("route"),
        model=decision.get("model"),
        reason=decision.get("reason", ""),
        source=decision.get("source"),
        confidence=decision.get("confidence"),
        answer=_answer(result),
        artifacts=result.get("artifacts") or [],
        attempts=result.get("attempts") or [],
        error=result.get("error"),
        id=decision.get("id"),
        task=decision.get("task"),
        provider=decision.get("provider"),
        proposed_route=decision.get("proposed_route"),
    )


def for_the_network(summary: Summary, audience: Audience = SERVER) -> Summary:
    """Return the summary for readers on other machines: files by their names alone, the hint in their words."""
    names = {artifact["path"]: Path(artifact["path"]).name for artifact in summary["artifacts"]}
    answer = summary["answer"]
    for path, name in names.items():
        answer = answer and answer.replace(path, name)
    artifacts: list[Artifact] = [{**artifact, "path": names[artifact["path"]]} for artifact in summary["artifacts"]]
    error = for_audience(summary["error"], audience) if summary["error"] else None
    return {**summary, "answer": answer, "artifacts": artifacts, "error": error}


def explanation(summary: Summary, result: Mapping[str, Any]) -> str:
    """Return the last message of a run without an answer, with the hint of the summary in place of the state's."""
    text, error = str(result["messages"][-1].text), result.get("error")
    return text.replace(error["hint"], summary["error"]["hint"]) if error and summary["error"] else text


def _answer(result: Mapping[str, Any]) -> str | None:
    attempts = result.get("attempts")
    return str(result["messages"][-1].text) if attempts and attempts[-1]["outcome"] == "answered" else None
