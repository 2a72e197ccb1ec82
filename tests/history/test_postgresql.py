"""History in tables of a real PostgreSQL: many writers, outages, and additions that are sent again."""

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from omni_router import sandbox
from omni_router.config.environment import Environment
from omni_router.config.records import MAX_DECISIONS, RECENT
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError, HistoryUnreachable
from omni_router.history import Feedback, UsageRecord
from omni_router.history.cooldowns import next_cooldowns
from omni_router.history.database import Database
from omni_router.history.merging import MAX_MODELS
from omni_router.history.postgresql import PostgresHistory
from omni_router.history.postgresql_spending import PostgresLedger
from omni_router.history.tables import MIGRATIONS
from omni_router.history.usage import MAX_LEARNED, apply_usage
from omni_router.services.history import open_history
from omni_router.state import TokenUsage
from tests.support.clock import Clock
from tests.support.histories import NOW, SharedPlace, rows, use
from tests.support.postgres import hanging

SECRET = "not-to-be-shown"


class Network:
    """The way to the database: what is sent is lost, or arrives and its answer is lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loses_requests = self.loses_answers = False
        monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
        monkeypatch.setattr("omni_router.storage.store_link.QUICK", -1.0)  # nothing is repeated at once
        real = Database.use

        def use(database: Database, work: Callable[[Any], Any]) -> Any:
            if self.loses_requests:
                raise psycopg.OperationalError(f"cannot reach {SECRET}")
            result = real(database, work)
            if self.loses_answers:
                raise psycopg.OperationalError(f"lost {SECRET}")
            return result

        monkeypatch.setattr(Database, "use", use)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


# ---- one row a model


def test_a_row_holds_what_a_record_in_the_file_would(database: SharedPlace) -> None:
    """Every key, after uses of every kind from several processes."""
    tokens = TokenUsage(input_tokens=1000, output_tokens=50)
    uses = [
        use(decision="a", usage=tokens, cost=0.1, at=NOW),
        use(outcome="malformed_answer", decision="b", usage=tokens, cost=0.2, at=NOW + timedelta(seconds=1)),
        use(outcome="not_found", decision="c", at=NOW + timedelta(seconds=2)),
        use(decision="d", is_cost_unknown=True, is_doubted=True, at=NOW + timedelta(seconds=3)),
        use(decision="e", by_caller=True, cost=9.0, at=NOW + timedelta(seconds=4)),
        use(outcome="overloaded", decision="f", at=NOW + timedelta(seconds=5)),
        use(outcome="not_found", decision="g", at=NOW + timedelta(seconds=6)),
    ]
    in_file: list[Any] = []
    for each in uses:
        apply_usage(in_file, each)
        database.history().record(each)
    assert [dict(database.records()["acme/m1"])] == in_file
    assert in_file[0].keys() >= {"cost", "unknown_costs", "doubts", "doubted", "by_callers", "last_failure"}


def test_lists_of_a_row_are_bounded_and_have_the_newest(database: SharedPlace) -> None:
    history = database.history()
    for number in range(30):
        at = NOW + timedelta(seconds=number)
        history.record(use(decision=f"d{number}", is_doubted=True, at=at))
    record = database.records()["acme/m1"]
    assert (record["uses"], record["doubts"]) == (30, 30)
    assert (len(record["recent"]), len(record["decisions"]), len(record["doubted"])) == (
        RECENT,
        MAX_DECISIONS,
        MAX_DECISIONS,
    )
    assert record["decisions"][-1].endswith(" d29")


def test_a_failure_that_arrives_after_a_later_answer_is_not_the_last(database: SharedPlace) -> None:
    history = database.history()
    history.record(use(at=NOW))
    history.record(use(outcome="not_found", at=NOW - timedelta(minutes=1)))
    record = database.records()["acme/m1"]
    assert (record["failures"], record["last_used"]) == ({"not_found": 1}, "2026-06-15T12:00:00Z")
    assert "last_failure" not in record


def test_what_the_sandbox_records_has_a_space_of_its_own(database: SharedPlace) -> None:
    database.history().record(use())
    with sandbox():
        assert database.records() == {}
        database.history().record(use("acme/simulated"))
    assert set(database.records()) == {"acme/m1"}
    assert sorted(rows(database.address or "", "SELECT space, model FROM omni_router_uses")) == [
        ("real", "acme/m1"),
        ("sandbox", "acme/simulated"),
    ]


def test_once_a_day_models_and_examples_beyond_what_is_kept_are_deleted(database: SharedPlace) -> None:
    clock = Clock(NOW)
    history = database.history(clock)
    for number in range(MAX_MODELS + 3):
        history.record(use(f"acme/m{number}", at=NOW + timedelta(seconds=number)))
    learned = [f"example {number}" for number in range(MAX_LEARNED + 3)]
    history.import_([{"name": "chat", "models": [], "learned": learned}])
    history.record(use("acme/m1", "overloaded"))
    address = database.address or ""
    assert rows(address, "SELECT count(*) FROM omni_router_uses") == [(MAX_MODELS + 3,)]
    clock.at += timedelta(days=1)
    assert set(database.records(clock=clock)) == {f"acme/m{number}" for number in range(3, MAX_MODELS + 3)}
    assert rows(address, "SELECT count(*) FROM omni_router_uses") == [(MAX_MODELS,)]
    assert rows(address, "SELECT count(*), min(text) FROM omni_router_examples") == [(MAX_LEARNED, "example 10")]
    assert rows(address, "SELECT count(*) FROM omni_router_cooldowns") == [(0,)]


# ---- many writers

_WRITER = """
import sys
from omni_router.history import UsageRecord
from omni_router.history.postgresql import PostgresHistory
history = PostgresHistory(sys.argv[1])
for number in range(int(sys.argv[2])):
    use = UsageRecord("chat", f"acme/m{number % 5}", "why", "2026-06-15T12:00:00Z", seconds=1.0, cost=0.1)
    assert history.record(use)
