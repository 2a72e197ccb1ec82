"""`omni-router new-key`: add a user of /v1 to a file, and print the key, of which the file keeps only the hash."""

import json
import secrets
from pathlib import Path
from typing import Any

import click

from omni_router.cli import options
from omni_router.cli.console import note
from omni_router.cli.options import option
from omni_router.cli.parser import Command
from omni_router.cli.validators import PATH
from omni_router.config.environment import read_variable
from omni_router.errors import ConfigurationError

PRIVATE = 0o600
KEY_BYTES = 32

EXAMPLES = """\
The key is printed once, on stdout, and is stored nowhere: the file has only its SHA-256. A running
server reads the file again when it has changed. To take a key away, delete its entry.

examples:
  omni-router new-key ada --file users.json --rate 60/minute --budget 5/day
  OMNI_USERS=users.json HF_TOKEN=hf_... omni-router serve --host 0.0.0.0
        serve other machines; each user sends a key of their own

exit status: 0 added, 2 something to correct first
"""


@click.command("new-key", cls=Command, help="Add a user of /v1 with a key, a rate and a budget.", epilog=EXAMPLES)
@options.all_of(
    click.argument("name", metavar="NAME"),
    option("--file", type=PATH, section="server", metavar="FILE", help="the file of users (OMNI_USERS)"),
    option(
        "--rate", section="server", metavar="RATE", help="requests a second, minute, hour or day: 60/minute (no limit)"
    ),
    option("--budget", section="server", metavar="BUDGET", help="US dollars a day: 5/day (no limit)"),
)
def command(*, name: str, file: Path | None, rate: str | None, budget: str | None, **_: Any) -> int:
    """Add the user, and print the key.

    Raises:
        ConfigurationError: the file cannot be used, or the name, the rate or the budget is not allowed.
    """
    from omni_router.server.openai.users import check_users, hash_of, read_entries
    from omni_router.storage.files import WriteLock, write_whole

    path = file or read_variable("OMNI_USERS")
    if path is None:
        raise ConfigurationError("which file of users? Give --file users.json, or set OMNI_USERS")
    key = f"omni-{secrets.token_urlsafe(KEY_BYTES)}"
    entry = {"name": name, "sha256": hash_of(key)}
    if rate is not None:
        entry["rate"] = rate
    if budget is not None:
        entry["budget"] = budget
    try:
        with WriteLock(mode=PRIVATE).held(path.with_name(f".{path.name}.lock"), of=path):
            entries = read_entries(path) if path.exists() else []
            if any(isinstance(each, dict) and each.get("name") == name for each in entries):
                raise ConfigurationError(
                    f"{path} has a user {name!r} already: delete its entry, or choose another name"
                )
            entries.append(entry)
            check_users(entries, path)
            write_whole(path, json.dumps(entries, indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
    note(f"{name} was added to {path}; the key is not stored, so keep it:")
    click.echo(key)
    return 0
