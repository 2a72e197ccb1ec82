"""`--list-models`, on the sandbox."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.history.cooldowns import write_time
from tests.support.terminal import COLOUR, STATUS, main_on_terminal

TEXT1, TEXT2 = "sandbox/text-generation-1", "sandbox/text-generation-2"

Capture = pytest.CaptureFixture[str]


def shown(name: str, capsys: Capture, policy: Path | None = None, *, status: int = 0) -> list[dict[str, Any]]:
    assert main(["--list-models", name, "--json", *(["--route-config", str(policy)] if policy else [])]) == status
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def row_of(table: str, model: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(model))


def test_a_task_is_shown_as_a_table(sandbox: Sandbox, capsys: Capture) -> None:
    assert main(["--list-models", "text-generation"]) == 0
    table = capsys.readouterr().out
    figures = ["131,072", "0.10", "0.40", "360", "125", "yes"]
    assert row_of(table, TEXT1).split() == [TEXT1, "together,", "fireworks-ai", *figures]
    titles = ["model", "providers", "context", "$", "in", "$", "out", "tokens/s", "first", "ms", "tools"]
    assert row_of(table, "model").split() == titles


def test_a_table_has_no_column_without_a_word_in_it(sandbox: Sandbox, capsys: Capture) -> None:
    assert main(["--list-models", "text-to-image"]) == 0
    table = capsys.readouterr().out
    assert row_of(table, "model").split() == ["model", "providers"]
    assert row_of(table, "sandbox/text-to-image-2").split() == ["sandbox/text-to-image-2", "together"]


def test_json_holds_every_provider(sandbox: Sandbox, capsys: Capture) -> None:
    first, *_ = shown("Text-Generation", capsys)
    assert list(first) == [
        *("id", "providers", "place", "notes", "out", "provider", "expected_provider", "provider_rule", "ranking"),
        *("as_of", "stale"),
    ]
    assert first["id"] == TEXT1
    assert first["providers"][1] == {
        "provider": "fireworks-ai",
        "task": "conversational",
        "context_length": 131_072,
        "input_price": 0.2,
        "output_price": 0.8,
        "tools": False,
        "structured_output": False,
        "is_free": False,
        "first_token_latency_ms": 125.0,
        "throughput": 360.0,
        "gate": None,
    }
    assert (first["place"], first["notes"], first["stale"]) == (None, [], False)
    assert first["as_of"].endswith("Z")


def test_a_route_shows_what_is_in_and_out_and_why(sandbox: Sandbox, capsys: Capture, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    limits = {"max_price": 1.0, "never": ["*:fireworks-ai"], "prefer": "cheapest"}
    policy.write_text(json.dumps([{"name": "chat", "description": "all", **limits}]))
    rows = {row["id"]: row for row in shown("chat", capsys, policy)}
    assert (rows[TEXT1]["out"], rows[TEXT1]["provider"]) == (None, "together")
    gates = {provider["provider"]: provider["gate"] for provider in rows[TEXT1]["providers"]}
    assert gates == {"together": None, "fireworks-ai": "allowed"}
    assert rows[TEXT2]["out"] == "price: max_price is 1 US dollars a million tokens, the lowest offer charges 2.2"
    assert main(["--list-models", "chat", "--route-config", str(policy)]) == 0
    table = capsys.readouterr().out
    assert "out: price: max_price is 1" in row_of(table, TEXT2)
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert "together 131,072 0.10 0.40 180 250 yes chosen: cheapest" in lines
    assert "fireworks-ai 131,072 0.20 0.80 360 125 no out: allowed" in lines


def test_a_route_stands_for_its_task(sandbox: Sandbox, capsys: Capture) -> None:
    assert [row["id"] for row in shown("image_generation", capsys)] == [f"sandbox/text-to-image-{n}" for n in (1, 2, 3)]


def test_the_history_of_a_route_comes_first_in_the_order_of_choice(
    sandbox: Sandbox, capsys: Capture, write_policy: Callable[..., Path]
) -> None:
    used = {"uses": 4, "last_used": "2026-01-01T00:00:00Z"}
    policy = write_policy(
        chat=[
            {"id": TEXT2, "successes": 1, "failures": {"not_found": 3}, **used},
            {"id": TEXT1, "successes": 4, **used},
        ]
    )
    first, second, third, *_ = shown("CHAT", capsys, policy)
    assert [(row["id"], row["place"]) for row in (first, second, third)] == [
        (TEXT1, 1),
        (TEXT2, 2),
        ("sandbox/text-generation-3", None),
    ]
    assert "4 of 4 answered" in first["notes"][0]
    assert main(["--list-models", "chat", "--route-config", str(policy)]) == 0
    assert "number 1; history: 4 of 4 answered" in row_of(capsys.readouterr().out, TEXT1)


def test_a_model_that_cools_down_says_so(sandbox: Sandbox, capsys: Capture, write_policy: Callable[..., Path]) -> None:
    policy = write_policy(chat=[TEXT1, TEXT2])
    until = write_time(datetime.now(timezone.utc) + timedelta(hours=1))
    waits = {TEXT1: [{"kind": "overloaded", "until": until, "times": 1}]}
    policy.with_name(f".{policy.name}.cooling").write_text(json.dumps(waits))
    rows = {row["id"]: row for row in shown("chat", capsys, policy)}
    assert rows[TEXT1]["notes"][-1] == f"cooling down after overloaded until {until}"
    assert rows[TEXT1]["place"] > rows[TEXT2]["place"]


def test_a_model_of_the_history_that_is_in_no_list_is_looked_up(
    sandbox: Sandbox, capsys: Capture, write_policy: Callable[..., Path]
) -> None:
    policy = write_policy(chat=["acme/gone", "sandbox/text-generation-9"], image_generation=["sandbox/text-to-image-4"])
    rows = {row["id"]: row for row in shown("chat", capsys, policy)}
    assert "not on the Hub" in rows["acme/gone"]["notes"][-1]
    assert "or for any other task" in rows["sandbox/text-generation-9"]["notes"][-1]
    assert shown("image_generation", capsys, policy)[0]["notes"][-1] == "served by replicate"


def test_an_unknown_name_is_reported_with_the_allowed_ones(sandbox: Sandbox, capsys: Capture) -> None:
    assert main(["--list-models", "text-to-music"]) == 2
    error = capsys.readouterr().err
    assert "'text-to-music'" in error
    assert "text-to-image" in error
    assert "code_generation" in error


@pytest.mark.parametrize("name", ["text-generation", "text-to-image"])
def test_a_hub_that_is_down_is_reported_and_fails(sandbox: Sandbox, capsys: Capture, name: str) -> None:
    sandbox.fail("hub_503", times=20)
    assert shown(name, capsys, status=1) == []
    sandbox.fail("hub_503", times=20)
    assert main(["--list-models", name]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"models of {name}" in captured.err
    assert "could not load models of" in captured.err


def test_a_task_that_nobody_serves_is_reported_and_fails(sandbox: Sandbox, capsys: Capture) -> None:
    for number in (1, 2, 3):
        sandbox.set_mapping(f"sandbox/text-to-image-{number}", [])
    assert shown("text-to-image", capsys, status=1) == []
    main(["--list-models", "text-to-image"])
    assert "no inference provider serves a model for text-to-image" in capsys.readouterr().err


def test_the_sandbox_is_put_in_place_when_it_is_asked_for_and_what_it_says_is_kept_nowhere() -> None:
    program = """
