"""Move a history from one place to another: the file of an export, and what an import changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_router.config import routes
from omni_router.config.policy_text import parse_entries
from omni_router.config.records import read_records
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.history.protocol import History
from omni_router.history.usage import MAX_LEARNED_CHARACTERS, storable
from omni_router.storage.files import write_whole

Item = tuple[str, str, str]  # a route, "model" or "example", and which one


@dataclass(frozen=True)
class Outcome:
    """What happened to the models and examples of an import."""

    changes: int  # new here, or with higher counts than here
    already_here: int
    not_taken: int  # their route is not here, or has no room
    passed_over: int  # entries that are not models


def write_export(history: History, path: Path) -> list[dict[str, Any]]:
    """Write everything that is known about the models to a file, and return its entries.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    entries = history.export()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(storable(entries), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
    return entries


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Read the file of an export.

    Raises:
        PolicyFileError: the file is not an export.
    """
    try:
        document = routes.read_entries(parse_entries(path.read_text(encoding="utf-8-sig"), path))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(path, f"cannot be read: {error}") from error
    entries: list[dict[str, Any]] = []
    for entry in document.entries:
        models = entry.get("models")
        if not isinstance(models, list):
            models = []
        learned = document.learned[entry["name"].strip().casefold()]
        entries.append({"name": entry["name"], "models": models, "learned": learned})
    return entries


def import_entries(history: History, entries: Sequence[Mapping[str, Any]]) -> Outcome:
    """Add the entries of an export to a history, which keeps the higher of two counts."""
    changes = history.import_(entries)
    items, here = _items(entries), set(_items(history.export()))
    present = len([item for item in items if item in here])
    already_here = max(0, present - changes)  # entries that are here and did not change were here before
    return Outcome(changes, already_here, len(items) - max(present, changes), _count_malformed(entries))


def _count_malformed(entries: Sequence[Mapping[str, Any]]) -> int:
    """Return how many entries of `models` are not models."""
    malformed = 0
    for entry in entries:
        malformed += len(entry["models"]) - len(read_records(entry["models"]))
    return malformed


def _items(entries: Sequence[Mapping[str, Any]]) -> list[Item]:
    """List the models and examples of entries, each with its route."""
    items: list[Item] = []
    for entry in entries:
        route = str(entry["name"]).strip().casefold()
        items += [(route, "model", record["id"]) for record in read_records(entry["models"])]
        items += [(route, "example", text.strip()[:MAX_LEARNED_CHARACTERS]) for text in entry["learned"]]
    return items
