"""The environment in which a client is driven: that of the tests, or one of its own with exact versions."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.clients.registry import DRIVERS, Client
from tests.support.processes import child_environment

FOREIGN = ("OPENAI_", "ANTHROPIC_", "CLAUDE", "CODEX_", "LITELLM_", "LLM_", "NODE_")  # a developer's own settings
QUIET = {
    "OMNI_SANDBOX": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class Place:
    """Where a client runs."""

    python: Path
    drivers: Path
    variables: dict[str, str]


def environment_of_tests(home: Path) -> Place:
    """Return the place of the clients that the test environment has."""
    return Place(Path(sys.executable), DRIVERS, _variables(home))


def own_environment(client: Client, folder: Path) -> Place:
    """Return a place with the packages of a client; it is made once, and shared by all rows with the same packages.

    Raises:
        CalledProcessError: pip or npm did not succeed; it has printed why.
    """
    digest = hashlib.sha256(" ".join(client.packages).encode()).hexdigest()[:8]
    name = "".join(letter if letter.isalnum() else "-" for letter in client.name.lower())
    place = folder / f"{name}-{digest}"
    finished = place / "finished"
    if not finished.exists():
        place.mkdir(parents=True, exist_ok=True)
        (_npm if client.npm else _pip)(client, place)
        finished.touch()
    variables = {**_variables(place / "home"), "PYTHONPATH": ""}
    if not client.npm:
        return Place(place / "bin" / "python", DRIVERS, variables)
    # A module of JavaScript finds packages beside itself.
    shutil.copytree(DRIVERS, place / "drivers", dirs_exist_ok=True)
    variables["PATH"] = f"{place / 'node_modules' / '.bin'}{os.pathsep}{variables['PATH']}"
    return Place(Path(sys.executable), place / "drivers", variables)


def _variables(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    variables = child_environment(home, HOME=str(home))
    return {**{name: value for name, value in variables.items() if not name.startswith(FOREIGN)}, **QUIET}


def _pip(client: Client, place: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *client.packages], check=True)


def _npm(client: Client, place: Path) -> None:
    (place / "package.json").write_text('{"private": true}', encoding="utf-8")
    packages = [package.replace("==", "@") for package in client.packages]
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([*npm, *packages], cwd=place, check=True, stdout=subprocess.DEVNULL)
