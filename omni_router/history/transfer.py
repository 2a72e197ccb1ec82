"""History from one place to another."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_router.config.routes import parse_document
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.history.protocol import History
from omni_router.history.store_items import storable
from omni_router.history.usage import MAX_LEARNED_CHARACTERS, read_record
from omni_router.storage.files import write_whole


def write_export(history: History, path: Path) -> list[dict[str, Any]]:
    """Write everything that is known of the models to a file, and return its entries.

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


def import_entries(history: History, entries: list[dict[str, Any]]) -> "Outcome":
    """Add the entries of an export to a history; of each count the higher one holds."""
    changes = history.lift(entries)
    return _outcome(entries, history.export(), changes)


@dataclass(frozen=True)
class Outcome:
    """What happened to the models and examples of an import."""

    changes: int  # new here, or with higher counts than here
    already_here: int
    not_taken: int  # their route is not here, or has no room
    passed_over: int  # entries that are not models


def _outcome(entries: Sequence[Mapping[str, Any]], export: Sequence[Mapping[str, Any]], changes: int) -> Outcome:
    """Compare what was given with what is here afterwards; what is here and did not change was here before."""
    given, here = _items(entries), {*_items(export)}
    present = sum(item in here for item in given)
    odd = sum(read_record(model) is None for entry in entries for model in entry["models"])
    return Outcome(changes, max(0, present - changes), len(given) - max(present, changes), odd)


def _items(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """List the models and examples of entries, each with its route."""
    items = []
    for entry in entries:
        route = str(entry["name"]).strip().casefold()
        records = [record for model in entry["models"] if (record := read_record(model))]
        items += [(route, "model", record["id"]) for record in records]
        items += [(route, "example", text.strip()[:MAX_LEARNED_CHARACTERS]) for text in entry["learned"]]
    return items


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Read the file of an export.

    Raises:
        PolicyFileError: it is none.
    """
    try:
        document = parse_document(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(path, f"cannot be read: {error}") from error
    return [
        {
            "name": entry["name"],
            "models": models if isinstance(models := entry.get("models", []), list) else [],
            "learned": document.learned[entry["name"].strip().casefold()],
        }
        for entry in document.entries
    ]
