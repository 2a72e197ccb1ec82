"""Where lessons are kept: a file of SQLite, and LangGraph's store, in memory and in a real PostgreSQL."""

import dataclasses
import json
import logging
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from omni_router import Services, build_graph
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.history import label_store
from omni_router.history.label_file import TABLE, FileLabelStore
from omni_router.history.label_postgresql import PostgresLabelStore
from omni_router.history.label_store import LangGraphLabelStore
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.routers.cascade.labels import MAX_LABELS, LabelStore, ReadOnlyLabelStore, TeacherLabel
from omni_router.routers.cascade.router import MIN_NEW_LABELS, CascadeRouter
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services.history import open_history, open_label_store
from tests.support.calls import Compiled, ask
from tests.support.histories import rows

SECRET = "not-to-be-shown"
SPACE = ("omni_router", "lessons")


def lesson(n: int = 0, route: str = "chat", text: str | None = None) -> TeacherLabel:
    vector = np.zeros(6, np.float32)
    vector[n % 6] = 1.0
    return TeacherLabel(route, vector, 1000.0 + n, text)


def times(book: LabelStore) -> list[float]:
    return [each.at - 1000 for each in book.read() or ()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".route_config.json.lessons"


@pytest.fixture(params=["file", "store", "PostgreSQL"])
def make(request: pytest.FixtureRequest, path: Path) -> Callable[..., LabelStore]:
    """Open the same place again, as another process does."""
    if request.param == "file":
        return lambda encoder="e", size=MAX_LABELS: FileLabelStore(path, lambda: encoder, size)
    if request.param == "PostgreSQL":
        address = request.getfixturevalue("address")
        return lambda encoder="e", size=MAX_LABELS: PostgresLabelStore(address, lambda: encoder, size)
    store = InMemoryStore()
    return lambda encoder="e", size=MAX_LABELS: LangGraphLabelStore(lambda: store, lambda: encoder, size)


# ---- what all of them do


def test_lessons_come_back_in_another_process_oldest_first(make: Callable[..., LabelStore]) -> None:
    given = [lesson(0), lesson(1, "other", "who is it?"), lesson(2, "K\u00fcche")]
    assert list(make().read() or ()) == []
    for each in given:
        make().add(each)
    found = list(make().read() or ())
    assert [each[:1] + each[2:] for each in found] == [each[:1] + each[2:] for each in given]
    for each, want in zip(found, given, strict=True):
        assert each.vector.dtype == np.float32
        np.testing.assert_allclose(each.vector, want.vector, atol=1e-3, rtol=0)


def test_lessons_of_another_encoder_are_left_alone(make: Callable[..., LabelStore]) -> None:
    make("e").add(lesson(0))
    make("another").add(TeacherLabel("chat", np.eye(3, dtype=np.float32)[0], 1001.0))
    assert times(make("e")) == [0]
    assert [len(each.vector) for each in make("another").read() or ()] == [3]


def test_no_more_are_read_than_are_to_be_kept_and_these_are_the_newest(make: Callable[..., LabelStore]) -> None:
    for n in range(7):
        make(size=5).add(lesson(n))
    assert times(make(size=5)) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("text", ["", "a\0b", "half a pair \ud83d", "\U0001f98a " * 500])
def test_any_text_can_be_kept(text: str, make: Callable[..., LabelStore], caplog: pytest.LogCaptureFixture) -> None:
    make().add(lesson(text=text))
    [found] = make().read() or ()
    assert found.text is not None
    assert found.text.replace("\0", "") == text.replace("\0", "").replace("\ud83d", "?")
    assert caplog.records == []


def test_threads_share_a_book(make: Callable[..., LabelStore]) -> None:
    book = make()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(book.add, map(lesson, range(40))))
    assert sorted(times(make())) == list(range(40))


# ---- the file


def test_the_file_is_its_owners_and_bounded(path: Path) -> None:
    book = FileLabelStore(path, lambda: "e", size=5)
    for n in range(12):
        book.add(lesson(n))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (5,)  # noqa: S608


def test_who_only_reads_leaves_no_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert list(FileLabelStore(path, lambda: "e").read() or ()) == []
    assert not path.exists()
    assert caplog.records == []


