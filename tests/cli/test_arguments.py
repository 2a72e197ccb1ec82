"""What the command line says of flags and words that it does not know, and what it says of itself."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest

import omni_router
from omni_router import _version
from omni_router.arguments import ACTIONS, SUBCOMMANDS
from omni_router.cli import main

ROOT = Path(__file__).parents[2]

Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *args: str) -> str:
    """Give the line that says what is wrong, which one line of usage follows."""
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    fault, usage = captured.err.splitlines()
    assert usage.startswith("usage: omni-router")
    assert "--help" in usage
    return fault


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--promt", "x"), "omni-router: there is no flag --promt; did you mean --prompt?"),
        (("--promt=write a haiku",), "omni-router: there is no flag --promt; did you mean --prompt?"),
        (("-p", "x"), "omni-router: there is no flag -p; did you mean --prompt?"),
        (("-prompt", "x"), "omni-router: there is no flag -prompt; did you mean --prompt?"),
        (("--prompt", "x", "--max_tokens", "3"), "omni-router: there is no flag --max_tokens; did you mean --max-new-"),
        (("--list",), "omni-router: there is no flag --list; did you mean --list-routes or --list-models?"),
        (("--prompt", "x", "--qqq"), "omni-router: there is no flag --qqq"),
        (
            ("eval", "x.jsonl", "--min-acuracy", "1"),
            "omni-router eval: there is no flag --min-acuracy; did you mean --m",
        ),
        (("serve", "--prot", "9000"), "omni-router serve: there is no flag --prot; did you mean --port?"),
        (("ui", "--sand"), "omni-router ui: there is no flag --sand; did you mean --sandbox?"),
        (("completion", "bash", "--hlp"), "omni-router completion: there is no flag --hlp; did you mean --help?"),
    ],
)
def test_an_unknown_flag_is_named_with_the_nearest(args: tuple[str, ...], told: str, capsys: Capture) -> None:
    assert refused(capsys, *args).startswith(told)


def test_flags_are_not_abbreviated(capsys: Capture) -> None:
    assert "there is no flag --list-r; did you mean --list-routes?" in refused(capsys, "--list-r")


@pytest.mark.parametrize("prompt", ["-x=3, solve for y", "--is this a flag = no?", "- a list", "-5"])
def test_a_prompt_may_look_like_a_flag(prompt: str, capsys: Capture) -> None:
    assert "--prompt and --demo exclude each other" in refused(capsys, "--prompt", prompt, "--demo")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("evla",), "there is no command 'evla'; did you mean eval?"),
        (("serv", "--port", "9000"), "there is no command 'serv'; did you mean serve?"),
        (("demo",), "there is no command 'demo'; did you mean --demo?"),
        (
            ("Write a haiku",),
            "there is no command 'Write a haiku'; a prompt goes after --prompt, and the commands are eval, ",
        ),
        (("--json", "eval"), "the command comes first: omni-router eval"),
        (("--prompt", "write", "a", "haiku"), "unexpected 'a'; put quotes around a prompt of several words"),
    ],
)
def test_a_word_that_is_no_command_is_answered_with_what_was_meant(
    args: tuple[str, ...], told: str, capsys: Capture
) -> None:
    assert refused(capsys, *args).startswith(f"omni-router: {told}")


def test_without_an_action_all_are_named(capsys: Capture) -> None:
    told = refused(capsys)
    assert told.endswith(" is required")
    assert all(f"--{action.replace('_', '-')}" in told for action in ACTIONS)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--prompt", "x", "--demo"), "--prompt and --demo exclude each other"),
        (("--check", "--demo", "--why"), "--demo, --check and --why exclude each other"),
    ],
)
def test_actions_that_exclude_each_other_are_the_only_ones_named(
    args: tuple[str, ...], told: str, capsys: Capture
) -> None:
    assert refused(capsys, *args) == f"omni-router: {told}"


def test_help_wins_over_an_unknown_flag(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--promt", "--help"])
    assert ended.value.code == 0
    assert "--prompt TEXT" in capsys.readouterr().out


# ---- help


@pytest.mark.parametrize("command", [(), *((name,) for name in SUBCOMMANDS)])
def test_help_fits_100_columns(command: tuple[str, ...], capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 100] == []


def test_help_has_the_version_every_command_and_a_short_usage(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    usage, _, rest = shown.partition("\n\n")
    assert len(usage.splitlines()) <= 3
    assert "  --version " in rest
    assert all(name in usage and f"\n  {name} " in rest for name in SUBCOMMANDS)


# ---- version


def test_version_is_printed_by_every_way_to_the_command(tmp_path: Path) -> None:
    ways = (["-m", "omni_router"], [str(ROOT / "omni_router_dev.py")])
    for way in ways:
        done = subprocess.run(
            [sys.executable, *way, "--version"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"omni-router {omni_router.__version__}\n", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", omni_router.__version__)


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom omni_router.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'langgraph', 'huggingface_hub', 'pydantic', 'PIL', 'httpx'}\n"
        "raise SystemExit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_checkout_that_is_not_installed_knows_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_version, "version", missing)
    assert _version.read_version() == "0.1.0"
    project = tmp_path / "pyproject.toml"
    monkeypatch.setattr(_version, "PROJECT", project)
    assert _version.read_version() == "0+unknown"
    project.write_text('[project]\nname = "another"\nversion = "7.0"\n')
    assert _version.read_version() == "0+unknown"
