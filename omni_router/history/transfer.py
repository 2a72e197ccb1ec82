"""History from one place to another: `--history-export` and `--history-import`."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import parse_document
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.history.protocol import History
from omni_router.history.store_items import storable
from omni_router.history.usage import MAX_LEARNED_CHARACTERS, read_record
from omni_router.services.history import open_history
from omni_router.storage.files import write_whole


def export_history(environment: Environment, args: argparse.Namespace) -> int:
    """Write everything that is known of the models to a file."""
    path: Path = args.history_export
    if path.resolve() == environment.route_config.resolve():
        raise ConfigurationError(f"the export would overwrite {path}, the policy in use; name another file")
    entries = _history(environment).export()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(storable(entries), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
    models = sum(len(entry["models"]) for entry in entries)
    examples = sum(len(entry["learned"]) for entry in entries)
    if args.json:
        print(json.dumps({"file": str(path), "models": models, "examples": examples}))
    else:
        print(f"{models} models and {examples} examples written to {path}")
    return 0


def import_history(environment: Environment, args: argparse.Namespace) -> int:
    """Take in such a file, or the history of a route_config.json; of each count the higher one holds."""
    path: Path = args.history_import
    entries = read_entries(path)
    history = _history(environment)
    changes = history.lift(entries)
    outcome = _outcome(entries, history.export(), changes)
    if args.json:
        print(json.dumps({"file": str(path), **asdict(outcome)}))
    else:
        print("\n".join(_lines(path, outcome)))
    return 0


@dataclass(frozen=True)
class _Outcome:
    """What became of the models and examples of an import."""

    changes: int  # new here, or with higher counts than here
    already_here: int
    not_taken: int  # their route is not here, or has no room
    passed_over: int  # entries that are not models


def _outcome(entries: Sequence[Mapping[str, Any]], export: Sequence[Mapping[str, Any]], changes: int) -> _Outcome:
    """Compare what was given with what is here afterwards; what is here and did not change was here before."""
    given, here = _items(entries), {*_items(export)}
    present = sum(item in here for item in given)
    odd = sum(read_record(model) is None for entry in entries for model in entry["models"])
    return _Outcome(changes, max(0, present - changes), len(given) - max(present, changes), odd)


def _items(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """List the models and examples of entries, each with its route."""
    items = []
    for entry in entries:
        route = str(entry["name"]).strip().casefold()
        records = [record for model in entry["models"] if (record := read_record(model))]
        items += [(route, "model", record["id"]) for record in records]
        items += [(route, "example", text.strip()[:MAX_LEARNED_CHARACTERS]) for text in entry["learned"]]
    return items


def _lines(path: Path, outcome: _Outcome) -> Iterator[str]:
    if outcome.passed_over:
        yield f"{outcome.passed_over} entries of {path} are not models, and were passed over"
    if outcome.not_taken:
        yield f"{outcome.not_taken} of {path} were not taken: the policy lacks their route, or it has no room"
    if outcome.changes:
        total = outcome.changes + outcome.already_here + outcome.not_taken
        yield f"{outcome.changes} of {total} models and examples of {path} were new or had more to tell"
    elif outcome.already_here:
        yield f"nothing new: all {outcome.already_here} models and examples of {path} are already here"
    else:
        yield f"nothing new: {path} holds nothing for a route of this policy"


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


def _history(environment: Environment) -> History:
    file = RouteFile(environment.route_config)
    file.document()
    return open_history(environment, file)