def test_without_text_there_is_none_in_the_file(path: Path) -> None:
    FileLabelStore(path, lambda: "e").add(lesson(text="a secret"))
    assert b"a secret" in path.read_bytes()
    path.unlink()
    FileLabelStore(path, lambda: "e").add(lesson())
    assert b"secret" not in path.read_bytes()


def test_a_broken_file_is_reported_once_and_begun_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"\0garbage" * 1000)
    book = FileLabelStore(path, lambda: "e")
    assert book.read() is None
    for n in range(2):
        book.add(lesson(n))
    assert times(book) == [0, 1]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{path} cannot be used" in caplog.text
    assert "the teacher's decisions are not learned" in caplog.text


def test_values_that_are_no_lessons_raise_nothing(path: Path) -> None:
    book = FileLabelStore(path, lambda: "e")
    book.add(lesson())
    for value in ("NULL", "'text'", "x'01'", "7"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE {TABLE} SET vector = {value}")  # noqa: S608
        assert book.read() is None


def test_a_locked_file_cannot_be_read_now_and_can_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.sqlite.BUSY", 0.02)
    book = FileLabelStore(path, lambda: "e")
    book.add(lesson(0))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert book.read() is None
        book.add(lesson(1))
        other.execute("ROLLBACK")
    assert times(book) == [0]


@pytest.mark.parametrize("place", ["a-file/lessons", "/proc/lessons"])
def test_a_place_that_cannot_be_written_is_reported_once(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also for root, whom no mode of a folder keeps out."""
    (tmp_path / "a-file").write_text("")
    book = FileLabelStore(tmp_path / place, lambda: "e")
    for n in range(3):
        book.add(lesson(n))
        assert list(book.read() or ()) == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


_WRITES = """
import sys, numpy as np
from pathlib import Path
from omni_router.history.label_file import FileLabelStore
from omni_router.routers.cascade.labels import MAX_LABELS, LabelStore, ReadOnlyLabelStore, TeacherLabel
from omni_router.routers.cascade.router import MIN_NEW_LABELS, CascadeRouter
book = FileLabelStore(Path(sys.argv[1]), lambda: "e")
for n in range(200):
    book.add(TeacherLabel(sys.argv[2], np.ones(6, np.float32), n))
"""


def test_two_processes_lose_nothing_of_each_other(path: Path) -> None:
    commands = [[sys.executable, "-c", _WRITES, str(path), name] for name in ("one", "two")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [process.communicate(timeout=60)[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0]
    found = list(FileLabelStore(path, lambda: "e").read() or ())
    for name in ("one", "two"):
        assert [each.at for each in found if each.route == name] == list(range(200))


# ---- the store


@pytest.fixture
def store() -> BaseStore:
    return InMemoryStore()


def test_processes_that_write_one_lesson_each_keep_within_the_bound(
    store: BaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_store, "TIDY", 3)
    for n in range(20):
        book = LangGraphLabelStore(lambda: store, lambda: "e", 5)
        assert times(book) == list(range(max(0, n - 5), n))
        book.add(lesson(n))
        assert len(store.search(SPACE, limit=1000)) <= 5 + 3 + 1


class Shaky(InMemoryStore):
    down = False
    asked = 0

    def batch(self, ops: Any) -> Any:
        self.asked += 1
        if self.down:
            raise OSError(f"cannot reach it with {SECRET}")
        return super().batch(ops)


def test_a_store_out_of_reach_is_reported_once_without_its_address_and_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Shaky()
    book = LangGraphLabelStore(lambda: store, lambda: "e")
    book.add(lesson(0))
    store.down, store.asked = True, 0
    for n in range(1, 4):
        book.add(lesson(n))
        assert book.read() is None
    assert store.asked == 2  # once, and at once again
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "does not answer (OSError)" in record.getMessage()
    assert SECRET not in caplog.text
    store.down = False
    monkeypatch.setattr("omni_router.storage.store_link.time.monotonic", lambda: 1e12)
    book.add(lesson(4))
    assert times(book) == [0, 4]


def test_a_server_that_is_not_there_costs_no_request(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    where = f"postgresql://user:{SECRET}@/db?host={tmp_path}"
    book = open_label_store(Environment(Path("x"), Path("y"), history=where), lambda: "e")
    for n in range(5):
        book.add(lesson(n))
        assert book.read() is None
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


def test_a_host_that_lets_items_expire_keeps_lessons(address: str) -> None:
    from langgraph.store.postgres import PostgresStore

    with PostgresStore.from_conn_string(address, ttl={"default_ttl": 5}) as store:
        store.setup()
        LangGraphLabelStore(lambda: store, lambda: "e").add(lesson())
    found = rows(address, "SELECT count(*), count(expires_at) FROM store WHERE prefix LIKE 'omni%'")
    assert found == [(1, 0)]


def test_the_database_has_no_more_than_are_kept(address: str) -> None:
    for n in range(12):
        PostgresLabelStore(address, lambda: "e", 5).add(lesson(n))
    PostgresLabelStore(address, lambda: "another", 5).add(lesson(0))
    counts = rows(address, "SELECT count(*), min(at) FROM omni_router_labels GROUP BY encoder ORDER BY 1")
    assert counts == [(1, 1000.0), (5, 1007.0)]


# ---- which of them is used


def test_the_environment_chooses_the_place(tmp_path: Path) -> None:
    def place(**variables: str) -> Any:
        read = Environment.read(
            route_config=tmp_path / "policy.json", variables={f"OMNI_{key}": value for key, value in variables.items()}
        )
        return open_label_store(read, lambda: "e")

    assert place().path == tmp_path / ".policy.json.lessons"
    assert place(CASCADE_PATH="here").path == Path("here")
    assert isinstance(place(HISTORY="store"), LangGraphLabelStore)
    assert isinstance(place(HISTORY="postgresql://h/d"), PostgresLabelStore)
    assert place(HISTORY="store", CASCADE_PATH="here").path == Path("here")
    assert (place().size, place(CASCADE_SIZE="7").size, place(HISTORY="store", CASCADE_SIZE="7").size) == (
        MAX_LABELS,
        7,
        7,
    )


def test_a_store_of_nobody_is_reported() -> None:
    book = open_label_store(Environment(Path("x"), Path("y"), history="store"), lambda: "e")
    with pytest.raises(ConfigurationError, match=r"compile\(store=...\)"):
        book.read()


# ---- in the graph


class Large:
    """The large router: every request is a question."""

    def __init__(self) -> None:
        self.asked = 0

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.asked += 1
        return Reply(json.dumps({"route": "question_answering", "model": None, "reason": ""}), 0.9)


def test_lessons_arrive_in_the_store_of_the_graph_and_are_learnt_from_there(
    services: Services, semantic: SemanticRouter, store: BaseStore, route_config: Path
) -> None:
    names = ("question_answering", "translation", "creative_writing")
    route_config.write_text(
        json.dumps([{"name": name, "description": name.replace("_", " "), "task": "text-generation"} for name in names])
    )
    environment = Environment(Path("x"), Path("y"), history="store")
    large, threads = Large(), list[str]()

    class Watched(ReadOnlyLabelStore):
        def read(self) -> Sequence[TeacherLabel] | None:
            threads.append(threading.current_thread().name)
            return super().read()

        def add(self, label: TeacherLabel) -> None:
            opened.add(label)

    opened = open_label_store(environment, lambda: semantic.encoder_name)
    assert isinstance(opened, LangGraphLabelStore)
    cascade = CascadeRouter(semantic, large, Watched(opened), target=1.0)
    history = open_history(environment, services.policy)  # type: ignore[arg-type]
    graph: Compiled = build_graph(dataclasses.replace(services, router=cascade, history=history)).compile(store=store)
    for n in range(MIN_NEW_LABELS + 1):
        assert graph.invoke(ask(f"Bus {n} to the station?"))["error"] is None
        cascade.settle()
    assert threads == ["labels"] * 2
    assert store.search(SPACE) == []  # what the sandbox simulates
    items = store.search(("omni_router", "sandbox", "lessons"), limit=1000)
    assert len(items) == large.asked == MIN_NEW_LABELS + 1
    assert {item.value["route"] for item in items} == {"question_answering"}
    assert cascade.labels_in_use == MIN_NEW_LABELS
