"""The note about a policy file that was named and does not exist, since its name may be mistyped."""

from pathlib import Path

import click

from omni_router.cli.console import note
from omni_router.cli.parser import read_environment
from omni_router.config.environment import Environment


def read_environment_and_warn(ctx: click.Context, *, records: bool = False) -> Environment:
    """Return the environment of a command, after a note about a policy that was named and does not exist.

    Raises:
        ConfigurationError: a value is not one of those allowed.
    """
    environment = read_environment(ctx)
    if text := missing_policy(environment, records=records):
        note(text)
    return environment


def missing_policy(environment: Environment, *, records: bool) -> str | None:
    """Return a sentence about a policy that was named and does not exist; None where there is no need for one.

    At the usual places it is normal that no file exists before the first record.

    Args:
        environment: where the policy is looked for.
        records: whether the command writes history, which begins with a copy of the default policy.
    """
    path = environment.route_config
    usual = (Path("route_config.json"), environment.output_dir / "sandbox" / "route_config.json")
    if path in usual or not _is_absent(path):
        return None
    if records and environment.history == "file":
        return f"{path} does not exist yet: the default policy is used, and copied there with the first record"
    return f"{path} does not exist: the default policy of the package is used instead"


def _is_absent(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # such as a name that is too long; reading the file reports it
        return False
