"""`--why`: one decision of the log in plain words."""

import json
from collections.abc import Iterator
from typing import Any

import click

from omni_router.cli.console import print_field, print_line
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.costs import describe_cost
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
    title = f"Decision {entry['id']} of {entry['time']}"
    if entry["thread"]:
        title = f"{title}, thread {entry['thread']}"
    print_line(title)
    for name, text in _facts(entry):
        print_field(name, text)
    return 0


def newest_request(entry: dict[str, Any]) -> str:
    """Return the newest request of an entry, or a note that only its hash was logged."""
    if conversation := entry["asked"].get("conversation"):
        return newest_text(conversation)
    return f"(text not logged; SHA-256 {entry['asked']['sha256'][:12]}…)"


def newest_text(conversation: list[dict[str, Any]]) -> str:
    """Return what the user wrote last."""
    for turn in reversed(conversation):
        if turn["role"] == "user":
            return str(turn["content"])
    return ""


def _facts(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "asked", newest_request(entry)
    yield "route", _route(entry)
    yield "model", _model(entry)
    yield "because", entry["reason"] or "no reason was given"
    if reason := entry.get("provider_reason"):
        yield "provider", reason
    for rejected in entry["passed_over"]:
        yield "not", f"{rejected['model']} (from {rejected['source']}): {rejected['why']}"
    for number, attempt in enumerate(entry["attempts"], 1):
        yield f"call {number}", _attempt(attempt)
    if entry["error"]:
        yield "ended", f"without an answer: {entry['error']}"
    elif not entry["attempts"]:
        yield "ended", "routed only; no model was called"
    routes = [f"{route} ({len(models)})" for route, models in entry["candidates"].items()]
    yield "offered", ", ".join(routes)
    if entry["reply"] is None:
        yield "router", "it failed on this request"
    else:
        yield "router", entry["reply"]


def _route(entry: dict[str, Any]) -> str:
    facts = [entry["route"] or "none could be read"]
    if entry["confidence"] is not None:
        facts.append(f"confidence {entry['confidence']:.2f}")
    if entry["task"]:
        facts.append(f"task {entry['task']}")
    return ", ".join(facts)


def _model(entry: dict[str, Any]) -> str:
    if entry["model"] is None:
        return "none"
    verification = "not verified: the Hub could not be reached"
    if entry["verified"]:
        verification = "served for the task"
    return f"{_with_provider(entry)}, from {entry['source']}, {verification}"


def _attempt(attempt: dict[str, Any]) -> str:
    outcome = f"{attempt['outcome']} in {attempt['seconds']:.2f} s"
    if attempt["partial"]:
        outcome = f"{outcome}, partial answer kept"
    if cost := describe_cost(attempt):
        outcome = f"{outcome}, {cost}"
    return f"{_with_provider(attempt)}: {outcome}"


def _with_provider(call: dict[str, Any]) -> str:
    """Return the model of a decision or an attempt, and the provider if one is named."""
    if not call["provider"]:
        return str(call["model"])
    return f"{call['model']} through {call['provider']}"
