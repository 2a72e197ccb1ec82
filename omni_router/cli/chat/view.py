"""How a turn of a chat is shown: the badge of its decision, the answer as it comes, and what it has cost."""

import sys
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from omni_router.artifacts import describe
from omni_router.cli.console import (
    StreamedField,
    is_terminal,
    log_note,
    print_field,
    print_line,
    print_path,
    printable,
    status,
)
from omni_router.costs import as_decimal, describe_cost

WHY = 120  # characters of a badge; /why has all of it
ALMOST_CERTAIN = 0.995  # shown as 99%: no probability is a whole one


class ChatView:
    """Shows turns on stdout."""

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug
        self._answer: StreamedField | None = None
        self._reasoning: StreamedField | None = None
        self._is_shown = False  # whether the answer has been streamed
        self._has_badge = False

    def begin(self) -> None:
        """Show that a turn begins."""
        self._is_shown = self._has_badge = False
        status.begin("choosing a route and a model")

    def show_router(self, reply: str | None, candidates_by_route: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Show the router's raw reply when debugging."""
        if self._debug:
            log_note(f"raw reply: {reply!r}; routes: {', '.join(candidates_by_route)}")

    def show_decision(self, decision: Mapping[str, Any]) -> None:
        """Show the badge of a decision."""
        self.end_streams()
        print_line((f"[{badge(decision)}]", "dim"))
        sys.stdout.flush()
        self._has_badge = True
        status.begin(f"waiting for {decision['model']}")

    def show_token(self, text: str, reasoning: str) -> None:
        """Show a part of an answer, and on a terminal what the model thinks before it."""
        if reasoning and self._answer is None and is_terminal(sys.stdout):
            status.end()
            self._reasoning = self._reasoning or StreamedField(None, "dim")
            self._reasoning.write(reasoning)
        if not text:
            return
        status.end()
        self._end_reasoning()
        self._answer = self._answer or StreamedField(None)
        self._answer.write(text)
        self._is_shown = True

    def show_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Show that a model failed, before another one is called."""
        self.end_streams()
        if attempt["outcome"] != "answered":
            print_line((f"[{attempt['model']}: {attempt['outcome']} after {attempt['seconds']:.2f} s]", "red"))

    def show_record(self, route: str, model: str, file: str) -> None:
        """Show nothing: the badge names the model."""

    def end(self, result: Mapping[str, Any]) -> None:
        """Show what is only known at the end of a turn."""
        self.end_streams()
        if result["id"] and not self._has_badge:
            print_line((f"[{badge(result)}]", "dim"))
        if error := result["error"]:
            print_field("error", (error["kind"], "red"), f": {error['message']}")
            print_field("to do", error["hint"])
        elif result["answer"] and not result["artifacts"] and not self._is_shown:
            print_line(result["answer"])
        for artifact in result["artifacts"]:
            print_path("saved", artifact["path"], f" ({describe(artifact)})")
        if result["attempts"] and not result["error"]:
            last = result["attempts"][-1]
            facts = filter(None, (f"{last['seconds']:.2f} s", describe_cost(last)))
            print_line((f"[{', '.join(facts)}]", "dim"))
        sys.stdout.flush()

    def cancel(self) -> None:
        """Show that the turn was cancelled."""
        self.end_streams()
        print_line(("[cancelled; the conversation is as it was before]", "dim"))

    def _end_reasoning(self) -> None:
        if self._reasoning is not None:
            self._reasoning.close()
        self._reasoning = None

    def end_streams(self) -> None:
        """End what is being written."""
        status.end()
        self._end_reasoning()
        if self._answer is not None:
            self._answer.close()
        self._answer = None


def badge(decision: Mapping[str, Any]) -> str:
    """Return a decision in one line: route, model, provider, price, and why."""
    route = str(decision["route"] or "no route")
    if decision["confidence"] is not None:
        route = f"{route} {min(decision['confidence'], ALMOST_CERTAIN - 0.005):.0%}"
    parts = [route]
    if decision["model"]:
        model = decision["model"]
        if decision["provider"]:
            model = f"{model} through {decision['provider']}"
        parts.append(model)
    if decision.get("estimated_cost"):
        parts.append(f"about ${as_decimal(decision['estimated_cost'])}")
    if decision["reason"]:
        parts.append(shorten(printable(decision["reason"]), WHY, placeholder=" ..."))
    return " | ".join(parts)