"""


def run_writers(address: str, processes: int, uses: int) -> None:
    command = [sys.executable, "-c", _WRITER, address, str(uses)]
    running = [subprocess.Popen(command) for _ in range(processes)]
    try:
        assert [process.wait(timeout=120) for process in running] == [0] * processes
    finally:
        for process in running:
            process.kill()


def test_processes_that_start_together_on_an_empty_database_lose_none_of_their_uses(database: SharedPlace) -> None:
    run_writers(database.address or "", processes=6, uses=50)
    records = database.records()
    assert {name: record["successes"] for name, record in records.items()} == {f"acme/m{n}": 60 for n in range(5)}
    assert {record["cost"] for record in records.values()} == {6.0}


def test_ratings_of_several_writers_add_up(database: SharedPlace) -> None:
    histories = [database.history() for _ in range(4)]
    histories[0].record(use())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda history: history.add_feedback(Feedback("chat", "acme/m1", "good")), histories))
    assert database.records()["acme/m1"]["good"] == 4


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_a_writer_with_a_connection_of_its_own(database: SharedPlace) -> None:
    history = database.history()
    history.record(use())
    children = []
    for _ in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            lost = 100
            try:
                lost = sum(history.record(use()) is None for _ in range(20))
            finally:
                os._exit(lost)
    assert all(history.record(use()) for _ in range(20))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 3
    assert database.records()["acme/m1"]["uses"] == 1 + 4 * 20
    assert rows(database.address or "", "SELECT count(*) FROM omni_router_writers") == [(4,)]


def test_tables_of_a_later_version_are_used_as_they_are(database: SharedPlace) -> None:
    database.history().record(use())
    address = database.address or ""
    with psycopg.connect(address) as connection:
        connection.execute("ALTER TABLE omni_router_uses ADD COLUMN laughs bigint")
        connection.execute("INSERT INTO omni_router_schema VALUES (%s)", (len(MIGRATIONS) + 1,))
    database.history().record(use())
    assert database.records()["acme/m1"]["uses"] == 2


# ---- a database that is out of reach


def test_what_is_recorded_in_an_outage_is_added_up_and_written_afterwards(
    database: SharedPlace, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    history = database.history()
    history.record(use("acme/known"))
    network.loses_requests = True
    for number in range(200):
        model, outcome = ("acme/new", "acme/known")[number % 2], ("not_found" if number % 20 < 2 else None)
        assert history.record(use(model, outcome)) is None
    assert len(history.replica().backlog) == 2
    assert [wait["kind"] for wait in history.cooling().get("acme/known", ())] == []
    network.loses_requests = False
    assert history.record(use())
    records = database.records()
    assert {name: record["uses"] for name, record in records.items()} == {
        "acme/known": 101,
        "acme/new": 99,  # the first of them failed, and a failure adds no model
        "acme/m1": 1,
    }
    assert records["acme/known"]["failures"] == {"not_found": 10}
    assert len([record for record in caplog.records if record.name == "omni_router"]) == 1
    assert SECRET not in caplog.text


def test_what_arrived_though_its_answer_was_lost_is_not_counted_again(database: SharedPlace, network: Network) -> None:
    history = database.history()
    history.record(use())
    network.loses_answers = True
    assert [history.record(use()) for _ in range(3)] == [None] * 3
    assert database_uses(database) == 2, "the first of the three has arrived"
    network.loses_answers = False
    assert history.record(use())
    assert database_uses(database) == history.models("chat")[0]["uses"] == 5


def test_a_rating_after_an_outage_overtakes_nothing_that_waits(database: SharedPlace, network: Network) -> None:
    history = database.history()
    history.record(use("acme/other"))
    network.loses_requests = True
    assert history.record(use()) is None
    network.loses_requests = False
    assert history.add_feedback(Feedback("chat", "acme/m1", "good"))
    record = database.records()["acme/m1"]
    assert (record["uses"], record["good"]) == (1, 1)


def database_uses(database: SharedPlace) -> int:
    [(uses,)] = rows(database.address or "", "SELECT uses FROM omni_router_uses")
    return int(uses)


def test_a_decision_that_a_resumed_run_records_again_counts_once(database: SharedPlace, network: Network) -> None:
    database.history().record(use(decision="d1"))
    assert database.history().record(use(decision="d1", at=NOW + timedelta(minutes=1)))
    history = database.history()
    history.models("chat")
    network.loses_requests = True
    history.record(use(decision="d1"))
    for _ in range(2):
        history.record(use(decision="d2"))
    network.loses_requests = False
    history.record(use(decision="d2"))
    assert database_uses(database) == 2


def test_what_cannot_wait_is_refused_in_an_outage(database: SharedPlace, network: Network) -> None:
    history = database.history()
    network.loses_requests = True
    for action in (
        lambda: history.add_feedback(Feedback("chat", "acme/m1", "good")),
        history.export,
        lambda: history.import_([{"name": "chat", "models": ["acme/m1"]}]),
    ):
        with pytest.raises(HistoryUnreachable, match="does not answer") as raised:
            action()
        assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_cooldown_holds_here_in_an_outage_and_everywhere_afterwards(database: SharedPlace, network: Network) -> None:
    history = database.history()
    network.loses_requests = True
    assert history.record(use(outcome="overloaded")) is None
    assert [wait["kind"] for wait in history.cooling()["acme/m1"]] == ["overloaded"]
    network.loses_requests = False
    history.record(use("acme/m2"))
    assert [wait["kind"] for wait in database.history().cooling()["acme/m1"]] == ["overloaded"]


def cut_connections(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_connection_that_was_cut_is_made_anew_unnoticed(
    database: SharedPlace, caplog: pytest.LogCaptureFixture
) -> None:
    history = database.history()
    history.record(use())
    cut_connections(database.address or "")
    assert history.record(use())
    assert database.records()["acme/m1"]["uses"] == 2
    assert not [record for record in caplog.records if record.name == "omni_router"]


def test_connections_that_are_cut_while_threads_write_lose_and_double_nothing(
    database: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
    history = database.history()
    history.record(use())
    ends = threading.Event()

    def cut() -> None:
        while not ends.wait(0.02):
            with suppress(psycopg.OperationalError):  # it may be cut itself
                cut_connections(database.address or "")

    with ThreadPoolExecutor(5) as pool:
        cutting = pool.submit(cut)
        list(pool.map(lambda _: [history.record(use()) for _ in range(50)], range(4)))
        ends.set()
        cutting.result()
    assert history.record(use())
    assert database_uses(database) == 202


def test_a_server_that_hangs_is_hung_up_on_and_nobody_else_waits_for_it(
    database: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and never answers, as a stopped one does, or one behind a path that was lost.

    What was sent before waits in its buffers, and is counted when it goes on; sent again, it is not counted twice.
    """
    monkeypatch.setattr("omni_router.history.database.DEADLINE", 1.5)
    monkeypatch.setattr("omni_router.history.database.PATIENCE", 2)
    monkeypatch.setattr("omni_router.storage.store_link.PATIENCE", 0.2)
    history = database.history()
    assert history.record(use())
    with ThreadPoolExecutor(2) as pool, hanging(database.address or ""):
        first = pool.submit(history.record, use())
        wait([first], timeout=0.1)
        beside = pool.submit(lambda: [history.record(use()) for _ in range(20)])
        assert beside.result(timeout=60) == [None] * 20
        assert first.result(timeout=60) is None
        assert history.models("chat")[0]["uses"] == 1, "what is known of it is read"
        with pytest.raises(HistoryUnreachable):
            history.export()
    history.replica().link._again_at = float("-inf")  # what a pause later would be
    assert history.record(use())
    assert database.records()["acme/m1"]["uses"] == 23


