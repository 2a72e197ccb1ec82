"""The evidence of the sandbox, read by the real client over the wire, with all that may be wrong with it."""

from collections.abc import Callable
from typing import Any

import pytest

from omni_router._sandbox import Sandbox
from omni_router._sandbox.boards import ARENA_PATH
from omni_router.hub.evidence import EvidenceSnapshot, HubEvidence
from omni_router.hub.evidence.memory import REFRESH
from omni_router.hub.evidence.refresh import FIRST_PAUSE
from omni_router.selection.board_values import BoardValues, board_values

CODE = "SWE-bench/SWE-bench_Verified"
PATH = f"/api/datasets/{CODE}/leaderboard"
BEST = "sandbox/text-generation-10"


class Reader:
    """Evidence with a clock, and with the pauses that it makes."""

    def __init__(self) -> None:
        self.now, self.pauses = 1_800_000_000.0, list[float]()
        self.evidence = HubEvidence(None, lambda: self.now, self.pauses.append)

    def read(self) -> EvidenceSnapshot:
        return self.evidence.wait(20)


@pytest.fixture
def reader(sandbox: Sandbox) -> Reader:
    sandbox.list_more()
    return Reader()


def board(snapshot: EvidenceSnapshot, name: str = CODE) -> dict[str, float]:
    return {row.model: row.value for row in snapshot.rows if row.board == name}


def of_served(sandbox: Sandbox, snapshot: EvidenceSnapshot) -> BoardValues:
    served = list(sandbox.models())
    return board_values(snapshot.matched(served).rows, served)


MALFORMED: list[Any] = [None, 7, {}, {"modelId": BEST}, {"value": 99.0}, {"modelId": ["a/b"], "value": 1}]


def test_malformed_rows_cost_themselves_alone(sandbox: Sandbox, reader: Reader) -> None:
    whole = reader.read()
    sandbox.bend(PATH, lambda rows: [*MALFORMED, *rows])
    sandbox.bend(ARENA_PATH, lambda page: {**page, "rows": [*MALFORMED, *page["rows"]]})
    snapshot = Reader().read()
    assert (snapshot.rows, snapshot.ratings) == (whole.rows, whole.ratings)
    assert snapshot.dropped["malformed row"] == 5 * len(MALFORMED)  # the board, and four configs of Arena


def test_quantised_copies_are_left_out(sandbox: Sandbox, reader: Reader) -> None:
    whole = reader.read()
    copies = [
        {"modelId": f"{name}-{suffix}", "value": value}
        for name, value in board(whole).items()
        for suffix in ("FP8", "AWQ")
    ]
    sandbox.bend(PATH, lambda rows: [*rows, *copies])
    snapshot = Reader().read()
    assert snapshot.rows == whole.rows
    assert snapshot.dropped["quantised copy"] == len(copies)


def test_duplicates_with_notes_change_no_value_without(sandbox: Sandbox, reader: Reader) -> None:
    whole = reader.read()
    sandbox.bend(PATH, lambda rows: [{**row, "value": 99.0, "notes": "best of 64"} for row in rows] + rows)
    snapshot = Reader().read()
    assert board(snapshot) == board(whole)
    assert set(board(snapshot, f"{CODE}#notes").values()) == {99.0}


def test_a_board_upside_down_is_left_out_and_the_others_choose(sandbox: Sandbox, reader: Reader) -> None:
    assert not of_served(sandbox, reader.read()).left_out
    sandbox.bend(PATH, lambda rows: [{**row, "value": 100 - row["value"]} for row in rows])
    assert of_served(sandbox, Reader().read()).left_out == {CODE}


def test_a_board_of_errors_is_turned_the_right_way_round(sandbox: Sandbox, reader: Reader) -> None:
    before = of_served(sandbox, reader.read())
    sandbox.bend(PATH, lambda rows: [{**row, "value": 100 - row["value"], "lower_is_better": True} for row in rows])
    after = of_served(sandbox, Reader().read())
    assert after.scales[CODE] == pytest.approx(before.scales[CODE])


def test_a_429_is_waited_for_as_long_as_the_server_asks(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.fail("boards_429")
    assert not reader.read().missing
    assert reader.pauses.count(7.0) == 1


@pytest.mark.parametrize("fault", ["boards_503", "boards_html"])
def test_what_a_fault_has_cost_is_read_later(sandbox: Sandbox, reader: Reader, fault: str) -> None:
    reader.read()
    reader.now += REFRESH[1]
    sandbox.fail(fault, times=2)  # the list, and the first board
    assert board(reader.read())
    reader.now += FIRST_PAUSE + 1
    asked = len(sandbox.requests)
    assert not reader.read().stale
    assert len(sandbox.requests) - asked == 2


def test_hours_later_the_rows_stay_and_are_stale_while_nothing_can_be_read(sandbox: Sandbox, reader: Reader) -> None:
    before = reader.read()
    sandbox.fail("boards_503", times=1000)
    reader.now += REFRESH[1] + 3600
    later = reader.read()
    assert later.stale
    assert (later.rows, later.ratings) == (before.rows, before.ratings)


@pytest.mark.parametrize(
    "change",
    [
        lambda _rows: {"error": "soon"},
        lambda rows: [{**row, "value": 10**8} for row in rows[:1]] + rows[1:],
        lambda rows: rows * 500,
    ],
    ids=["no board", "an absurd value", "far too many rows"],
)
def test_one_bad_board_changes_no_value_on_another(
    sandbox: Sandbox, reader: Reader, change: Callable[[Any], Any]
) -> None:
    before = of_served(sandbox, reader.read()).scales
    sandbox.bend(PATH, change)
    after = of_served(sandbox, Reader().read()).scales
    assert {name: scale for name, scale in after.items() if name != CODE} == {
        name: scale for name, scale in before.items() if name != CODE
    }
