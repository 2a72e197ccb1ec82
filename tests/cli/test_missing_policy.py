"""A policy that was named and does not exist is reported as missing; at the usual place it is not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.config.routes import DEFAULT_POLICY
from tests.support.scripted_router import ScriptedRouter

TYPO = "typo.json"
MADE = "typo.json does not exist yet: the default policy is used, and copied there with the first record"
INSTEAD = "omni-router: typo.json does not exist: the default policy of the package is used instead"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def scripted(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    monkeypatch.setattr("omni_router.evaluation.policy_check.overlaps", lambda *_: [])
    router.choose("question_answering")
    with _sandbox.sandbox():
        yield


@pytest.fixture
def decision(capsys: Capture) -> str:
    """Log a decision, and give its id."""
    assert main(["--prompt", "How do tides work?", "--decision-log", "log.jsonl", "--json"]) == 0
    return str(json.loads(capsys.readouterr().out)["id"])


def test_a_prompt_says_that_the_file_will_be_made_and_makes_it(capsys: Capture) -> None:
    assert main(["--prompt", "How do tides work?", "--route-config", TYPO, "--json"]) == 0
    captured = capsys.readouterr()
    assert f"[router] {MADE}\n" in captured.err
    assert json.loads(captured.out)["route"] == "question_answering"
    assert len(json.loads(Path(TYPO).read_text())) == len(json.loads(DEFAULT_POLICY.read_text()))
    assert main(["--prompt", "How do tides work?", "--route-config", TYPO, "--json"]) == 0
    assert "does not exist" not in capsys.readouterr().err


def test_a_missing_file_named_by_the_variable_is_reported_too(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    _sandbox.uninstall()  # it has its own policy, whatever the variable says
    monkeypatch.setenv("OMNI_ROUTE_CONFIG", TYPO)
    assert main(["--list-routes", "--json"]) == 0
    captured = capsys.readouterr()
    assert f"{INSTEAD}\n" in captured.err
    assert len(json.loads(captured.out)) == 10


@pytest.mark.parametrize(
    "args",
    [("--list-routes",), ("--list-models", "translation"), ("--check",), ("--why", "--decision-log", "log.jsonl")],
)
def test_what_shows_the_default_instead_says_so(args: tuple[str, ...], decision: str, capsys: Capture) -> None:
    for more in ((), ("--json",)):
        assert main([*args, *more, "--route-config", TYPO]) == 0
        captured = capsys.readouterr()
        assert f"{INSTEAD}\n" in captured.err
    json.loads(captured.out)
    assert not Path(TYPO).exists()


def test_feedback_says_that_the_file_will_be_made(decision: str, capsys: Capture) -> None:
    args = ["--feedback", decision, "translation", "--decision-log", "log.jsonl", "--json"]
    main([*args, "--route-config", TYPO])
    captured = capsys.readouterr()
    assert f"omni-router: {MADE}\n" in captured.err
    json.loads(captured.out)


def test_a_replay_with_a_file_that_is_not_there_ends_with_2_as_before(decision: str, capsys: Capture) -> None:
    assert main(["--replay", "log.jsonl", "--route-config", TYPO]) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert TYPO in error
    assert "does not exist" in error


def test_eval_says_that_the_file_of_the_variable_is_missing(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    _sandbox.uninstall()
    monkeypatch.setenv("OMNI_ROUTE_CONFIG", TYPO)
    Path("data.jsonl").write_text('{"text": "How do tides work?", "route": "question_answering"}\n')
    assert main(["eval", "data.jsonl", "--json"]) == 0
    captured = capsys.readouterr()
    assert f"{INSTEAD}\n" in captured.err
    assert json.loads(captured.out)["accuracy"] == 1


@pytest.mark.parametrize("args", [(), ("--route-config", "./route_config.json")])
def test_nothing_is_reported_about_the_usual_place(args: tuple[str, ...], capsys: Capture) -> None:
    assert main(["--prompt", "How do tides work?", *args]) == 0
    assert main(["--list-routes", *args]) == 0
    assert "does not exist" not in capsys.readouterr().err


def test_history_elsewhere_copies_no_policy(capsys: Capture) -> None:
    from omni_router.cli.missing_policy import missing_policy
    from omni_router.config.environment import Environment

    environment = Environment(route_config=Path(TYPO), output_dir=Path("outputs"), history="postgresql://x@y/z")
    assert missing_policy(environment, records=True) == INSTEAD.removeprefix("omni-router: ")