import sys
from omni_router.cli import main
status = main(["--list-models", "summarization", "--sandbox"])
heavy = {"torch", "transformers", "langgraph"} & set(sys.modules)
raise SystemExit(str(heavy) if heavy else status)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert TEXT1 in done.stdout
    assert [path.name for path in Path(os.environ["OMNI_CACHE_DIR"]).iterdir()] == ["embeddings.sqlite"]


def test_an_old_list_is_reported_as_old(sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from omni_router.hub.catalog import CatalogModel, CatalogSnapshot, HubCatalog, ProviderEntry

    old = CatalogSnapshot((CatalogModel("acme/m", (ProviderEntry("together"),)),), 0.0, stale=True, missing=())
    monkeypatch.setattr(HubCatalog, "snapshot", lambda *_: old)
    assert main(["--list-models", "text-generation"]) == 0
    captured = capsys.readouterr()
    assert "acme/m" in captured.out
    assert "this list is from 1970-01-01T00:00:00Z" in captured.err


# ---- the width of the table

LONG = "an-organization/a-model-with-a-long-name-17b-128e-instruct-fp8"
MANY = ("together", "fireworks-ai", "novita", "nebius", "hf-inference")


def list_long_names(monkeypatch: pytest.MonkeyPatch, columns: int | None) -> None:
    """Show a model with a long id and one with many providers."""
    from omni_router.hub.catalog import CatalogModel, CatalogSnapshot, HubCatalog, ProviderEntry

    dear = ProviderEntry("together", context_length=1_048_576, input_price=0.1, output_price=0.4, tools=True)
    many = CatalogModel("acme/short", tuple(ProviderEntry(name) for name in MANY))
    monkeypatch.setattr(
        HubCatalog,
        "snapshot",
        lambda *_: CatalogSnapshot((CatalogModel(LONG, (dear,)), many), 0.0, stale=False, missing=()),
    )
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["--list-models", "text-generation"]) == 0