_ENDS_IN_TROUBLE = """
import sys
from omni_router.history import UsageRecord
from omni_router.history.database import Database
from omni_router.history.postgresql import PostgresHistory
real = Database.use
def fail(database, work):
    raise OSError
Database.use = fail
history = PostgresHistory(sys.argv[1])
assert history.record(UsageRecord("chat", "acme/m1", "why", "2026-06-15T12:00:00Z")) is None
Database.use = real
"""


def test_what_waits_is_written_when_the_process_ends(database: SharedPlace) -> None:
    command = [sys.executable, "-c", _ENDS_IN_TROUBLE, database.address or ""]
    subprocess.run(command, check=True, timeout=60)
    assert database.records()["acme/m1"]["uses"] == 1


# ---- its address


def opened(address: str, folder: Path) -> PostgresHistory:
    history = open_history(Environment(Path("x"), Path("y"), history=address), RouteFile(folder / "none.json"))
    assert isinstance(history, PostgresHistory)
    return history


def test_a_server_that_is_not_there_costs_one_wait_and_no_run(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    where = f"postgresql://user:{SECRET}@/db?host={tmp_path}"
    history = opened(where, tmp_path)
    assert not history.models("chat")
    tried = len(caplog.records)
    for _ in range(20):
        assert not history.models("chat")
        assert history.record(use()) is None
    assert len(caplog.records) == tried, "nothing was tried or logged again"
    assert SECRET not in caplog.text
    assert SECRET not in repr(history)
    assert SECRET not in repr(Environment(Path("x"), Path("y"), history=where))


def test_an_address_that_cannot_be_read_is_refused_without_showing_it(tmp_path: Path) -> None:
    where = f"postgresql://user:{SECRET}@ho st:port/db?what"
    with pytest.raises(ConfigurationError, match="OMNI_HISTORY") as raised:
        opened(where, tmp_path)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_missing_package_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"\.\[postgres\]"):
        opened("postgresql://h/d", tmp_path)


