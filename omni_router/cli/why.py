"""`--why`: one decision of the log in plain words."""

import json
from collections.abc import Iterator
from typing import Any

import click

from omni_router.cli.console import print_field, print_line
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.services import open_decision_log


def run(ctx: click.Context, *, why: str, as_json: bool, **_: Any) -> int:
    """Explain the last decision, or the one whose id begins with `why`.

    Raises:
        ConfigurationError: there is no log, or not one such decision in it.
    """
    entry = open_decision_log(read_environment_and_warn(ctx)).find(why)
    if as_json:
        click.echo(json.dumps(entry))
        return 0
    print_line(
        f"Decision {entry['id']} of {entry['time']}" + (f", thread {entry['thread']}" if entry["thread"] else "")
    )
    for name, text in _facts(entry):
        print_field(name, text)
    return 0


def newest_request(entry: dict[str, Any]) -> str:
    """Return the newest request of an entry, or that only its hash is kept."""
    if conversation := entry["asked"].get("conversation"):
        return newest_text(conversation)
    return f"(not kept; SHA-256 {entry['asked']['sha256'][:12]}…)"


def newest_text(conversation: list[dict[str, Any]]) -> str:
    """Return what the user wrote last."""
    requests = [str(turn["content"]) for turn in conversation if turn["role"] == "user"]
    return requests[-1] if requests else ""


def _facts(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "asked", newest_request(entry)
    yield "route", _route(entry)
    yield "model", _model(entry)
    yield "because", entry["reason"] or "no reason was given"
    for rejected in entry["passed_over"]:
        yield "not", f"{rejected['model']} (from {rejected['source']}): {rejected['why']}"
    for number, attempt in enumerate(entry["attempts"], 1):
        through = f" through {attempt['provider']}" if attempt["provider"] else ""
        partial = ", partial answer kept" if attempt["partial"] else ""
        outcome = f"{attempt['outcome']} in {attempt['seconds']:.2f} s{partial}"
        yield f"call {number}", f"{attempt['model']}{through}: {outcome}"
    if entry["error"]:
        yield "ended", f"without an answer: {entry['error']}"
    elif not entry["attempts"]:
        yield "ended", "routed only; no model was called"
    yield "offered", ", ".join(f"{route} ({len(models)})" for route, models in entry["candidates"].items())
    yield "router", entry["reply"] if entry["reply"] is not None else "it failed on this request"


def _route(entry: dict[str, Any]) -> str:
    sure = "" if entry["confidence"] is None else f", confidence {entry['confidence']:.2f}"
    return f"{entry['route'] or 'none could be read'}{sure}" + (f", task {entry['task']}" if entry["task"] else "")


def _model(entry: dict[str, Any]) -> str:
    if entry["model"] is None:
        return "none"
    through = f" through {entry['provider']}" if entry["provider"] else ""
    checked = "served for the task" if entry["verified"] else "not verified: the Hub could not be reached"
    return f"{entry['model']}{through}, from {entry['source']}, {checked}"
