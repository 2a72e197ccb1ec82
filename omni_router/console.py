"""What a run shows: for a person on stdout as it happens, or one JSON object a line."""

import json
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router.artifacts import describe
from omni_router.config.environment import Environment
from omni_router.demo import Query
from omni_router.errors import for_audience
from omni_router.flow import Flow
from omni_router.hints import COMMAND
from omni_router.preview import preview
from omni_router.tasks import SPECIALISTS
from omni_router.terminal import WIDTH, Style, draws_pictures, line_width, paint, printable
from omni_router.waiting import waiting

if TYPE_CHECKING:
    from langgraph.types import StreamMode

INDENT = 11  # of the text beside a label


class Console:
    """Prints queries and their results; notes go to stderr."""

    def __init__(self, *, as_json: bool, debug: bool, policy: Path) -> None:
        self._json, self._debug = as_json, debug
        self._audience = replace(COMMAND, policy=str(policy))
        self._answer: Flow | None = None  # the one that is being written
        self._attempts = self._answers = 0  # shown of this query

    @property
    def modes(self) -> "list[StreamMode]":
        """The stream modes that `follow` needs."""
        modes: list[StreamMode] = ["custom", "values"]
        if not self._json:
            modes.append("messages")
        if self._debug:
            modes.append("updates")
        return modes

    def note(self, text: str) -> None:
        """Say something that is no result."""
        waiting.end()
        print(f"[router] {text}", file=sys.stderr)

    def begin(self, query: Query, number: int, of: int) -> None:
        """Show the query before anything slow happens."""
        waiting.end()
        self._attempts = self._answers = 0
        if self._json:
            return
        title = textwrap.shorten(printable(query.prompt), line_width() or WIDTH)
        print(f"\n{f'[{number}/{of}] ' if of > 1 else ''}{paint(title, 'bold')}")
        if query.image:
            field("picture", textwrap.shorten(_told(query.image), WIDTH))
        sys.stdout.flush()
        waiting.begin("loading the router, choosing a route and a model")

    def follow(self, stream: Iterable[Any]) -> dict[str, Any]:
        """Show what happens while a run goes on, and give its final state."""
        result: dict[str, Any] = {}
        for mode, chunk in stream:
            if mode == "custom":
                self._event(chunk)
            elif mode == "messages":
                self._piece(*chunk)
            elif mode == "values":
                result = chunk
                self._made(chunk.get("attempts") or [])
            elif "route_request" in chunk:
                self._router(chunk["route_request"])
        return result

    def end(self, query: Query, result: dict[str, Any]) -> None:
        """Show what only the end of a query tells."""
        from omni_router.events import summarize  # langgraph comes with it; others only want `field`

        waiting.end()
        summary = summarize(result)
        if summary["error"]:
            summary["error"] = for_audience(summary["error"], self._audience)
        if self._json:
            print(json.dumps({"prompt": query.prompt, **summary}), flush=True)  # ASCII: whatever stdout can write
            return
        if result["decision"] and not result["decision"]["model"]:
            _decision(result["decision"])
        if error := summary["error"]:
            field("error", (error["kind"], "bad"), f": {error['message']}")
            field("to do", error["hint"])
        elif summary["answer"] and not self._answers:  # whatever answered did not stream
            field("answer", summary["answer"])
        for artifact in result["artifacts"]:
            _artifact(artifact["path"], describe(artifact))
        if result["decision"]:
            field("id", result["decision"]["id"])
        sys.stdout.flush()  # notes go to stderr, and are to come after

    def close(self, environment: Environment) -> None:
        """Say at the end of a demo what was what."""
        if environment.sandbox:
            self.note("real: the router, the graph, the Hugging Face client, the history and the files.")
            self.note("simulated: the model list of the Hub, its providers, and therefore all answers and images.")
        self.note(f"history: {environment.route_config}   images: {environment.output_dir}")

    def _event(self, event: dict[str, Any]) -> None:
        waiting.end()
        if event["event"] == "decision" and not self._json:
            _decision(event["decision"])
            waiting.begin(f"waiting for {event['decision']['model']}")
        elif event["event"] == "recorded":
            self._end_answer()
            line = f"[router] recorded model '{event['model']}' for route '{event['route']}' in {event['file']}"
            print(line if self._json else paint(line, "dim"), file=sys.stderr if self._json else sys.stdout, flush=True)

    def _piece(self, message: Any, metadata: dict[str, Any]) -> None:
        """Show a piece of an answer; an explanation is shown as the error that it tells."""
        text = str(message.text)
        if metadata.get("langgraph_node") not in SPECIALISTS or not text:
            return
        waiting.end()
        if self._answer is None:
            self._answer = _open("answer")
            self._answers += 1
        self._answer.write(text)

    def _end_answer(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer = None

    def _made(self, attempts: list[dict[str, Any]]) -> None:
        """Show the attempts that were made since."""
        if self._json:
            return
        for made in attempts[self._attempts :]:
            waiting.end()
            self._end_answer()
            outcome: tuple[str, Style] = (made["outcome"], "good" if made["outcome"] == "answered" else "bad")
            field("attempt", f"{made['model']}: ", outcome, f" after {made['seconds']:.2f} s")
            sys.stdout.flush()
        self._attempts = len(attempts)

    def _router(self, update: dict[str, Any]) -> None:
        self.note(f"raw reply: {update['reply']!r}")
        for route, line in update["candidates"].items():
            self.note(f"candidates for {route}: {', '.join(candidate['model'] for candidate in line) or 'none'}")


def _told(image: str) -> str:
    return "from stdin" if image.startswith("data:") else image


def _decision(decision: dict[str, Any]) -> None:
    sure = "" if decision["confidence"] is None else f" (confidence {decision['confidence']:.2f})"
    field("route", (decision["route"] or "none", "bold"), sure)
    source = f" (from {decision['source']})" if decision["source"] else ""
    field("model", (decision["model"] or "none", "bold"), source)
    field("reason", decision["reason"])
    sys.stdout.flush()


def _artifact(path: str, description: str) -> None:
    """Show where a file is, and, on a terminal that can, the image in it."""
    field("saved", f"{path} ({description})", whole=True)
    if draws_pictures(sys.stdout) and (sys.stdout.encoding or "").lower().startswith("utf"):
        for line in preview(Path(path), (line_width() or WIDTH) - INDENT):
            print(f"{' ' * INDENT}{line}")


def field(name: str, *parts: str | tuple[str, Style], whole: bool = False) -> None:
    """Show one fact, its further lines below its first; `whole` keeps a path in one piece."""
    flow = _open(name, whole=whole)
    for part in parts:
        flow.write(*([part] if isinstance(part, str) else part))
    flow.close()


def _open(name: str, *, whole: bool = False) -> Flow:
    sys.stdout.write(f"  {paint(f'{name:<8}', 'dim')} ")
    return Flow(sys.stdout, indent=INDENT, width=None if whole else line_width())
