"""What the command line says of flags and words that it does not know, and what it says of itself."""

import dataclasses
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import click
import pytest

import omni_router
from omni_router import _version
from omni_router.cli import main
from omni_router.cli.parser import Option, load, read_environment
from omni_router.cli.prompt import read_settings
from omni_router.cli.root import ACTION_COMMANDS, COMMANDS, parse, root
from omni_router.config.environment import Environment
from omni_router.config.settings import Settings

ROOT = Path(__file__).parents[2]

Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *args: str) -> str:
    """Return the line with what is wrong, which one line of usage follows."""
    assert main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    fault, usage = captured.err.splitlines()
    assert usage.startswith("Usage: omni-router")
    assert "--help" in usage
    return fault


@pytest.mark.parametrize(
    ("args", "program", "meant"),
    [
        (("--promt", "x"), "omni-router", "--prompt"),
        (("--promt=write a haiku",), "omni-router", "--prompt"),
        (("--prompt", "x", "--max_tokens", "3"), "omni-router", "--max-new-tokens"),
        (("--list",), "omni-router", "--list-routes"),
        (("--list-r",), "omni-router", "--list-routes"),  # flags are not abbreviated
        (("eval", "x.jsonl", "--min-acuracy", "1"), "omni-router eval", "--min-accuracy"),
        (("serve", "--prot", "9000"), "omni-router serve", "--port"),
        (("ui", "--sand"), "omni-router ui", "--sandbox"),
        (("completion", "bash", "--hlp"), "omni-router completion", "--help"),
    ],
)
def test_an_unknown_flag_is_named_with_the_nearest(
    args: tuple[str, ...], program: str, meant: str, capsys: Capture
) -> None:
    flag = next(word for word in args if word.startswith("--") and word != "--prompt").partition("=")[0]
    message, _, suggestions = refused(capsys, *args).partition("Did you mean")
    assert message.removesuffix("(") == f"{program}: No such option '{flag}'. "
    assert f"'{meant}'" in suggestions


@pytest.mark.parametrize("args", [("-p", "x"), ("--prompt", "x", "--qqq")])
def test_an_unknown_flag_that_is_like_no_other_is_named_alone(args: tuple[str, ...], capsys: Capture) -> None:
    flag = next(word for word in args if word in ("-p", "--qqq"))
    assert refused(capsys, *args) == f"omni-router: No such option '{flag}'."


@pytest.mark.parametrize("prompt", ["-x=3, solve for y", "--is this a flag = no?", "- a list", "-5"])
def test_a_prompt_may_look_like_a_flag(prompt: str, capsys: Capture) -> None:
    assert "--prompt and --demo exclude each other" in refused(capsys, "--prompt", prompt, "--demo")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("evla",), "No such command 'evla'. Did you mean 'eval'?"),
        (("serv", "--port", "9000"), "No such command 'serv'. Did you mean 'serve'?"),
        (("demo",), "No such command 'demo'. Did you mean '--demo'?"),
        (
            ("Write a haiku",),
            "No such command 'Write a haiku'. A prompt goes after --prompt, and the commands are chat, ",
        ),
        (("--json", "eval"), "the command comes first: omni-router eval"),
        (("--prompt", "write", "a", "haiku"), "unexpected 'a'; put quotes around a prompt of several words"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(args: tuple[str, ...], message: str, capsys: Capture) -> None:
    assert refused(capsys, *args).startswith(f"omni-router: {message}")


def test_without_an_action_all_are_named(capsys: Capture) -> None:
    message = refused(capsys)
    assert message.endswith(" is required")
    assert all(f"--{action.replace('_', '-')}" in message for action in ACTION_COMMANDS)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--prompt", "x", "--demo"), "--prompt and --demo exclude each other"),
        (("--check", "--demo", "--why"), "--demo, --check and --why exclude each other"),
    ],
)
def test_actions_that_exclude_each_other_are_the_only_ones_named(
    args: tuple[str, ...], message: str, capsys: Capture
) -> None:
    assert refused(capsys, *args) == f"omni-router: {message}"


def test_help_wins_over_an_unknown_flag(capsys: Capture) -> None:
    assert main(["--promt", "--help"]) == 0
    assert "--prompt TEXT" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args", [("--prompt", "--json"), ("--list-models", "--json"), ("--prompt", "x", "--model", "--json")]
)
def test_a_flag_whose_value_was_forgotten_takes_no_other_flag_for_it(args: tuple[str, ...], capsys: Capture) -> None:
    assert "requires an argument" in refused(capsys, *args)


# ---- how flags reach the environment and the settings


def test_every_flag_that_sets_a_field_is_named_as_the_field() -> None:
    fields = {
        "environment": {field.name for field in dataclasses.fields(Environment)},
        "settings": set(Settings.model_fields),
    }
    commands = [root, *(root.get_command(click.Context(root), name) for name in COMMANDS)]
    params = [param for command in commands if command for param in command.params if isinstance(param, Option)]
    targets = [(param.sets, param.name) for param in params if param.sets]
    assert len({target for target, _ in targets}) == 2
    assert [name for target, name in targets if name not in fields[target]] == []


