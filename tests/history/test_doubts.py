"""Doubts about answers: a count beside the ratings, in every history, for each decision once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from omni_router.config.records import DOUBT, MAX_DECISIONS, ModelRecord, bad_ratings, read_record
from omni_router.config.route_file import RouteFile
from omni_router.history import Feedback, History, UsageRecord
from omni_router.history.file import FileHistory
from omni_router.history.merging import merge, merge_max, subtract
from omni_router.history.usage import apply_usage
from tests.support.histories import SharedPlace

MODEL = "acme/m1"


def use(decision: str = "d1", second: int = 0, **more: Any) -> UsageRecord:
    return UsageRecord("chat", MODEL, "why", f"2026-01-01T00:00:{second:02}Z", decision=decision, seconds=1.0, **more)


def doubt(decision: str = "d1", second: int = 30) -> UsageRecord:
    """Make what a later turn records about an answer."""
    return use(decision, second, called=False, is_doubted=True, is_earlier=True)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{"name": "chat", "description": "small talk"}]))
    return path


@pytest.fixture(params=["file", "store", "PostgreSQL"])
def history(request: pytest.FixtureRequest, policy: Path) -> History:
    if request.param == "file":
        return FileHistory(RouteFile(policy))
    place = SharedPlace()
    if request.param == "PostgreSQL":
        place = request.getfixturevalue("database")
    return place.history()


def only(records: Sequence[ModelRecord]) -> ModelRecord:
    [record] = records
    return record


def applied(*uses: UsageRecord) -> ModelRecord:
    models: list[Any] = []
    for each in uses:
        apply_usage(models, each)
    record = read_record(models[0])
    assert record
    return record


def test_a_doubt_counts_beside_ratings_and_leaves_uses_answers_and_failures_alone(history: History) -> None:
    history.record(use())
    before = only(history.models("chat"))
    assert history.record(doubt())
    after = only(history.models("chat"))
    assert (after["doubts"], after["doubted"]) == (1, ["2026-01-01T00:00:30Z d1"])
    assert {key: after[key] for key in before} == before  # type: ignore[literal-required]
    assert "bad" not in after


def test_a_decision_is_doubted_once_however_often_and_by_whatever_it_is(history: History) -> None:
    history.record(use(is_doubted=True))  # its answer was empty, say
    history.record(doubt())  # and then the user objected
    history.record(doubt(second=40))
    history.record(use(is_doubted=True, second=50))  # a killed run that is resumed
    history.record(use("d2", 51))
    history.record(doubt("d2", 52))
    record = only(history.models("chat"))
    assert (record["uses"], record["doubts"]) == (2, 2)


def test_a_doubt_about_a_model_without_a_record_adds_none(history: History) -> None:
    assert history.record(doubt()) is None
    assert list(history.models("chat")) == []


def test_a_use_whose_model_the_caller_named_is_never_doubted(history: History) -> None:
    history.record(use())
    history.record(use("d2", 1, is_doubted=True, by_caller=True))
    record = only(history.models("chat"))
    assert (record["by_callers"], record.get("doubts", 0)) == (1, 0)


def test_a_doubt_that_cannot_be_written_waits(policy: Path) -> None:
    history = FileHistory(RouteFile(policy))
    history.record(use())
    whole = policy.read_text()
    policy.write_text("[broken")
    assert history.record(doubt()) is None
    policy.write_text(whole)
    history.flush()
    assert only(history.models("chat"))["doubts"] == 1


def test_another_process_may_doubt_what_this_one_recorded(place: SharedPlace) -> None:
    place.history().record(use())
    place.history().record(doubt())
    place.history().record(doubt(second=40))  # and a third one, which has read of it
    record = only(place.history().models("chat"))
    assert (record["uses"], record["successes"], record["doubts"]) == (1, 1, 1)


def test_merging_adds_doubts_and_an_import_keeps_the_higher_count() -> None:
    one, two = applied(use(), doubt()), applied(use("d2"), doubt("d2"), use("d3", 2), doubt("d3", 32))
    assert only(merge([one, two]))["doubts"] == 3
    both = merge_max(one, two)
    assert (both["doubts"], merge_max(both, two)) == (2, both)
    assert [line.split()[1] for line in both["doubted"]] == ["d1", "d2", "d3"]
    assert subtract(both, one)["doubts"] == 1


def test_a_move_to_another_history_takes_doubts_along(history: History, policy: Path) -> None:
    history.record(use())
    history.record(doubt())
    moved = SharedPlace().history()
    moved.import_(history.export())
    moved.record(doubt(second=40))
    assert only(moved.models("chat"))["doubts"] == 1


def test_the_ids_are_bounded() -> None:
    record = applied(*(each for n in range(30) for each in (use(f"d{n}", n), doubt(f"d{n}", n))))
    assert (record["doubts"], len(record["doubted"])) == (30, MAX_DECISIONS)


@pytest.mark.parametrize(
    ("entry", "bad"),
    [
        ({}, 0),  # of a version that knew no doubts
        ({"bad": 2}, 2),
        ({"bad": 1, "doubts": 4}, 1 + 4 * DOUBT),
        ({"doubts": "many", "doubted": 7}, 0),
    ],
)
def test_old_and_damaged_records_are_read(entry: dict[str, Any], bad: float) -> None:
    record = read_record({"id": MODEL, **entry})
    assert record
    assert bad_ratings(record) == bad


def test_four_doubts_weigh_what_one_person_says(history: History) -> None:
    history.record(use())
    history.add_feedback(Feedback("chat", MODEL, "bad"))
    for number in range(1, 5):
        history.record(use(f"e{number}", number))
        history.record(doubt(f"e{number}"))
    assert bad_ratings(only(history.models("chat"))) == 2
