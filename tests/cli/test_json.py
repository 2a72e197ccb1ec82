"""`--json`: whatever is done, stdout is JSON alone; where something is to be corrected first, it is empty."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.config.routes import DEFAULT_POLICY
from tests.support.scripted_router import ScriptedRouter

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def scripted(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedRouter]:
    """Nothing is loaded; colours are forced, so that JSON has to stay free of them by itself."""
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    monkeypatch.setattr("omni_router.evaluation.policy_check.overlaps", lambda *_: [])
    monkeypatch.setenv("FORCE_COLOR", "1")
    router.choose("question_answering")
    with _sandbox.sandbox():
        yield router


@pytest.fixture
def log(tmp_path: Path, capsys: Capture) -> Path:
    """The log of one decision, beside a policy."""
    policy = tmp_path / "route_config.json"
    policy.write_bytes(DEFAULT_POLICY.read_bytes())
    args = ["--prompt", "How do tides work?", "--decision-log", str(tmp_path / "log.jsonl"), "--log-text"]
    assert main([*args, "--route-config", str(policy)]) == 0
    capsys.readouterr()
    return tmp_path / "log.jsonl"


def payload_of(capsys: Capture, *args: str, status: int = 0) -> Any:
    assert main([*args, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_feedback(log: Path, capsys: Capture) -> None:
    policy = log.parent / "route_config.json"
    where = ("--decision-log", str(log), "--route-config", str(policy))
    [entry] = [json.loads(line) for line in log.read_text().splitlines()]
    payload = payload_of(capsys, "--feedback", entry["id"][:4], "good", *where)
    assert payload == {
        "id": entry["id"],
        "verdict": "good",
        "route": "question_answering",
        "model": "sandbox/text-generation-1",
        "should_be": None,
        "kept_in": str(policy),
        "example_of": "question_answering",
    }
    payload = payload_of(capsys, "--feedback", entry["id"], "translation", *where)
    assert (payload["verdict"], payload["should_be"], payload["example_of"]) == (
        "should_be",
        "translation",
        "translation",
    )


def test_feedback_that_is_kept_nowhere_is_status_1_and_null(log: Path, capsys: Capture, tmp_path: Path) -> None:
    [entry] = [json.loads(line) for line in log.read_text().splitlines()]
    elsewhere = tmp_path / "other.json"
    elsewhere.write_text('[{"name": "question_answering", "description": "facts"}]')
    where = ("--decision-log", str(log), "--route-config", str(elsewhere))
    payload = payload_of(capsys, "--feedback", entry["id"], "bad", *where, status=1)
    assert payload["kept_in"] is None
    assert payload["example_of"] is None


def test_history_export_and_import(log: Path, capsys: Capture, tmp_path: Path) -> None:
    policy, exported = str(log.parent / "route_config.json"), str(tmp_path / "exported.json")
    payload = payload_of(capsys, "--history-export", exported, "--route-config", policy)
    assert payload == {"file": exported, "models": 1, "examples": 0}
    payload = payload_of(capsys, "--history-import", exported, "--route-config", str(tmp_path / "new.json"))
    assert payload == {"file": exported, "changes": 1, "already_here": 0, "not_taken": 0, "passed_over": 0}
    payload = payload_of(capsys, "--history-import", exported, "--route-config", policy)
    assert payload == {"file": exported, "changes": 0, "already_here": 1, "not_taken": 0, "passed_over": 0}


def test_everything_else(log: Path, capsys: Capture, tmp_path: Path) -> None:
    policy = ("--route-config", str(log.parent / "route_config.json"))
    assert [route["name"] for route in payload_of(capsys, "--list-routes", *policy)][:1] == ["casual_conversation"]
    assert payload_of(capsys, "--list-models", "question_answering", *policy)[0]["place"] == 1
    assert payload_of(capsys, "--check", *policy) == []
    assert payload_of(capsys, "--why", "--decision-log", str(log), *policy)["route"] == "question_answering"
    assert payload_of(capsys, "--replay", str(log), *policy) == {"n": 1, "asked_again": 1, "differing": []}
    data = tmp_path / "mine.jsonl"
    data.write_text('{"text": "How do tides work?", "route": "question_answering"}\n' * 2)
    payload = payload_of(capsys, "eval", str(data), "--policy", policy[1], "--output-dir", str(tmp_path / "report"))
    assert payload["accuracy"] == 1


def test_the_demo_gives_a_line_a_query(capsys: Capture) -> None:
    assert main(["--demo", "--json"]) == 0
    *lines, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] for line in [*lines, last]] == [None] * 8
    # The router of this test sends a picture to a route that takes none.
    assert (last["route"], last["proposed_route"]) == ("image_understanding", "question_answering")


@pytest.mark.parametrize(
    "args",
    [
        ("--prompt", "x", "--image-url", "missing.png"),
        ("--list-routes", "--route-config", "broken.json"),
        ("--list-models", "no_such_route"),
        ("--check", "--route-config", "broken.json"),
        ("--why", "--decision-log", "missing.jsonl"),
        ("--replay", "missing.jsonl"),
        ("--feedback", "3f9a", "good", "--decision-log", "missing.jsonl"),
        ("--history-import", "missing.json"),
        ("--history-export", "outputs/sandbox/route_config.json"),
        ("eval", "missing.jsonl"),
    ],
)
def test_status_2_says_so_on_stderr_and_nothing_on_stdout(
    args: tuple[str, ...], capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "broken.json").write_text("{}")
    assert main([*args, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("omni-router: ")