@pytest.mark.parametrize("columns", [64, 80, 100, 120])
def test_a_narrow_table_keeps_ids_and_figures_whole(
    columns: int, sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_long_names(monkeypatch, columns)
    table = capsys.readouterr().out
    assert row_of(table, LONG).split() == [LONG, "together", "1,048,576", "0.10", "0.40", "yes"]
    assert all(f"{name}" in table for name in MANY)
    assert len([line for line in table.splitlines() if "hf-inference" in line]) == 1
    if columns >= 112:
        assert max(map(len, table.splitlines())) <= columns


def test_a_table_on_a_pipe_has_one_line_a_model(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_long_names(monkeypatch, None)
    assert ", ".join(MANY) in row_of(capsys.readouterr().out, "acme/short")


def test_a_table_fits_the_columns_that_are_asked_for(
    sandbox: Sandbox, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        sandbox.set_mapping(f"sandbox/text-generation-{number}", MANY, "text-generation")
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--list-models", "text-generation"]) == 0
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 80
    assert TEXT1 in narrow
    monkeypatch.delenv("COLUMNS")
    assert main(["--list-models", "text-generation"]) == 0
    assert ", ".join(MANY) in row_of(capsys.readouterr().out, TEXT1)


def test_a_table_fits_the_terminal(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, write_policy: Callable[..., Path]
) -> None:
    used = {"id": TEXT1, "uses": 4, "successes": 4, "last_used": "2026-01-01T00:00:00Z"}
    argv = ["--list-models", "chat", "--route-config", str(write_policy(chat=[used]))]
    shown = STATUS.sub("", main_on_terminal(argv, monkeypatch, columns=80))
    lines = COLOUR.sub("", shown).split("\n")
    assert max(map(len, lines)) <= 80
    assert f"1. {TEXT1}: history: 4 of 4 answered" in " ".join(" ".join(lines).split())


# ---- the ranking of a route on a terminal

COLUMN_NAMES = ("score", "boards", "quality", "available", "price", "tokens/s", "context")


def ranking(columns: int, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, *argv: str) -> list[str]:
    """Return the lines of the ranking of a route of the default policy."""
    sandbox.list_more()
    monkeypatch.setenv("OMNI_EVIDENCE", "on")
    shown = main_on_terminal(["--list-models", "code_generation", *argv], monkeypatch, columns=columns)
    return [line.rstrip() for line in COLOUR.sub("", STATUS.sub("", shown)).replace("\r", "").split("\n")]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_ranking_fits_the_terminal_with_all_its_figures(
    columns: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ranking(columns, monkeypatch, sandbox)
    printed = [line for line in lines if not line.startswith("omni-router: ")]
    assert max(map(len, printed)) <= columns
    header = next(line for line in lines if "score" in line and "boards" in line)
    assert all(name in header for name in COLUMN_NAMES)
    place = next(number for number, line in enumerate(lines) if line.startswith("1."))
    first = " ".join(lines[place : place + 1 + (columns == 80)]).split()
    assert first[:2] == ["1.", TEXT2]
    assert "novita" in first
    figures = ["0.790", "2", "of", "7", "(10)", "0.84", "0.95", "1.00", "90", "262,144"]
    assert [word for word in first if word in figures] == figures
    for name in COLUMN_NAMES:
        assert any(line.startswith(f"  {name}: ") for line in lines), f"{name} is not explained"


def test_a_ranking_says_why_each_model_has_its_place(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ranking(120, monkeypatch, sandbox)
    text = " ".join(" ".join(lines).split())
    assert f"1. {TEXT2}: first listed of those that tie for the best score: second of 7 on 10 boards, " in text
    assert "sandbox/text-generation-12: worse by 3 points at half the price" in text
    assert f"{TEXT1}: worse by 14 points at 18 % of the price; a tie with number" in text
    others = ", ".join(f"sandbox/image-text-to-text-{number}" for number in (1, 2, 3, 10))
    assert f"{others}: not compared, since not among the first 100 that the Hub lists" in text
    assert "the route's own count 5 times as much as the others: SWE-bench/SWE-bench_Verified" in text


def test_a_ranking_says_what_is_out_and_why(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    limits = {"max_price": 2.5, "never": ["*:fireworks-ai"]}
    policy.write_text(json.dumps([{"name": "code_generation", "description": "all", **limits}]))
    text = " ".join(" ".join(ranking(100, monkeypatch, sandbox, "--route-config", str(policy))).split())
    assert "sandbox/text-generation-10: out: price: max_price is 2.5 US dollars a million tokens" in text
    assert "1 other did not pass: price" in text
    assert "fireworks-ai is out: allowed" in text
