"""`--check` and `--list-models`, as a user runs them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router._sandbox import Sandbox
from omni_router.cli import main

Capture = pytest.CaptureFixture[str]
TEXT = "sandbox/text-generation-1"


@pytest.fixture(autouse=True)
def no_sandbox_left() -> Iterator[None]:
    yield
    while _sandbox.active():
        _sandbox.uninstall()


def route(name: str, description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "task": "text-generation", "examples": ["an example"], **more}


LAW = route("law", "questions about contracts; tenancy and consumer law")
FOOD = route("food", "recipes and cooking; what to eat tonight")


def findings(tmp_path: Path, capsys: Capture, *routes: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(routes))
    status = main(["--check", "--json", "--sandbox", "--route-config", str(path)])
    return status, json.loads(capsys.readouterr().out)


def test_the_packaged_policy_is_in_order(capsys: Capture) -> None:
    assert main(["--check", "--sandbox"]) == 0
    assert capsys.readouterr().out == "the packaged default policy: 10 routes, nothing wrong\n"


def test_a_good_policy_is_in_order(tmp_path: Path, capsys: Capture) -> None:
    assert findings(tmp_path, capsys, LAW, FOOD) == (0, [])


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([LAW, route("legal", "legal advice; questions about law and contracts")], "overlap (0."),
        (
            [LAW, route("tech", "mending computers; tenancy and consumer law; phones, tablets and printers")],
            "both claim",
        ),
        ([{k: v for k, v in LAW.items() if k != "task"}], "no task"),
        ([{k: v for k, v in LAW.items() if k != "examples"}], "no examples"),
        ([{**LAW, "task": "nonsense"}, FOOD], "'nonsense' is not one of"),
        ([{**LAW, "models": ["acme/nowhere"]}], "can no longer be called: not on the Hub"),
        ([{**LAW, "models": ["sandbox/text-generation-9"]}], "no inference provider serves it"),
    ],
)
def test_what_is_wrong_is_a_problem(routes: list[dict[str, Any]], told: str, tmp_path: Path, capsys: Capture) -> None:
    status, found = findings(tmp_path, capsys, *routes)
    assert status == 1
    [problem] = [finding for finding in found if finding["level"] == "problem"]
    assert told in problem["finding"]
    assert problem["hint"]


def test_pictures_have_their_task_by_name_and_learned_examples_count(tmp_path: Path, capsys: Capture) -> None:
    pictures = {"name": "image_generation", "description": "drawing", "learned": ["draw a cat"]}
    assert findings(tmp_path, capsys, pictures) == (0, [])


def test_what_was_never_used_beside_used_ones_is_a_note(tmp_path: Path, capsys: Capture) -> None:
    used = {"id": TEXT, "uses": 3, "last_used": "2026-01-01T00:00:00Z"}
    status, [note] = findings(tmp_path, capsys, {**LAW, "models": [used, "sandbox/text-generation-2"]})
    assert status == 0
    assert (note["level"], note["model"], note["finding"]) == (
        *("note", "sandbox/text-generation-2"),
        "it has never been used",
    )
    assert findings(tmp_path, capsys, {**LAW, "models": ["sandbox/text-generation-2"]}) == (0, [])


def test_a_hub_that_is_away_is_a_note(tmp_path: Path, capsys: Capture, sandbox: Sandbox) -> None:
    sandbox.fail("hub_503", times=50)
    status, [note] = findings(tmp_path, capsys, {**LAW, "models": [TEXT]})
    assert status == 0
    assert "could not be checked" in note["finding"]


def test_a_renamed_model_is_a_note(tmp_path: Path, capsys: Capture, sandbox: Sandbox) -> None:
    sandbox.set_mapping("acme/old", ["novita"], "text-generation")
    sandbox.rename("acme/old", "acme/new")
    status, [note] = findings(tmp_path, capsys, {**LAW, "models": ["acme/old"]})
    assert (status, note["finding"]) == (0, "it is now called acme/new")


def test_a_missing_encoder_is_a_note(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ROUTER_MODEL", str(tmp_path / "nothing"))
    status, [note] = findings(tmp_path, capsys, LAW, FOOD)
    assert status == 0
    assert "overlap could not be checked" in note["finding"]


def test_people_read_one_line_a_finding(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps([{**LAW, "models": ["acme/nowhere"]}]))
    assert main(["--check", "--sandbox", "--route-config", str(path)]) == 1
    problem, summary = capsys.readouterr().out.splitlines()
    assert problem.startswith("problem: law acme/nowhere: it can no longer be called")
    assert summary.endswith("1 routes, 1 problem")


def test_a_broken_policy_is_to_be_corrected_first(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "policy.json"
    path.write_text("[{]")
    assert main(["--check", "--sandbox", "--route-config", str(path)]) == 2
    assert f"{path}:1" in capsys.readouterr().err


# ---- --list-models


@pytest.mark.parametrize("wanted", ["text-generation", "Code_Generation"])
def test_models_of_a_task_or_a_route_are_listed_with_providers_and_prices(wanted: str, capsys: Capture) -> None:
    assert main(["--list-models", wanted, "--sandbox"]) == 0
    out = capsys.readouterr().out
    assert "Served for text-generation right now" in out
    head, first, *_ = out.splitlines()[2:]
    assert head.split() == ["model", "provider", "context", "$", "in", "$", "out", "tools"]
    assert first.split() == [TEXT, "together", "131,072", "0.10", "0.40", "yes"]


def test_models_are_listed_as_json(capsys: Capture) -> None:
    assert main(["--list-models", "text-to-image", "--sandbox", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert [model["id"] for model in models] == [f"sandbox/text-to-image-{n}" for n in (1, 2, 3)]
    assert models[0]["providers"][0]["provider"] == "hf-inference"


def test_an_unknown_task_names_those_there_are(capsys: Capture) -> None:
    assert main(["--list-models", "dancing", "--sandbox"]) == 2
    err = capsys.readouterr().err
    assert "text-to-image" in err
    assert "code_generation" in err


def test_nothing_listed_is_a_failure(capsys: Capture, sandbox: Sandbox) -> None:
    sandbox.fail("hub_503", times=50)
    assert main(["--list-models", "text-generation", "--sandbox"]) == 1
    assert "could not be asked" in capsys.readouterr().err
