"""Another huggingface_hub than the one this package works with is reported at the start, with its version."""

import subprocess
import sys
from pathlib import Path

import pytest

from omni_router import Services, sandbox
from omni_router.errors import ConfigurationError
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.hub.http import HUB_MAJOR

TOLD = r"huggingface_hub 2\.4\.0 is installed, but omni-router needs 1\.x"
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def newer_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the metadata of a newer release in front of the installed one's."""
    metadata = tmp_path / "huggingface_hub-2.4.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: huggingface_hub\nVersion: 2.4.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("newer_hub")
@pytest.mark.parametrize("build", [HubInference, HubCatalog, Services.from_environment])
def test_what_calls_the_hub_is_not_built_on_another_major_version(build: type) -> None:
    with pytest.raises(ConfigurationError, match=TOLD):
        build()


@pytest.mark.usefixtures("newer_hub")
def test_the_sandbox_is_not_entered_on_another_major_version() -> None:
    with pytest.raises(ConfigurationError, match=TOLD), sandbox():
        pytest.fail("it was entered")


def test_the_command_line_says_so_in_a_sentence(newer_hub: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(PROJECT / "omni_router_dev.py"),
        "--prompt",
        "Hello",
        "--sandbox",
        "--router",
        "semantic",
    ]
    environment = {"PYTHONPATH": f"{newer_hub}:{PROJECT}", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "huggingface_hub 2.4.0 is installed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_pyproject_allows_no_other_major_version() -> None:
    assert f",<{HUB_MAJOR + 1}" in next(
        line for line in (PROJECT / "pyproject.toml").read_text().splitlines() if '"huggingface_hub>=' in line
    )