def test_a_mistyped_address_is_refused_without_showing_it(tmp_path: Path) -> None:
    environment = Environment.read(variables={"OMNI_HISTORY": f"mysql://user:{SECRET}@host/db"})
    with pytest.raises(ConfigurationError, match="postgresql://USER@HOST/DATABASE") as raised:
        open_history(environment, RouteFile(tmp_path / "none.json"))
    assert SECRET not in str(raised.value)


# ---- what PostgreSQL refuses

LONG = "acme/" + "".join(f"{number * number:x}" for number in range(2000))  # more than an index takes, also compressed


@pytest.mark.parametrize(
    "bad",
    [
        use(usage=TokenUsage(input_tokens=10**30, output_tokens=1)),
        use(LONG),
        use(LONG, "overloaded"),
        use(decision="d\0"),
        use("acme/m1:groq"),
    ],
    ids=["beyond bigint", "long name", "cooldown of a long name", "NUL", "with a provider"],
)
def test_a_use_that_is_refused_holds_nothing_up(database: SharedPlace, network: Network, bad: UsageRecord) -> None:
    history = database.history()
    history.record(use("acme/first"))
    network.loses_requests = True
    for each in (use("acme/a"), use("acme/b"), bad, use("acme/c"), use("acme/d", "overloaded")):
        assert history.record(each) is None
    network.loses_requests = False
    assert history.record(use("acme/first"))
    history.record(bad)
    assert history.record(use("acme/first"))
    uses = {model: record["uses"] for model, record in database.records().items()}
    assert uses.items() >= {"acme/first": 3, "acme/a": 1, "acme/b": 1, "acme/c": 1}.items()
    assert history.replica().waiting is False
    assert "acme/d" in database.history().cooling()


