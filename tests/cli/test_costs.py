"""What the command line shows of costs, recomputed from what the wire reported."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.costs import as_decimal
from tests.support.scripted_router import ScriptedRouter
from tests.support.wire import Wire, recorded

TEXT = "sandbox/text-generation-1"
QUESTION = "How do tides work?"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wire(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    monkeypatch.setattr("omni_router.evaluation.policy_check.overlaps", lambda *_: [])
    router.choose("question_answering", TEXT)
    with _sandbox.sandbox() as box, recorded(box) as wire:
        yield wire


def bill(wire: Wire) -> float:
    [amount] = wire.bills()
    assert amount is not None
    return float(amount)


def test_json_has_the_cost_of_the_run_and_of_each_call(capsys: Capture, wire: Wire) -> None:
    assert main(["--prompt", QUESTION, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["cost"] == result["attempts"][0]["cost"] == pytest.approx(bill(wire), abs=1e-13)


def test_the_line_of_a_call_shows_its_tokens_and_its_cost(capsys: Capture, wire: Wire) -> None:
    assert main(["--prompt", QUESTION]) == 0
    usage = wire.chats()[0].usage()
    assert usage is not None
    shown = f"{usage['prompt_tokens']} + {usage['completion_tokens']} tokens, ${as_decimal(bill(wire))}"
    assert shown in capsys.readouterr().out


def test_the_log_keeps_it_and_why_shows_it(capsys: Capture, wire: Wire, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert main(["--prompt", QUESTION, "--decision-log", str(log)]) == 0
    capsys.readouterr()
    [entry] = map(json.loads, log.read_text().splitlines())
    assert entry["attempts"][0]["cost"] == pytest.approx(bill(wire), abs=1e-13)
    assert main(["--why", "--decision-log", str(log)]) == 0
    assert f"${as_decimal(bill(wire))}" in capsys.readouterr().out


def test_a_call_of_an_older_log_without_costs_is_shown_as_it_was(capsys: Capture, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert main(["--prompt", QUESTION, "--decision-log", str(log)]) == 0
    entry = json.loads(log.read_text())
    for key in ("usage", "cost", "estimated_cost"):
        del entry["attempts"][0][key]
    log.write_text(json.dumps(entry) + "\n")
    capsys.readouterr()
    assert main(["--why", "--decision-log", str(log)]) == 0
    assert "cost unknown" in capsys.readouterr().out


def test_the_history_keeps_it(wire: Wire, tmp_path: Path) -> None:
    policy = tmp_path / "own.json"
    policy.write_text('[{"name": "question_answering", "description": "facts"}]')
    assert main(["--prompt", QUESTION, "--route-config", str(policy)]) == 0
    [record] = json.loads(policy.read_text())[0]["models"]
    usage = wire.chats()[0].usage()
    assert usage is not None
    assert record["cost"] == pytest.approx(bill(wire), abs=1e-13)
    assert (record["input_tokens"], record["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])


def test_a_spent_budget_ends_with_status_1_and_says_what_to_do(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_BUDGET", "0.000001/day")
    assert main(["--prompt", QUESTION, "--json"]) == 0
    capsys.readouterr()
    assert main(["--prompt", QUESTION, "--json"]) == 1  # another process would see the same: it is in a file
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["hint"]) == ("payment", "Raise OMNI_BUDGET, or unset it.")
    assert error["message"].startswith("The budget is used up. ($0.00")
