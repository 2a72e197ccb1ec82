"""`--history-export` and `--history-import`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from omni_router.cli.missing_policy import read_environment_and_warn
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError
from omni_router.history.protocol import History
from omni_router.history.transfer import Outcome, import_entries, read_entries, write_export
from omni_router.services.history import open_history


def run_export(ctx: click.Context, *, history_export: Path, as_json: bool, **_: Any) -> int:
    """Write everything that is known of the models to a file.

    Raises:
        ConfigurationError: the file cannot be written, or is the policy in use.
    """
    environment, path = read_environment_and_warn(ctx), history_export
    if path.resolve() == environment.route_config.resolve():
        raise ConfigurationError(f"the export would overwrite {path}, the policy in use; name another file")
    entries = write_export(_open_history(environment), path)
    models = sum(len(entry["models"]) for entry in entries)
    examples = sum(len(entry["learned"]) for entry in entries)
    if as_json:
        click.echo(json.dumps({"file": str(path), "models": models, "examples": examples}))
    else:
        click.echo(f"{models} models and {examples} examples written to {path}")
    return 0


def run_import(ctx: click.Context, *, history_import: Path, as_json: bool, **_: Any) -> int:
    """Add the history of such a file, or of a route_config.json.

    Raises:
        PolicyFileError: the file is neither.
    """
    environment = read_environment_and_warn(ctx, records=True)
    entries = read_entries(history_import)
    outcome = import_entries(_open_history(environment), entries)
    if as_json:
        click.echo(json.dumps({"file": str(history_import), **asdict(outcome)}))
    else:
        click.echo("\n".join(_describe(history_import, outcome)))
    return 0


def _describe(path: Path, outcome: Outcome) -> Iterator[str]:
    if outcome.passed_over:
        yield f"{outcome.passed_over} entries of {path} are not models, and were skipped"
    if outcome.not_taken:
        yield f"{outcome.not_taken} of {path} were not added: the policy lacks their route, or has no room for them"
    if outcome.changes:
        total = outcome.changes + outcome.already_here + outcome.not_taken
        yield f"{outcome.changes} of {total} models and examples of {path} were new or had higher counts"
    elif outcome.already_here:
        yield f"nothing new: all {outcome.already_here} models and examples of {path} are already here"
    else:
        yield f"nothing new: {path} holds nothing for a route of this policy"


def _open_history(environment: Environment) -> History:
    file = RouteFile(environment.route_config)
    file.document()
    return open_history(environment, file)
