"""What a shell completes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from omni_router.cli import main
from omni_router.cli.completion import SHELLS, VARIABLE
from omni_router.cli.root import COMMANDS, root

Capture = pytest.CaptureFixture[str]

BASH = shutil.which("bash") or "bash"

# What bash does when TAB is pressed, with the last word not yet whole.
DRIVER = """
eval "$(omni-router completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
spec=$(complete -p omni-router); [[ $spec =~ -F\\ ([^ ]+) ]]
"${BASH_REMATCH[1]}" omni-router "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def tab(*words: str) -> list[str]:
    """Return what is offered for the last word."""
    *before, incomplete = words
    items = ShellComplete(root, {}, "omni-router", VARIABLE).get_completions(before, incomplete)
    return [item.value if item.type == "plain" else item.type for item in items]


def test_bash_runs_the_script_and_completes(tmp_path: Path) -> None:
    program = tmp_path / "omni-router"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom omni_router.cli import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    command = [BASH, "--norc", "-c", f'PATH="{tmp_path}:$PATH"\n{DRIVER}', "bash", "omni-router", "--router", "se"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("semantic\n", "")


def test_flags_choices_and_subcommands_are_completed() -> None:
    assert tab("--rou") == ["--router", "--router-model", "--router-url", "--route-config", "--route"]
    assert tab("--router", "se") == ["semantic"]
    assert tab("") == list(COMMANDS)
    assert tab("eval", "--min") == ["--min-accuracy"]
    assert tab("completion", "z") == ["zsh"]


def test_preferences_and_efforts_are_completed() -> None:
    assert tab("--prefer", "") == ["best", "balanced", "cheapest", "fastest"]
    assert tab("serve", "--prefer", "ch") == ["cheapest"]
    assert tab("ui", "--reasoning-effort", "m") == ["minimal", "medium"]
    assert tab("--max-p") == ["--max-price"]


def test_files_and_folders_are_left_to_the_shell() -> None:
    assert tab("--route-config", "min") == ["file"]
    assert tab("--replay", "min") == ["file"]
    assert tab("eval", "min") == ["file"]
    assert tab("--output-dir", "min") == ["dir"]
    assert tab("--prompt", "x", "--image-url", "min") == ["file"]


def test_the_routes_of_the_policy_at_hand_are_completed(tmp_path: Path) -> None:
    policy = tmp_path / "mine.json"
    policy.write_text(json.dumps([{"name": "legal_questions", "description": "law"}]))
    at_hand = ("--route-config", str(policy))
    assert tab(*at_hand, "--list-models", "le") == ["legal_questions"]
    assert tab(*at_hand, "--list-models", "text-to") == ["text-to-image"]
    assert tab(*at_hand, "--route", "") == ["legal_questions"]
    assert tab(*at_hand, "--fallback-route", "") == ["none", "legal_questions"]
    assert tab("serve", *at_hand, "--fallback-route", "") == ["none", "legal_questions"]
    assert tab(*at_hand, "--feedback", "3f9a", "") == ["good", "bad", "other", "legal_questions"]
    policy.write_text("not a policy")
    assert tab(*at_hand, "--list-models", "le") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell: str, capsys: Capture) -> None:
    assert main(["completion", shell]) == 0
    assert f"{VARIABLE}={shell}_complete" in capsys.readouterr().out


def test_a_shell_without_a_script_is_refused(capsys: Capture) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_knows_every_subcommand(name: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["--help"]) == 0
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert f"\n  {name} " in (shown := capsys.readouterr().out)
    assert " ".join(str(command.help).split()) in " ".join(shown.split())


def test_the_flags_of_a_chat_are_completed() -> None:
    assert tab("chat", "--se") == ["--session", "--server"]
    assert "code_generation" in tab("chat", "--route", "code_g")
    assert tab("chat", "--image", "fo") == ["file"]