def test_what_is_refused_is_logged_by_a_short_name(database: SharedPlace, caplog: pytest.LogCaptureFixture) -> None:
    assert database.history().record(use(LONG, "overloaded")) is None
    [record] = [record for record in caplog.records if record.name == "omni_router"]
    assert "dropped (ProgramLimitExceeded)" in record.message
    assert len(record.message) < 200


def test_a_former_history_is_taken_over_but_for_what_is_refused(database: SharedPlace) -> None:
    with psycopg.connect(database.address or "") as connection:
        connection.execute("CREATE TABLE store (prefix text, key text, value jsonb)")
        for route in (LONG, "chat"):
            value = Jsonb({"route": route, "models": [{"id": "acme/m1", "uses": 2}]})
            values = ("omni_router.history.2026-06-14", f"writer/{route[-5:]}", value)
            connection.execute("INSERT INTO store VALUES (%s, %s, %s)", values)
    assert set(database.records()) == {"acme/m1"}


def test_a_former_label_of_another_shape_or_name_keeps_nothing_from_being_taken_over(database: SharedPlace) -> None:
    label = {"route": "chat", "vector": "AAAA", "at": 1.0}
    with psycopg.connect(database.address or "") as connection:
        connection.execute("CREATE TABLE store (prefix text, key text, value jsonb)")
        for encoder, text in (("e1", "a"), ("e2", "b"), ("e3", {"not": "text"})):
            values = (f"omni_router.lessons.{encoder}", "same", Jsonb({**label, "text": text}))
            connection.execute("INSERT INTO store VALUES (%s, %s, %s)", values)
    assert database.history().record(use())
    assert len(rows(database.address or "", "SELECT FROM omni_router_labels")) == 1


# ---- rights, poolers, and rows that several change


