"""The output of a run: for a person on stdout as it happens, or one JSON object a line.

Everything comes as plain values, so that a run of a server, for which LangGraph is not loaded, is shown alike.
"""

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import click

from omni_router.artifacts import describe
from omni_router.cli.console import (
    WIDTH,
    Part,
    StreamedField,
    console,
    is_terminal,
    log_note,
    print_field,
    print_line,
    print_path,
    printable,
    status,
)
from omni_router.cli.demo import Query
from omni_router.config.environment import Environment
from omni_router.costs import describe_cost


class View(Protocol):
    """What shows a run as it happens."""

    def show_router(self, reply: str | None, candidates_by_route: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Show that the router has replied."""
        ...

    def show_decision(self, decision: Mapping[str, Any]) -> None:
        """Show that a model is called."""
        ...

    def show_token(self, text: str, reasoning: str) -> None:
        """Show a part of an answer, or of the reasoning before it."""
        ...

    def show_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Show how a call of a model ended."""
        ...

    def show_record(self, route: str, model: str, file: str) -> None:
        """Show where the use of a model was stored."""
        ...


class Transcript:
    """Prints queries and their results; notes go to stderr."""

    def __init__(self, *, as_json: bool, debug: bool = False) -> None:
        self._json, self._debug = as_json, debug
        self._answer: StreamedField | None = None  # the answer being written
        self._reasoning: StreamedField | None = None  # what the model thinks before it
        self._answers = 0  # how many were shown for this query

    @property
    def shows_tokens(self) -> bool:
        """Whether an answer is shown as it comes."""
        return not self._json

    def wait(self, what: str) -> None:
        """Show on a status line what takes long."""
        status.begin(what)

    def warn_of_unread_stdin(self, *, unread: bool) -> None:
        """Print how stdin is read, if something was piped in unread."""
        if unread and is_terminal(sys.stderr):
            log_note("stdin was not read; put a - after the prompt to add what is piped in below it.")

    def begin(self, query: Query, number: int, count: int) -> None:
        """Show the query before anything slow happens."""
        status.end()
        self._answers = 0
        if self._json:
            return
        title = textwrap.shorten(printable(query.prompt), min(console().width, WIDTH))
        heading = "\n"
        if count > 1:
            heading = f"\n[{number}/{count}] "
        print_line(heading, (title, "bold"))
        if query.image:
            where = query.image
            if where.startswith("data:"):
                where = "from stdin"
            print_field("image", textwrap.shorten(where, WIDTH))
        sys.stdout.flush()
        self.wait("loading the router, choosing a route and a model")

    def end(self, query: Query, result: Mapping[str, Any]) -> None:
        """Show what is only known at the end of a query; `result` is a `RunResult` as JSON."""
        status.end()
        if self._json:
            click.echo(json.dumps({"prompt": query.prompt, **result}))  # ASCII: whatever stdout can write
            return
        self._end_answer()
        if result["id"] and not result["model"]:
            _show_decision(result)
        if error := result["error"]:
            print_field("error", (error["kind"], "red"), f": {error['message']}")
            print_field("to do", error["hint"])
        elif result["answer"] and not self._answers:  # the specialist did not stream
            print_field("answer", result["answer"])
        for artifact in result["artifacts"]:
            print_path("saved", artifact["path"], f" ({describe(artifact)})")
        if result["id"]:
            print_field("id", result["id"])
        sys.stdout.flush()  # notes go to stderr, and must come after it

    def close(self, environment: Environment) -> None:
        """Print at the end of a demo what was real."""
        if environment.sandbox:
            log_note("real: the router, the graph, the Hugging Face client, the history and the files.")
            log_note("simulated: the model list of the Hub, its providers, and therefore all answers and images.")
        log_note(f"history: {environment.route_config}   images: {environment.output_dir}")

    def show_router(self, reply: str | None, candidates_by_route: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Show the router's raw reply, and the candidates of each route, when debugging."""
        if not self._debug:
            return
        log_note(f"raw reply: {reply!r}")
        for route, candidates in candidates_by_route.items():
            models = ", ".join(candidate["model"] for candidate in candidates)
            log_note(f"candidates for {route}: {models or 'none'}")

    def show_decision(self, decision: Mapping[str, Any]) -> None:
        """Show a decision, and that its model is called."""
        status.end()
        if not self._json:
            _show_decision(decision)
            self.wait(f"waiting for {decision['model']}")

    def show_token(self, text: str, reasoning: str) -> None:
        """Show a part of an answer, and on a terminal what the model thinks before it."""
        self._show_reasoning(reasoning)
        if not text:
            return
        status.end()
        self._end_reasoning()
        if self._answer is None:
            self._answer = StreamedField("answer")
            self._answers += 1
        self._answer.write(text)

    def _show_reasoning(self, text: str) -> None:
        if not text or self._answer is not None or not is_terminal(sys.stdout):
            return
        status.end()
        if self._reasoning is None:
            self._reasoning = StreamedField("thinks", "dim")
        self._reasoning.write(text)

    def show_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Show how a call of a model ended."""
        if self._json:
            return
        self._end_answer()
        outcome: Part = (attempt["outcome"], "red")
        if attempt["outcome"] == "answered":
            outcome = ("answered", "green")
        facts = ", ".join(filter(None, (f" after {attempt['seconds']:.2f} s", describe_cost(attempt))))
        print_field("attempt", f"{attempt['model']}: ", outcome, facts)
        sys.stdout.flush()

    def show_record(self, route: str, model: str, file: str) -> None:
        """Show where the use of a model was stored."""
        status.end()
        self._end_answer()
        line = f"[router] recorded model '{model}' for route '{route}' in {file}"
        if self._json:
            click.echo(line, err=True)
        else:
            print_line((line, "dim"))
            sys.stdout.flush()

    def _end_reasoning(self) -> None:
        if self._reasoning is not None:
            self._reasoning.close()
        self._reasoning = None

    def _end_answer(self) -> None:
        self._end_reasoning()
        if self._answer is not None:
            self._answer.close()
        self._answer = None


def _show_decision(decision: Mapping[str, Any]) -> None:
    confidence, source = "", ""
    if decision["confidence"] is not None:
        confidence = f" (confidence {decision['confidence']:.2f})"
    if decision["source"]:
        source = f" (from {decision['source']})"
    print_field("route", (decision["route"] or "none", "bold"), confidence)
    print_field("model", (decision["model"] or "none", "bold"), source)
    print_field("reason", decision["reason"])
    sys.stdout.flush()
