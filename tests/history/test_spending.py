"""What calls cost, in the history of a model and in the ledger of a day, whatever the store."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from omni_router import sandbox
from omni_router.config.records import read_record
from omni_router.config.route_file import RouteFile
from omni_router.costs import rounded
from omni_router.history import History, UsageRecord
from omni_router.history.cooldowns import write_time
from omni_router.history.database import Database
from omni_router.history.file import FileHistory
from omni_router.history.merging import merge, merge_max, subtract
from omni_router.history.postgresql_spending import PostgresLedger
from omni_router.history.spending import FileLedger, Ledger
from omni_router.history.store_spending import StoreLedger
from omni_router.state import TokenUsage
from tests.support.clock import Clock
from tests.support.histories import SharedPlace, rows
from tests.support.processes import ROOT

NOW = datetime(2026, 6, 15, 12, tzinfo=timezone.utc)
ROUTE, MODEL = "chat", "acme/m1"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def use(cost: float | None, tokens: int = 1000, **more: Any) -> UsageRecord:
    usage = TokenUsage(input_tokens=tokens, output_tokens=tokens // 10)
    return UsageRecord(ROUTE, MODEL, "why", write_time(NOW), usage=usage, cost=cost, **more)


# ---- the history of a model


@pytest.fixture(params=["file", "store", "PostgreSQL"])
def writers(request: pytest.FixtureRequest, route_config: Path, clock: Clock) -> tuple[History, History, History]:
    """Two that write, and one that reads afterwards, as after a restart."""
    if request.param == "file":
        route_config.write_text(json.dumps([{"name": ROUTE, "description": "small talk"}]))
        one, other, reader = (FileHistory(RouteFile(route_config)) for _ in range(3))
        return one, other, reader
    place = SharedPlace()
    if request.param == "PostgreSQL":
        place = request.getfixturevalue("database")
    return place.history(clock), place.history(clock), place.history(clock)


def test_a_model_s_history_adds_up_tokens_and_costs(writers: tuple[History, History, History]) -> None:
    one, other, reader = writers
    one.record(use(0.1, decision="a"))
    one.record(use(0.1, decision="a"))  # a resumed run reports it again
    other.record(use(0.2, tokens=50, decision="b"))
    other.record(use(None, decision="c", is_cost_unknown=True))
    one.record(use(0.000000000001, tokens=10, decision="d"))
    one.record(use(5.0, decision="e", by_caller=True))
    [record] = reader.models(ROUTE)
    assert record["cost"] == 0.300000000001
    assert (record["input_tokens"], record["output_tokens"]) == (2060, 206)
    assert (record["unknown_costs"], record["uses"], record["by_callers"]) == (1, 4, 1)


def test_an_export_brings_costs_and_an_import_takes_the_higher(writers: tuple[History, History, History]) -> None:
    one, other, reader = writers
    one.record(use(0.1, decision="a"))
    entries = [{"name": ROUTE, "models": [{"id": MODEL, "uses": 3, "cost": 0.7, "input_tokens": 9000}], "learned": []}]
    for _ in range(2):
        other.import_(entries)
    [exported] = reader.export()[0]["models"]
    assert (exported["cost"], exported["input_tokens"], exported["output_tokens"]) == (0.7, 9000, 100)


def test_without_a_known_cost_none_is_kept(writers: tuple[History, History, History]) -> None:
    one, _, reader = writers
    one.record(UsageRecord(ROUTE, MODEL, "why", write_time(NOW), is_cost_unknown=True))
    [record] = reader.models(ROUTE)
    assert "cost" not in record
    assert record["unknown_costs"] == 1


@pytest.mark.parametrize("cost", [-1, "1", None, True, float("inf"), float("nan"), 1e30])
def test_a_cost_that_is_none_is_not_read(cost: object) -> None:
    record = read_record({"id": MODEL, "cost": cost})
    assert record is not None
    assert "cost" not in record


amounts = st.integers(0, 10**12).map(lambda parts: parts / 10**12)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(amounts, min_size=1, max_size=20), st.randoms())
def test_merged_in_any_order_a_cost_is_the_exact_sum(costs: list[float], chance: Any) -> None:
    records: Any = [{"id": MODEL, "cost": cost} for cost in costs]
    shuffled = [*records]
    chance.shuffle(shuffled)
    exact = sum(round(cost * 10**12) for cost in costs) / 10**12
    assert merge(records)[0]["cost"] == merge(shuffled)[0]["cost"] == exact
    whole = merge(records)[0]
    higher = merge_max(records[0], whole)
    assert merge([records[0], subtract(higher, records[0])])[0]["cost"] == higher["cost"]


# ---- the ledger of a day


@pytest.fixture(params=["file", "store", "PostgreSQL"])
def ledgers(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Ledger]:
    """Each one is another process."""
    if request.param == "file":
        return lambda: FileLedger(tmp_path / "spending", clock)
    if request.param == "PostgreSQL":
        address = request.getfixturevalue("address")
        return lambda: PostgresLedger(address, clock)
    store = InMemoryStore()
    return lambda: StoreLedger(lambda: store, clock)


def test_a_day_s_sum_is_shared_and_survives_a_restart(ledgers: Callable[[], Ledger]) -> None:
    one, other = ledgers(), ledgers()
    one.add(0.1, "a")
    other.add(0.2, "b")
    one.add(0.4, "c")
    assert ledgers().spent() == 0.7


def test_a_call_that_is_reported_again_counts_once(ledgers: Callable[[], Ledger]) -> None:
    one = ledgers()
    one.add(0.1, "a")
    one.add(0.1, "a")
    again = ledgers()  # the process was killed, and its run is resumed in another
    again.spent()
    again.add(0.1, "a")
    assert ledgers().spent() == 0.1


def test_a_new_day_begins_at_zero_in_utc(ledgers: Callable[[], Ledger], clock: Clock) -> None:
    one = ledgers()
    one.add(3, "a")
    clock.at += timedelta(days=1)
    assert one.spent() == ledgers().spent() == 0
    one.add(1, "b")
    assert one.spent() == ledgers().spent() == 1


def test_items_of_days_that_are_over_are_deleted(clock: Clock) -> None:
    store = InMemoryStore()
    StoreLedger(lambda: store, clock).add(1, "a")
    clock.at += timedelta(days=1)
    ledger = StoreLedger(lambda: store, clock)
    ledger.add(2, "b")
    assert ledger.spent() == 2
    assert [item.value["spent"] for item in store.search(("omni_router", "spending"))] == [2]


def test_a_file_that_cannot_be_written_counts_here_and_is_made_up_for(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "blocked"
    folder.write_text("a file where a folder should be")
    ledger = FileLedger(folder / "spending", clock)
    with caplog.at_level(logging.WARNING):
        ledger.add(0.5, "a")
        ledger.add(0.25, "b")
    assert ledger.spent() == 0.75
    assert len(caplog.records) == 1
    folder.unlink()
    ledger.add(0.25, "c")
    assert FileLedger(folder / "spending", clock).spent() == 1


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"day": "2026-06-15"}', '{"day": "2026-06-15", "spent": -1}'])
def test_a_broken_file_begins_anew(tmp_path: Path, clock: Clock, text: str) -> None:
    path = tmp_path / "spending"
    path.write_text(text)
    ledger = FileLedger(path, clock)
    ledger.add(0.5, "a")
    assert ledger.spent() == 0.5


class Broken(InMemoryStore):
    is_down = False

    def batch(self, ops: Any) -> Any:
        if self.is_down:
            raise OSError("no connection")
        return super().batch(ops)


def test_while_the_store_is_down_spending_counts_here_and_is_made_up_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
    monkeypatch.setattr("omni_router.history.store_spending.FRESH", 0.0)
    store = Broken()
    ledger = StoreLedger(lambda: store, clock)
    ledger.add(0.1, "a")
    store.is_down = True
    ledger.add(0.2, "b")
    assert ledger.spent() == rounded(0.3)
    store.is_down = False
    assert ledger.spent() == rounded(0.3)
    assert StoreLedger(lambda: store, clock).spent() == rounded(0.3)


def test_calls_are_deleted_from_the_database_after_a_week_and_sums_stay(address: str, clock: Clock) -> None:
    for day, call in ((0, "a"), (7, "b"), (8, "c")):
        clock.at = NOW + timedelta(days=day)
        PostgresLedger(address, clock).add(1, call)
    assert rows(address, "SELECT day, call FROM omni_router_calls ORDER BY day") == [
        ("2026-06-22", "b"),
        ("2026-06-23", "c"),
    ]
    assert rows(address, "SELECT spent::int FROM omni_router_spending ORDER BY day") == [(1,)] * 3


def test_what_the_sandbox_spends_is_not_money(address: str, clock: Clock) -> None:
    with sandbox():
        PostgresLedger(address, clock).add(1, "a")
    assert PostgresLedger(address, clock).spent() == 0


@pytest.mark.parametrize("arrives", [True, False])
def test_in_an_outage_of_the_database_spending_counts_here_and_is_made_up_for_once(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, arrives: bool
) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
    monkeypatch.setattr("omni_router.history.postgresql_spending.FRESH", 0.0)
    ledger, real = PostgresLedger(address, clock), Database.use
    ledger.add(0.1, "a")

    def fail(database: Database, work: Callable[[Any], Any]) -> Any:
        if arrives:
            real(database, work)
        raise OSError("the answer is lost")

    monkeypatch.setattr(Database, "use", fail)
    ledger.add(0.2, "b")
    ledger.add(0.2, "b")
    assert ledger.spent() == rounded(0.3)
    clock.at += timedelta(days=1)
    ledger.add(0.4, "c")
    assert ledger.spent() == 0.4
    monkeypatch.setattr(Database, "use", real)
    assert ledger.spent() == PostgresLedger(address, clock).spent() == 0.4
    assert rows(address, "SELECT spent::float8 FROM omni_router_spending ORDER BY day") == [(0.3,), (0.4,)]


def test_processes_that_add_to_one_day_in_the_database_lose_nothing(address: str, clock: Clock) -> None:
    ledgers = [PostgresLedger(address, clock) for _ in range(4)]

    def add(number: int) -> None:
        for call in range(20):
            ledgers[number].add(0.01, f"{number} {call}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert PostgresLedger(address, clock).spent() == 0.8


ADD = """
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from omni_router.history.spending import FileLedger
ledger = FileLedger(Path(sys.argv[1]), lambda: datetime(2026, 6, 15, 12, tzinfo=timezone.utc))
for number in range(20):
    ledger.add(0.01, f"{sys.argv[2]} {number}")
