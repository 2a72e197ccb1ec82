"""`--why`: one decision of the log in plain words."""

import argparse
import json
from typing import Any

from omni_router.config.environment import Environment
from omni_router.console import field
from omni_router.decisions.log import DecisionLog
from omni_router.errors import ConfigurationError


def open_log(environment: Environment) -> DecisionLog:
    """Give the log of an environment.

    Raises:
        ConfigurationError: none is kept.
    """
    if environment.decision_log is None:
        raise ConfigurationError(
            "there is no decision log: --decision-log PATH or OMNI_DECISION_LOG keeps one of all later decisions"
        )
    return DecisionLog(environment.decision_log)


def tell_why(environment: Environment, args: argparse.Namespace) -> int:
    """Explain the last decision, or the one whose id begins with what was given."""
    entry = open_log(environment).find(args.why)
    if args.json:
        print(json.dumps(entry))
        return 0
    print(f"Decision {entry['id']} of {entry['time']}" + (f", thread {entry['thread']}" if entry["thread"] else ""))
    for name, text in _told(entry):
        field(name, text)
    return 0


def _told(entry: dict[str, Any]) -> list[tuple[str, str]]:
    told = [("asked", asked_words(entry)), ("route", _route(entry)), ("model", _model(entry))]
    told.append(("because", entry["reason"] or "no reason was given"))
    told += [("not", f"{over['model']} (from {over['source']}): {over['why']}") for over in entry["passed_over"]]
    for number, made in enumerate(entry["attempts"], 1):
        through = f" through {made['provider']}" if made["provider"] else ""
        partial = ", partial answer kept" if made["partial"] else ""
        told.append(
            (f"call {number}", f"{made['model']}{through}: {made['outcome']} in {made['seconds']:.2f} s{partial}")
        )
    if entry["error"]:
        told.append(("ended", f"without an answer: {entry['error']}"))
    elif not entry["attempts"]:
        told.append(("ended", "routed only; no model was called"))
    told.append(("offered", ", ".join(f"{route} ({len(line)})" for route, line in entry["candidates"].items())))
    told.append(("router", entry["reply"] if entry["reply"] is not None else "it failed on this request"))
    return told


def asked_words(entry: dict[str, Any]) -> str:
    """Give the newest request, or say that only its hash is kept."""
    if conversation := entry["asked"].get("conversation"):
        return str(next((turn["content"] for turn in reversed(conversation) if turn["role"] == "user"), ""))
    return f"(not kept; SHA-256 {entry['asked']['sha256'][:12]}…)"


def _route(entry: dict[str, Any]) -> str:
    sure = "" if entry["confidence"] is None else f", confidence {entry['confidence']:.2f}"
    return f"{entry['route'] or 'none could be read'}{sure}" + (f", task {entry['task']}" if entry["task"] else "")


def _model(entry: dict[str, Any]) -> str:
    if entry["model"] is None:
        return "none"
    through = f" through {entry['provider']}" if entry["provider"] else ""
    checked = "served for the task" if entry["verified"] else "not verified: the Hub could not be reached"
    return f"{entry['model']}{through}, from {entry['source']}, {checked}"