@contextmanager
def as_guest(address: str, grants: str) -> Iterator[str]:
    """Yield the address of a database user that has only the given rights."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute(grants.encode())
    try:
        yield address.replace("//postgres:@", "//guest:@")
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP OWNED BY guest")
            connection.execute("DROP ROLE guest")


def test_a_user_who_may_not_create_tables_reads_what_to_grant(
    address: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with as_guest(address, "GRANT USAGE ON SCHEMA public TO guest") as guest:
        history = opened(guest, tmp_path)
        assert history.record(use()) is None
        history.close()
    assert "may not create or use the tables omni_router_...: grant CREATE on the schema" in caplog.text


def test_a_user_who_may_only_read_reads(database: SharedPlace, caplog: pytest.LogCaptureFixture) -> None:
    database.history().record(use())
    grants = "GRANT USAGE ON SCHEMA public TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest"
    with as_guest(database.address or "", grants) as guest:
        place = SharedPlace(guest)
        assert set(place.records()) == {"acme/m1"}
        assert place.history().record(use()) is None
        place.close()
    assert "grant CREATE on the schema, or the rights on these tables" in caplog.text


def test_a_standby_is_read(database: SharedPlace, caplog: pytest.LogCaptureFixture) -> None:
    database.history().record(use())
    standby = SharedPlace(make_conninfo(database.address or "", options="-c default_transaction_read_only=on"))
    assert set(standby.records()) == {"acme/m1"}
    assert standby.history().record(use()) is None
    standby.close()
    assert "is read-only, as a standby is" in caplog.text


def test_no_statement_is_prepared_since_a_pooler_may_change_the_connection(database: SharedPlace) -> None:
    history = PostgresHistory(database.address or "", Clock(NOW))
    history.record(use())
    count = "SELECT count(*) AS answer FROM pg_prepared_statements"
    answer = history._database.use(lambda connection: connection.execute(count).fetchone())
    history.close()
    assert answer == {"answer": 0}


@contextmanager
def locked_row(address: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold the rows that a statement has changed."""
    with psycopg.connect(address) as connection:
        connection.execute(statement.encode())
        yield connection
        connection.rollback()


def test_tidying_up_waits_for_no_row_that_is_written(database: SharedPlace) -> None:
    clock = Clock(NOW)
    history = database.history(clock)
    for number in range(MAX_MODELS + 2):
        history.record(use(f"acme/m{number}", at=NOW + timedelta(seconds=number)))
    address, clock.at = database.address or "", clock.at + timedelta(days=1)
    with locked_row(address, "UPDATE omni_router_uses SET uses = 9 WHERE model = 'acme/m0'") as holder:
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("ALTER ROLE CURRENT_USER SET lock_timeout = '200ms'")
        try:
            assert len(database.records(clock=clock)) == MAX_MODELS
        finally:
            holder.rollback()
            with psycopg.connect(address, autocommit=True) as other:
                other.execute("ALTER ROLE CURRENT_USER RESET lock_timeout")
    assert rows(address, "SELECT count(*) FROM omni_router_uses") == [(MAX_MODELS + 1,)]


def test_examples_and_cooldowns_are_locked_in_one_order(database: SharedPlace) -> None:
    """Two that take the same ones in opposite orders would wait for each other."""
    texts = [f"example {number}" for number in range(100)]
    histories = [database.history(), database.history()]
    cooldowns = [use(f"acme/m{number}", "overloaded") for number in range(30)]
    for history in histories:
        history.models("chat")

    def write(number: int) -> None:
        replica, step = histories[number].replica(), (1, -1)[number]
        for repetition in range(20):
            route = f"route {number} {repetition}"
            with replica.link.turn():
                replica.put_examples(dict.fromkeys(texts[::step], route), NOW)
                replica.put_cooldowns({each.model: next_cooldowns([], each) for each in cooldowns[::step]})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_lock_that_a_thread_of_its_parent_holds(database: SharedPlace) -> None:
    ledger = PostgresLedger(database.address or "", Clock(NOW))
    ledger.add(1.0, "a")
    taken, ends = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger._link.lock:
            taken.set()
            ends.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(60)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            os._exit(ledger.spent() != 1.0)
        finally:
            os._exit(2)
    ends.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
