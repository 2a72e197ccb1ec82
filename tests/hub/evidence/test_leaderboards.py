"""What is read of the official boards: a malformed row costs that row alone."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from omni_router.hub.evidence.leaderboards import MAX_BOARDS, MAX_ROWS, board_rows, read_board, read_boards
from omni_router.hub.evidence.snapshot import BoardRow, boards_named

BOARD = "SWE-bench/SWE-bench_Verified"
ONE, TWO = "sandbox/text-generation-1", "sandbox/text-generation-2"
ARENA = "lmarena-ai/leaderboard-dataset"

json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def row(model: str = ONE, value: Any = 50.0, **more: Any) -> dict[str, Any]:
    return {"modelId": model, "value": value, "lower_is_better": False, **more}


def rows_of(*body: Any) -> list[BoardRow]:
    return list(board_rows(BOARD, read_board(list(body))))


MALFORMED: list[Any] = [
    *(None, 1, "row", [], {}, {"modelId": ONE}, {"value": 1.0}, row("not an id"), row("sandbox/../x")),
    *(row(value=value) for value in (None, "50", True, [50.0], math.nan, math.inf, 10**400)),
    {**row(), "modelId": [ONE]},
]


@pytest.mark.parametrize("bad", MALFORMED, ids=repr)
def test_a_malformed_row_costs_that_row_alone(bad: Any) -> None:
    content = read_board([row(ONE), bad, row(TWO)])
    assert [each.model for each in board_rows(BOARD, content)] == [ONE, TWO]
    assert content["dropped"] == {"malformed row": 1}


@given(json_values, json_values)
def test_whatever_a_row_holds_the_others_are_read(anything: Any, value: Any) -> None:
    odd = row(TWO, notes=anything, source=anything, pullRequest=anything, lower_is_better=anything, author=anything)
    rows = rows_of(row(ONE), odd, {**row(TWO), "value": value}, anything)
    assert rows[0] == BoardRow(BOARD, ONE, 50.0)
    assert all(math.isfinite(each.value) for each in rows)


@pytest.mark.parametrize("body", [None, {}, "rows", {"error": "gone"}, [1, 2], [None]], ids=repr)
def test_what_is_not_a_board_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        read_board(body)


def test_an_empty_board_is_a_board() -> None:
    assert rows_of() == []


def test_rows_of_open_pull_requests_and_excluded_sources_are_left_out() -> None:
    source = {"url": "https://artificialanalysis.ai/models", "name": "AA", "isExternal": True}
    content = read_board(
        [row(ONE), row(TWO, pullRequest=17), row(TWO, source=source), row(TWO, source="Artificial\u00a0Analysis")]
    )
    assert [each.model for each in board_rows(BOARD, content)] == [ONE]
    assert content["dropped"] == {"open pull request": 1, "excluded source": 2}


def test_notes_may_name_an_excluded_source() -> None:
    assert read_board([row(ONE), row(TWO, notes="measured by Artificial Analysis")])["dropped"] == {
        "excluded source": 1
    }


def test_a_source_of_another_name_is_kept() -> None:
    assert rows_of(row(source={"url": "https://www.swebench.com", "name": "SWE-bench"}, pullRequest=None))


def test_values_with_notes_belong_to_a_board_of_their_own() -> None:
    rows = rows_of(row(ONE, 54.7, notes="with tools"), row(ONE, 40.5), row(TWO, 12.0, notes="  "))
    assert rows == [BoardRow(f"{BOARD}#notes", ONE, 54.7), BoardRow(BOARD, ONE, 40.5), BoardRow(BOARD, TWO, 12.0)]
    assert [each.notes for each in rows] == [True, False, False]


def test_several_rows_of_a_model_are_handed_on() -> None:
    assert [each.value for each in rows_of(row(ONE, 40.0), row(ONE, 42.0))] == [40.0, 42.0]


@pytest.mark.parametrize("key", ["taskId", "task_id"])
def test_values_of_another_task_of_the_same_benchmark_are_not_mixed_in(key: str) -> None:
    tasks: list[dict[str, Any]] = [{key: "diamond"}, {key: "diamond"}, {key: "easy"}, {key: None}]
    content = read_board([row(ONE, 40.0 + n, **task) for n, task in enumerate(tasks)])
    assert [each.value for each in board_rows(BOARD, content)] == [40.0, 41.0]
    assert content["dropped"] == {"another task of the benchmark": 2}


@pytest.mark.parametrize("suffix", ["FP8", "AWQ", "GPTQ-Int4", "GGUF", "MLX-4bit", "quantized.w4a16", "nvfp4"])
def test_a_quantised_copy_with_the_value_of_its_original_is_left_out(suffix: str) -> None:
    copy = f"sandbox-copies/text-generation-1-{suffix}"
    content = read_board([row(ONE, 61.0), row(copy, 61.0), row(TWO, 61.0)])
    assert [each.model for each in board_rows(BOARD, content)] == [ONE, TWO]
    assert content["dropped"] == {"quantised copy": 1}
    assert len(rows_of(row(ONE, 61.0), row(copy, 60.2))) == 2, "it was measured itself"
    assert len(rows_of(row(copy, 61.0))) == 1


def test_a_board_upside_down_is_marked_also_where_one_row_says_otherwise() -> None:
    rows = rows_of(*(row(f"sandbox/text-generation-{n}", n, lower_is_better=n != 3) for n in range(1, 6)))
    assert [each.lower_is_better for each in rows] == [True] * 5
    assert not any(each.lower_is_better for each in rows_of(row(), {**row(TWO), "lower_is_better": "yes"}))


def test_a_board_is_read_up_to_a_limit() -> None:
    content = read_board([row(value=float(n)) for n in range(MAX_ROWS + 5)])
    assert len(content["rows"]) == MAX_ROWS
    assert content["dropped"] == {"more rows than are read": 5}


def test_the_official_benchmarks_are_read_up_to_a_limit_and_each_once() -> None:
    body = [None, {"id": 3}, {"id": "a/b"}, {"id": "a/b"}, {"id": "../../x"}, {}]
    assert read_boards(body) == ["a/b"]
    assert len(read_boards([{"id": f"a/b{n}"} for n in range(MAX_BOARDS + 1)])) == MAX_BOARDS


@pytest.mark.parametrize("body", [None, {}, [], [{"id": 1}], "a/b"], ids=repr)
def test_a_list_without_benchmarks_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        read_boards(body)


def test_a_route_names_a_board_its_notes_and_all_below_it() -> None:
    boards = {"cais/hle", "cais/hle#notes", "cais/hle2", f"{ARENA}/text/coding", f"{ARENA}/text/math", f"{ARENA}/i/x"}
    assert boards_named(["cais/hle"], boards) == {"cais/hle", "cais/hle#notes"}
    assert boards_named([f"{ARENA}/text"], boards) == {f"{ARENA}/text/coding", f"{ARENA}/text/math"}
    assert boards_named([f"{ARENA}/text/math", "nobody/nothing"], boards) == {f"{ARENA}/text/math"}
    assert boards_named([], boards) == frozenset()
