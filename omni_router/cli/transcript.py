"""The output of a run: for a person on stdout as it happens, or one JSON object a line."""

import json
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from omni_router.hints import COMMAND
from omni_router.messages import reasoning_of

if TYPE_CHECKING:  # LangGraph comes with these
    from omni_router.events import AttemptEnded, DecisionMade, Finished, Recorded, RouterReplied, Token
    from omni_router.state import Decision


class Transcript:
    """Prints queries and their results; notes go to stderr."""

    def __init__(self, *, as_json: bool, debug: bool, policy: Path) -> None:
        self._json, self._debug = as_json, debug
        self._audience = replace(COMMAND, policy=str(policy))
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

    def end(self, query: Query, finished: "Finished") -> None:
        """Show what is only known at the end of a query."""
        status.end()
        result = finished.result.for_audience(self._audience)
        if self._json:
            click.echo(json.dumps({"prompt": query.prompt, **result.as_json()}))  # ASCII: whatever stdout can write
            return
        decision = finished.state["decision"]
        if decision and not result.model:
            _show_decision(decision)
        if result.error:
            print_field("error", (result.error["kind"], "red"), f": {result.error['message']}")
            print_field("to do", result.error["hint"])
        elif result.answer and not self._answers:  # the specialist did not stream
            print_field("answer", result.answer)
        for artifact in result.artifacts:
            print_path("saved", artifact["path"], f" ({describe(artifact)})")
        if result.id:
            print_field("id", result.id)
        sys.stdout.flush()  # notes go to stderr, and must come after it

    def close(self, environment: Environment) -> None:
        """Print at the end of a demo what was real."""
        if environment.sandbox:
            log_note("real: the router, the graph, the Hugging Face client, the history and the files.")
            log_note("simulated: the model list of the Hub, its providers, and therefore all answers and images.")
        log_note(f"history: {environment.route_config}   images: {environment.output_dir}")

    def show_router(self, event: "RouterReplied") -> None:
        """Show the router's raw reply, and the candidates of each route, when debugging."""
        if not self._debug:
            return
        log_note(f"raw reply: {event.reply!r}")
        for route, candidates in event.candidates.items():
            models = ", ".join(candidate["model"] for candidate in candidates)
            log_note(f"candidates for {route}: {models or 'none'}")

    def show_decision(self, event: "DecisionMade") -> None:
        """Show a decision, and that its model is called."""
        status.end()
        if not self._json:
            _show_decision(event.decision)
            self.wait(f"waiting for {event.decision['model']}")

    def show_token(self, event: "Token") -> None:
        """Show a part of an answer, and on a terminal what the model thinks before it."""
        self._show_reasoning(reasoning_of(event.message))
        if not event.text:
            return
        status.end()
        self._end_reasoning()
        if self._answer is None:
            self._answer = StreamedField("answer")
            self._answers += 1
        self._answer.write(event.text)

    def _show_reasoning(self, text: str) -> None:
        if not text or self._answer is not None or not is_terminal(sys.stdout):
            return
        status.end()
        if self._reasoning is None:
            self._reasoning = StreamedField("thinks", "dim")
        self._reasoning.write(text)

    def show_attempt(self, event: "AttemptEnded") -> None:
        """Show how a call of a model ended."""
        if self._json:
            return
        self._end_answer()
        attempt = event.attempt
        outcome: Part = (attempt["outcome"], "red")
        if attempt["outcome"] == "answered":
            outcome = ("answered", "green")
        facts = ", ".join(filter(None, (f" after {attempt['seconds']:.2f} s", describe_cost(attempt))))
        print_field("attempt", f"{attempt['model']}: ", outcome, facts)
        sys.stdout.flush()

    def show_record(self, event: "Recorded") -> None:
        """Show where the use of a model was stored."""
        status.end()
        self._end_answer()
        line = f"[router] recorded model '{event.model}' for route '{event.route}' in {event.file}"
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


def _show_decision(decision: "Decision") -> None:
    confidence, source = "", ""
    if decision["confidence"] is not None:
        confidence = f" (confidence {decision['confidence']:.2f})"
    if decision["source"]:
        source = f" (from {decision['source']})"
    print_field("route", (decision["route"] or "none", "bold"), confidence)
    print_field("model", (decision["model"] or "none", "bold"), source)
    print_field("reason", decision["reason"])
    sys.stdout.flush()
