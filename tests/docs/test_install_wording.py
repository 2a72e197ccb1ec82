"""There is one way to install, which works: from a checkout, since nobody has published the name on PyPI."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from omni_router.errors import install_command, missing_package

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "omni_router", "examples", "benchmarks", "requirements", ".ci")
SUFFIXES = {".md", ".py", ".txt", ".json", ".toml", ""}

BY_NAME = re.compile(r"\b(?:pipx?|uvx?)\b[^\n`]* (?:install|add)\b[^\n`]*[ \"']omni[-_]router\b")
REQUIRED_BY_NAME = re.compile(r"^omni[-_]router(?!.* @ )", re.MULTILINE)  # without an address
CHECKOUT = " in a checkout of omni-router"


def instructions() -> Iterator[tuple[str, str]]:
    files = chain(ROOT.glob("*"), *((ROOT / folder).rglob("*") for folder in FOLDERS))
    for path in sorted(files):
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts and not path.is_symlink():
            yield str(path.relative_to(ROOT)), path.read_text().replace(CHECKOUT, "")


def test_no_page_installs_the_package_by_its_name() -> None:
    lines = [f"{name}: {line.group()}" for name, text in instructions() for line in BY_NAME.finditer(text)]
    assert lines == []
    requirements = {name: text for name, text in instructions() if name.endswith(".txt")}
    assert "docs/space/requirements.txt" in requirements
    assert [name for name, text in requirements.items() if REQUIRED_BY_NAME.search(text)] == []


@pytest.mark.parametrize(
    "line",
    ["pip install omni-router", 'pip install x "omni-router[api]"', "uv add omni-router", "uv pip install omni_router"],
)
def test_the_test_above_sees_each_way_to_say_it(line: str) -> None:
    assert BY_NAME.search(line)


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra
        for _, text in instructions()
        for names in re.findall(r'-e "?\.\[([\w,]+)\]', text)
        for extra in names.split(",")
    }
    assert {"arch", "server"} <= named
    assert named <= set(extras)


def test_a_missing_package_is_reported_with_the_command_for_it() -> None:
    assert str(missing_package("the page needs Gradio", "ui")) == f"the page needs Gradio: {install_command('ui')}"
    assert install_command("ui") == 'pip install -e ".[ui]" in a checkout of omni-router'


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("pydantic", "2.12.5"),
        ("mcp", "1.30.0"),
        ("mcp", "2.3.0"),
        ("transformers", "5.23.0"),
        ("transformers", "5.24.0"),
    ],
)
def test_the_bounds_leave_room_for_what_other_packages_ask_for(name: str, version: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = chain(project["dependencies"], *project["optional-dependencies"].values())
    [required] = [each for each in map(Requirement, listed) if each.name == name]
    assert version in required.specifier
