"""`--why`: one decision of the log in plain words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from omni_router.cli.console import print_field, print_line
from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.costs import describe_cost
from omni_router.decisions.feedback import newest_text
from omni_router.decisions.signals import describe_signals


def run(ctx: click.Context, *, why: str, as_json: bool, **_: Any) -> int:
    """Explain the last decision, or the one whose id begins with `why`.

    Raises:
        ConfigurationError: there is no log, or not one such decision in it.
    """
    from omni_router.services import open_decision_log

    log = open_decision_log(read_environment_and_warn(ctx))
    entry = log.find(why)
    if as_json:
        click.echo(json.dumps(entry))
    else:
        print_decision(entry, log.doubts_about(entry["id"]))
    return 0


def print_decision(entry: Mapping[str, Any], doubts: Iterable[Mapping[str, Any]]) -> None:
    """Print the entry of a decision, and what later decisions say of its answer."""
    title = f"Decision {entry['id']} of {entry['time']}"
    if entry["thread"]:
        title = f"{title}, thread {entry['thread']}"
    print_line(title)
    for name, text in _facts(entry):
        print_field(name, text)
    for later in doubts:
        print_field("doubt", f"{describe_signals(later['doubt']['signals'])} (said by decision {later['id']})")


def newest_request(entry: Mapping[str, Any]) -> str:
    """Return the newest request of an entry, or a note that only its hash was logged."""
    if conversation := entry["asked"].get("conversation"):
        return newest_text(conversation)
    return f"(text not logged; SHA-256 {entry['asked']['sha256'][:12]}…)"


def _facts(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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
    if doubt := entry.get("doubt"):
        signals = describe_signals(doubt["signals"])
        yield "before", f"{doubt['model']} answered in decision {doubt['decision']}; {signals}"
    if entry["error"]:
        yield "ended", f"without an answer: {entry['error']}"
    elif not entry["attempts"]:
        yield "ended", "routed only; no model was called"
    routes = [f"{route} ({len(models)})" for route, models in entry["candidates"].items()]
    yield "offered", ", ".join(routes)
    yield "router", _reply(entry)


def _reply(entry: Mapping[str, Any]) -> str:
    if entry["reply"] is not None:
        return str(entry["reply"])
    if entry.get("settled"):
        return "not asked"
    return "it failed on this request"


def _route(entry: Mapping[str, Any]) -> str:
    facts = [entry["route"] or "none could be read"]
    if entry["confidence"] is not None:
        facts.append(f"confidence {entry['confidence']:.2f}")
    if entry["task"]:
        facts.append(f"task {entry['task']}")
    return ", ".join(facts)


def _model(entry: Mapping[str, Any]) -> str:
    if entry["model"] is None:
        return "none"
    verification = "not verified: the Hub could not be reached"
    if entry["verified"]:
        verification = "served for the task"
    return f"{_with_provider(entry)}, from {entry['source']}, {verification}"


def _attempt(attempt: Mapping[str, Any]) -> str:
    outcome = f"{attempt['outcome']} in {attempt['seconds']:.2f} s"
    if attempt["partial"]:
        outcome = f"{outcome}, partial answer kept"
    if signals := attempt.get("signals"):
        outcome = f"{outcome}, which counts against it: {describe_signals(signals)}"
    if cost := describe_cost(attempt):
        outcome = f"{outcome}, {cost}"
    return f"{_with_provider(attempt)}: {outcome}"


def _with_provider(call: Mapping[str, Any]) -> str:
    """Return the model of a decision or an attempt, and the provider if one is named."""
    if not call["provider"]:
        return str(call["model"])
    return f"{call['model']} through {call['provider']}"
