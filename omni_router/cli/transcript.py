"""What is shown of a run: for a person on stdout as it happens, or one JSON object a line."""

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from omni_router.errors import for_audience
from omni_router.hints import COMMAND
from omni_router.tasks import task_of


class Transcript:
    """Prints queries and their results; notes go to stderr."""

    def __init__(self, *, as_json: bool, debug: bool, policy: Path) -> None:
        self._json, self._debug = as_json, debug
        self._audience = replace(COMMAND, policy=str(policy))
        self._answer: StreamedField | None = None  # the one that is being written
        self._attempts = self._answers = 0  # shown of this query

    @property
    def more_modes(self) -> list[str]:
        """The stream modes needed for tokens and for the router's reply."""
        return [*([] if self._json else ["messages"]), *(["updates"] if self._debug else [])]

    def wait(self, what: str) -> None:
        """Name what takes long."""
        status.begin(what)

    def warn_of_unread_stdin(self, *, unread: bool) -> None:
        """Print how stdin is read to a person who piped something in."""
        if unread and is_terminal(sys.stderr):
            log_note("stdin was not read; put a - after the prompt to add what is piped in below it.")

    def begin(self, query: Query, number: int, count: int) -> None:
        """Show the query before anything slow happens."""
        status.end()
        self._attempts = self._answers = 0
        if self._json:
            return
        title = textwrap.shorten(printable(query.prompt), min(console().width, WIDTH))
        print_line(f"\n[{number}/{count}] " if count > 1 else "\n", (title, "bold"))
        if query.image:
            where = "from stdin" if query.image.startswith("data:") else query.image
            print_field("image", textwrap.shorten(where, WIDTH))
        sys.stdout.flush()
        self.wait("loading the router, choosing a route and a model")

    def end(self, query: Query, result: dict[str, Any]) -> None:
        """Show what is only known at the end of a query."""
        from omni_router.events import summarize  # LangGraph comes with it

        status.end()
        summary = summarize(result)
        if summary["error"]:
            summary["error"] = for_audience(summary["error"], self._audience)
        if self._json:
            click.echo(json.dumps({"prompt": query.prompt, **summary}))  # ASCII: whatever stdout can write
            return
        if result["decision"] and not result["decision"]["model"]:
            _show_decision(result["decision"])
        if error := summary["error"]:
            print_field("error", (error["kind"], "red"), f": {error['message']}")
            print_field("to do", error["hint"])
        elif summary["answer"] and not self._answers:  # whatever answered did not stream
            print_field("answer", summary["answer"])
        for artifact in result["artifacts"]:
            print_path("saved", artifact["path"], f" ({describe(artifact)})")
        if result["decision"]:
            print_field("id", result["decision"]["id"])
        sys.stdout.flush()  # notes go to stderr, and are to come after

    def close(self, environment: Environment) -> None:
        """Print at the end of a demo what was real."""
        if environment.sandbox:
            log_note("real: the router, the graph, the Hugging Face client, the history and the files.")
            log_note("simulated: the model list of the Hub, its providers, and therefore all answers and images.")
        log_note(f"history: {environment.route_config}   images: {environment.output_dir}")

    def show_event(self, event: dict[str, Any]) -> None:
        """Show a decision, or a record in the history."""
        status.end()
        if event["event"] == "decision" and not self._json:
            _show_decision(event["decision"])
            self.wait(f"waiting for {event['decision']['model']}")
        elif event["event"] == "recorded":
            self._end_answer()
            line = f"[router] recorded model '{event['model']}' for route '{event['route']}' in {event['file']}"
            if self._json:
                click.echo(line, err=True)
            else:
                print_line((line, "dim"))
                sys.stdout.flush()

    def show_token(self, message: Any, metadata: dict[str, Any]) -> None:
        """Show a piece of an answer; an explanation is shown as the error that it explains."""
        text = str(message.text)
        if task_of(metadata.get("langgraph_node")) is None or not text:
            return
        status.end()
        if self._answer is None:
            self._answer = StreamedField("answer")
            self._answers += 1
        self._answer.write(text)

    def show_attempts(self, attempts: Sequence[dict[str, Any]]) -> None:
        """Show the attempts that are new."""
        if self._json:
            return
        for attempt in attempts[self._attempts :]:
            self._end_answer()
            outcome: Part = (attempt["outcome"], "green" if attempt["outcome"] == "answered" else "red")
            print_field("attempt", f"{attempt['model']}: ", outcome, f" after {attempt['seconds']:.2f} s")
            sys.stdout.flush()
        self._attempts = len(attempts)

    def show_router(self, update: dict[str, Any]) -> None:
        """Show the router's raw reply, and the candidates of each route."""
        log_note(f"raw reply: {update['reply']!r}")
        for route, line in update["candidates"].items():
            log_note(f"candidates for {route}: {', '.join(candidate['model'] for candidate in line) or 'none'}")

    def _end_answer(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer = None


def _show_decision(decision: dict[str, Any]) -> None:
    sure = "" if decision["confidence"] is None else f" (confidence {decision['confidence']:.2f})"
    print_field("route", (decision["route"] or "none", "bold"), sure)
    source = f" (from {decision['source']})" if decision["source"] else ""
    print_field("model", (decision["model"] or "none", "bold"), source)
    print_field("reason", decision["reason"])
    sys.stdout.flush()
