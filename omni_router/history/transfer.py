"""History from one place to another: `--history-export` and `--history-import`."""

import argparse
import json
from pathlib import Path
from typing import Any

from omni_router.config.environment import Environment
from omni_router.config.policy import parse_document
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError, PolicyFileError
from omni_router.files import write_whole
from omni_router.history.fold import read_record
from omni_router.history.open import open_history
from omni_router.history.protocol import History
from omni_router.history.store_items import storable


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
    changes = _history(environment).lift(entries)
    odd = sum(read_record(model) is None for entry in entries for model in entry["models"])
    if args.json:
        print(json.dumps({"file": str(path), "changes": changes, "passed_over": odd}))
        return 0
    if odd:
        print(f"{odd} entries of {path} are no models, and were passed over")
    print(f"{changes} models and examples of {path} were new or had more to tell")
    return 0


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
