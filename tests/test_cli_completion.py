"""What a shell completes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shtab
from omni_router.arguments import SUBCOMMANDS, subcommand
from omni_router.completion import SHELLS, script

from omni_router.cli import main

Capture = pytest.CaptureFixture[str]

BASH = shutil.which("bash") or "bash"

# What bash does when TAB is pressed, with the last word not yet whole.
DRIVER = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
spec=$(complete -p omni-router); [[ $spec =~ -F\\ ([^ ]+) ]]
"${BASH_REMATCH[1]}" omni-router "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash, and the command on a path, as after an installation."""
    folder = tmp_path_factory.mktemp("bash")
    (folder / "script").write_text(script("bash"))
    program = folder / "omni-router"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom omni_router.cli import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    return folder


def tab(completed: Path, *words: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [BASH, "--norc", "-c", f'PATH="{completed}:$PATH"\n{DRIVER}', "bash", str(completed / "script"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_flags_choices_and_subcommands(completed: Path, tmp_path: Path) -> None:
    assert tab(completed, "omni-router", "--rou", folder=tmp_path) == [
        *("--router", "--router-model", "--router-url", "--route-config", "--route"),
    ]
    assert tab(completed, "omni-router", "--router", "se", folder=tmp_path) == ["semantic"]
    assert set(SUBCOMMANDS) <= set(tab(completed, "omni-router", "", folder=tmp_path))
    assert tab(completed, "omni-router", "eval", "--min", folder=tmp_path) == ["--min-accuracy"]
    assert tab(completed, "omni-router", "completion", "z", folder=tmp_path) == ["zsh"]


def test_bash_completes_files_and_folders(completed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("[]")
    (tmp_path / "mind").mkdir()
    both = ["mind", "mine.json"]
    assert sorted(tab(completed, "omni-router", "--route-config", "min", folder=tmp_path)) == both
    assert sorted(tab(completed, "omni-router", "--prompt", "x", "--image-url", "min", folder=tmp_path)) == both
    assert sorted(tab(completed, "omni-router", "eval", "min", folder=tmp_path)) == both
    assert tab(completed, "omni-router", "--output-dir", "min", folder=tmp_path) == ["mind"]


def test_bash_completes_the_routes_of_the_policy_at_hand(completed: Path, tmp_path: Path) -> None:
    policy = [{"name": "legal_questions", "description": "law"}, {"name": "small talk", "description": "chat"}]
    (tmp_path / "route_config.json").write_text(json.dumps(policy))
    assert tab(completed, "omni-router", "--list-models", "le", folder=tmp_path) == ["legal_questions"]
    assert tab(completed, "omni-router", "--list-models", "text-to", folder=tmp_path) == ["text-to-image"]
    assert tab(completed, "omni-router", "--route", "", folder=tmp_path) == ["legal_questions"]
    assert tab(completed, "omni-router", "--feedback", "3f9a", "", folder=tmp_path) == [
        *("good", "bad", "other", "legal_questions"),
    ]
    (tmp_path / "route_config.json").write_text("no policy")
    assert tab(completed, "omni-router", "--list-models", "le", folder=tmp_path) == []


def test_every_shell_that_can_be_had_is_offered(capsys: Capture) -> None:
    assert set(SHELLS) == set(shtab.SUPPORTED_SHELLS)
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        assert "--route-config" in capsys.readouterr().out or shell == "fish"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_and_completion_know_every_subcommand(name: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert f"\n  {name} " in shown
    parser = subcommand(name)
    assert parser.prog == f"omni-router {name}"
    assert str(parser.description) in shown