"""


def test_processes_that_write_one_file_lose_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "spending"
    command = [sys.executable, "-c", ADD, str(path)]
    processes = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b", "c")]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert FileLedger(path, clock).spent() == 0.6


def test_users_have_sums_of_their_own_over_one_connection(address: str, clock: Clock) -> None:
    ledger = PostgresLedger(address, clock)
    ada, grace = ledger.for_user("ada"), ledger.for_user("grace")
    ada.add(0.25, "a")
    grace.add(0.5, "a")  # an id of another user's call is another call
    ada.add(0.25, "b")
    assert [each.spent() for each in (ledger, ada, grace)] == [0, 0.5, 0.5]
    assert PostgresLedger(address, clock).for_user("ada").spent() == 0.5


def test_nobody_waits_long_for_a_run_that_waits_for_the_database(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.PATIENCE", 0.2)
    ledger = PostgresLedger(address, Clock(NOW))
    ledger.add(1.0, "a")
    ends = threading.Event()

    def hold() -> None:
        with ledger._link.lock:
            ends.wait(60)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(hold)
        try:
            pool.submit(ledger.add, 0.5, "b").result(timeout=20)
            assert pool.submit(ledger.spent).result(timeout=20) == 1.5
        finally:
            ends.set()
    ledger._link._again_at = float("-inf")  # what a pause later would be
    ledger.add(0.25, "c")
    assert PostgresLedger(address, Clock(NOW)).spent() == 1.75
