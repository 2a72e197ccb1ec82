"""What is said of a policy file that was named and does not exist, since its name may be mistyped."""

from pathlib import Path

from omni_router.config.environment import Environment


def missing_policy(environment: Environment, *, records: bool) -> str | None:
    """Return a sentence about a policy that was named and is not there; None where there is nothing to say.

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
    except OSError:  # such as a name that is too long, which whoever reads the file reports
        return False
