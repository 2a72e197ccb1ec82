"""What a run shows: for a person on stdout, or one JSON object a line."""

import json
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

from omni_router.config.environment import Environment
from omni_router.demo import Query

WIDTH = 100


class Console:
    """Prints queries and their results; notes go to stderr."""

    def __init__(self, *, as_json: bool, debug: bool) -> None:
        self._json, self._debug = as_json, debug

    def note(self, text: str) -> None:
        """Say something that is no result."""
        print(f"[router] {text}", file=sys.stderr)

    def begin(self, query: Query, number: int, of: int) -> None:
        """Show the query before anything slow happens."""
        if self._json:
            return
        print(f"\n{f'[{number}/{of}] ' if of > 1 else ''}{textwrap.shorten(query.prompt, WIDTH)}")
        if query.image:
            field("picture", textwrap.shorten(query.image, WIDTH))
        sys.stdout.flush()

    def follow(self, stream: Iterable[Any]) -> dict[str, Any]:
        """Show what happens while a run goes on, and give its final state."""
        result: dict[str, Any] = {}
        for mode, chunk in stream:
            if mode == "custom":
                self._event(chunk)
            elif mode == "values":
                result = chunk
            elif self._debug and "route_request" in chunk:
                self._router(chunk["route_request"])
        return result

    def end(self, query: Query, result: dict[str, Any]) -> None:
        """Show the result of a query."""
        from omni_router.summary import summarize  # langgraph comes with it; others only want `field`

        if self._json:
            print(
                json.dumps({"prompt": query.prompt, **summarize(result)}), flush=True
            )  # ASCII: whatever stdout can write
            return
        if result["decision"] and not result["decision"]["model"]:
            _decision(result["decision"])
        for made in result["attempts"]:
            field("attempt", f"{made['model']}: {made['outcome']} after {made['seconds']:.2f} s")
        if error := result["error"]:
            field("error", f"{error['kind']}: {error['message']}")
            field("to do", error["hint"])
        elif answer := summarize(result)["answer"]:
            field("answer", answer)
        for artifact in result["artifacts"]:
            field("saved", f"{artifact['path']} ({artifact['width']} x {artifact['height']})")
        if result["decision"]:
            field("id", result["decision"]["id"])
        sys.stdout.flush()  # notes go to stderr, and are to come after

    def close(self, environment: Environment) -> None:
        """Say at the end of a demo what was what."""
        if environment.sandbox:
            self.note("what was real: the router, the graph, the Hugging Face client, the history and the files.")
            self.note("what was the sandbox: the Hub's model list, its providers, and so every answer and picture.")
        self.note(f"history: {environment.route_config}   pictures: {environment.output_dir}")

    def _event(self, event: dict[str, Any]) -> None:
        if event["event"] == "decision" and not self._json:
            _decision(event["decision"])
        elif event["event"] == "recorded":
            line = f"[router] recorded model '{event['model']}' for route '{event['route']}' in {event['file']}"
            print(line, file=sys.stderr if self._json else sys.stdout, flush=True)

    def _router(self, update: dict[str, Any]) -> None:
        self.note(f"raw reply: {update['reply']!r}")
        for route, line in update["candidates"].items():
            self.note(f"candidates for {route}: {', '.join(candidate['model'] for candidate in line) or 'none'}")


def _decision(decision: dict[str, Any]) -> None:
    sure = "" if decision["confidence"] is None else f" (confidence {decision['confidence']:.2f})"
    field("route", f"{decision['route'] or 'none'}{sure}")
    field("model", f"{decision['model'] or 'none'}" + (f" (from {decision['source']})" if decision["source"] else ""))
    field("reason", decision["reason"])
    sys.stdout.flush()


def field(name: str, text: str) -> None:
    """Show one fact, its further lines below its first."""
    head, *rest = text.splitlines() or [""]
    indent = " " * 11
    print("\n".join([f"  {name:<8} {head}", *(f"{indent}{line}" for line in rest)]))