def test_a_flag_reaches_the_settings_by_its_one_line() -> None:
    flags = [
        "--timeout",
        "7",
        "--temperature",
        "0.5",
        "--route",
        "translation",
        "--model",
        "acme/m",
        "--skip-specialists",
    ]
    expected = Settings(timeout=7, temperature=0.5, route="translation", model="acme/m", skip_specialists=True)
    assert read_settings(parse(["--prompt", "x", *flags])) == expected
    assert read_settings(parse(["--prompt", "x"])) == Settings()


@pytest.mark.parametrize("flag", ["--temperature", "--specialist-temperature"])
def test_a_temperature_of_0_reaches_the_settings(flag: str) -> None:
    assert read_settings(parse(["--prompt", "x", flag, "0"])).temperature == 0


def test_a_timeout_of_0_is_refused(capsys: Capture) -> None:
    assert "'--timeout': Input should be greater than 0, not 0.0" in refused(capsys, "--prompt", "x", "--timeout", "0")


@pytest.mark.parametrize("command", ["serve", "ui"])
def test_flags_reach_the_environment_by_every_command(command: str) -> None:
    flags = ["--max-new-tokens", "9", "--fallback-route", "none", "--route-config", "mine.json", "--sandbox"]
    environment = read_environment(parse([command, *flags]))
    assert (environment.max_new_tokens, environment.fallback_route) == (9, "none")
    assert (environment.route_config, environment.sandbox) == (Path("mine.json"), True)


@pytest.mark.parametrize("command", [["--prompt", "x"], ["--list-models", "chat"], ["serve"], ["ui"]])
def test_preferences_and_limits_reach_the_environment_by_every_command(command: list[str]) -> None:
    flags = ["--prefer", "Cheapest", "--only", "acme/*,*:fast", "--only", "org/m", "--never", "acme/old"]
    more = ["--max-price", "0", "--reasoning-effort", "low", "--bill-to", "my-org"]
    environment = read_environment(parse([*command, *flags, *more]))
    assert (environment.prefer, environment.max_price) == ("cheapest", 0)
    assert (environment.only, environment.never) == (("acme/*", "*:fast", "org/m"), ("acme/old",))
    assert (environment.reasoning_effort, environment.bill_to) == ("low", "my-org")


def test_without_a_flag_the_variables_of_preferences_and_limits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ONLY", "acme/*")
    monkeypatch.setenv("OMNI_PREFER", "best")
    environment = read_environment(parse(["--prompt", "x", "--prefer", "0.02"]))
    assert (environment.only, environment.prefer) == (("acme/*",), 0.02)


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--prefer", "cheap", "'cheap' is not one of best, balanced, cheapest, fastest, or a number of at least 0"),
        ("--only", ",", "',' is not a list of patterns like org/*, org/name or *:provider, separated by commas"),
        ("--max-price", "-1", "'-1' is not a number of US dollars for a million tokens, at least 0"),
        ("--bill-to", "my org", "'my org' is not the name of an organization on the Hub: letters, digits"),
        ("--reasoning-effort", "deep", "'deep' is not one of 'none', 'minimal', 'low', 'medium', 'high', 'xhigh'"),
    ],
)
def test_a_preference_or_limit_that_is_not_allowed_is_refused(
    flag: str, value: str, says: str, capsys: Capture
) -> None:
    assert f"{flag!r}: {says}" in refused(capsys, "--prompt", "x", flag, value)


def test_the_page_leaves_limits_to_a_server_of_its_own(capsys: Capture) -> None:
    message = refused(capsys, "ui", "--server", "http://127.0.0.1:1", "--max-price", "0", "--never", "a/b")
    assert "--never and --max-price cannot be used with --server" in message


@pytest.mark.parametrize("value", ["3", "nan", "-1"])
def test_the_field_of_the_settings_names_the_allowed_values(value: str, capsys: Capture) -> None:
    message = refused(capsys, "--prompt", "x", "--temperature", value)
    assert "'--temperature' / '--specialist-temperature': Input should be" in message
    assert f"not {float(value)}" in message


# ---- help


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_100_columns(command: tuple[str, ...], capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 100] == []


def test_help_has_the_version_every_command_and_a_short_usage(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    usage, _, rest = shown.partition("\n\n")
    assert len(usage.splitlines()) <= 3
    assert "  --version " in rest
    assert all(name in usage and f"\n  {name} " in rest for name in COMMANDS)


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
        "import sys\nfrom omni_router.cli import main\nmain(['--version'])\n"
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


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "chat"])
def test_a_subcommand_has_no_flag_for_settings_which_only_prompts_and_chats_read(name: str) -> None:
    command = load(COMMANDS[name])
    flags = [param.name for param in command.params if isinstance(param, Option) and param.sets == "settings"]
    assert flags == []
