"""The version of the package, read on first use."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
UNKNOWN = "0+unknown"


def read_version() -> str:
    """Return the version of the installed package, else that of the checkout that runs without being installed."""
    try:
        return version("omni-router")
    except PackageNotFoundError:
        return _version_of_checkout()


def _version_of_checkout() -> str:
    """Return the version in pyproject.toml; a copy of the package inside another project has none of its own."""
    try:
        text = PROJECT.read_text(encoding="utf-8")
    except OSError:
        return UNKNOWN
    match = re.search(r'^name = "omni-router"\nversion = "(.+)"$', text, re.MULTILINE)
    return match[1] if match else UNKNOWN


__version__ = read_version()
