"""What all kinds of history do, and what one does in a LangGraph store: in memory, or in a real PostgreSQL."""

import asyncio
import dataclasses
import json
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore, PutOp
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres import PostgresStore

from omni_router import Services, build_graph
from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.decisions.feedback import give_feedback
from omni_router.errors import ConfigurationError, HistoryUnreachable
from omni_router.history import Feedback, History
from omni_router.history.file import FileHistory
from omni_router.history.merging import MAX_MODELS
from omni_router.history.shared import utc_now
from omni_router.history.store import StoreHistory
from omni_router.services.history import open_history
from omni_router.storage.store_link import Link
from tests.support.calls import Compiled, ask
from tests.support.clock import Clock
from tests.support.histories import NOW, SharedPlace, rows, use
from tests.support.scripted_router import ScriptedRouter

TEXT = "sandbox/text-generation-1"
SECRET = "not-to-be-shown"
ROOT = ("omni_router",)


@pytest.fixture(params=["memory", "PostgreSQL"])
def store(request: pytest.FixtureRequest) -> Iterator[BaseStore]:
    """The store of a host."""
    if request.param == "memory":
        yield InMemoryStore()
        return
    with PostgresStore.from_conn_string(request.getfixturevalue("address")) as store:
        store.setup()
        yield store


def seen(store: BaseStore) -> dict[str, Any]:
    """Return the records by model that a process sees that just started."""
    return {record["id"]: record for record in writer(store).models("chat")}


def writer(store: BaseStore) -> StoreHistory:
    return StoreHistory(lambda: store, now=Clock(NOW))


# ---- what both kinds of history do


@pytest.fixture(params=["file", "store", "PostgreSQL"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    if request.param == "file":
        path = tmp_path / "route_config.json"
        path.write_text(json.dumps([{"name": name, "description": name} for name in ("chat", "code")]))
        return FileHistory(RouteFile(path))
    if request.param == "store":
        return SharedPlace().history()
    place: SharedPlace = request.getfixturevalue("database")
    return place.history()


def test_uses_are_counted_at_once(history: History) -> None:
    for outcome in (None, None, "malformed_answer", "overloaded"):
        assert history.record(use(outcome=outcome))
    [record] = history.models("chat")
    assert (record["uses"], record["successes"], record["failures"]) == (4, 2, {"malformed_answer": 1})
    assert record["last_failure"]["kind"] == "malformed_answer"
    assert len(record["recent"]) == 4
    assert history.models("CHAT") == history.models("chat")
    assert history.models("code") in ((), [])


def test_a_failure_adds_no_model_but_cools_it_down(history: History) -> None:
    assert history.record(use("acme/new", "overloaded", at=datetime.now(timezone.utc))) is None
    assert list(history.models("chat")) == []
    assert [wait["kind"] for wait in history.cooling()["acme/new"]] == ["overloaded"]
    history.record(use("acme/new", at=datetime.now(timezone.utc)))
    assert not history.cooling().get("acme/new")


def test_verdicts_count_and_teach(history: History) -> None:
    history.record(use())
    assert history.add_feedback(Feedback("chat", "acme/m1", "good", text="hello there"))
    assert history.add_feedback(Feedback("chat", "acme/m1", "bad"))
    assert history.add_feedback(Feedback("chat", "acme/unknown", "bad")) is None
    [record] = history.models("chat")
    assert (record["good"], record["bad"]) == (1, 1)
    assert list(history.examples("chat")) == ["hello there"]
    assert history.add_feedback(Feedback("chat", "acme/m1", "should_be", "code", "hello there"))
    assert (list(history.examples("chat")), list(history.examples("code"))) == ([], ["hello there"])


def test_other_learns_what_no_route_serves(history: History) -> None:
    history.record(use())
    assert history.add_feedback(Feedback("chat", "acme/m1", "good", text="open the garage"))
    assert history.add_feedback(Feedback("chat", "acme/m1", "should_be", "other", "open the garage"))
    assert (list(history.examples("chat")), list(history.examples("Other"))) == ([], ["open the garage"])
    assert {"name": "other", "models": [], "learned": ["open the garage"]} in history.export()
    assert history.add_feedback(Feedback("other", "", "should_be", "code", "open the garage"))
    assert (list(history.examples("other")), list(history.examples("code"))) == ([], ["open the garage"])
    assert history.add_feedback(Feedback("other", "", "good", text="lock the door"))
    assert list(history.examples("other")) == ["lock the door"]


def test_what_other_learned_is_lifted(history: History) -> None:
    exported: Any = [{"name": "other", "models": [], "learned": ["open the garage"]}]
    assert history.import_(exported) == 1
    assert history.import_(exported) == 0
    assert list(history.examples("other")) == ["open the garage"]


def test_a_file_makes_an_entry_of_other_only_for_an_example(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{"name": "chat", "description": "chat", "models": ["acme/m1"]}]))
    history = FileHistory(RouteFile(path))
    nothing: Any = [{"name": "other", "models": [], "learned": []}]
    history.add_feedback(Feedback("chat", "acme/m1", "good", text=" "))
    assert history.add_feedback(Feedback("chat", "acme/m1", "should_be", "other", " ")) is None
    assert history.import_(nothing) == 0
    assert [entry["name"] for entry in json.loads(path.read_text())] == ["chat"]
    history.add_feedback(Feedback("chat", "acme/m1", "should_be", "other", "open the garage"))
    assert json.loads(path.read_text())[1:] == [{"name": "other", "learned": ["open the garage"]}]


def test_a_sandbox_model_is_refused_outside_the_sandbox(history: History) -> None:
    assert history.record(use(TEXT)) is None
    assert list(history.models("chat")) == []


def test_lifting_twice_changes_nothing_and_keeps_the_higher_counts(history: History) -> None:
    for _ in range(3):
        history.record(use())
    history.add_feedback(Feedback("chat", "acme/m1", "good", text="hello"))
    exported = history.export()
    assert history.import_(exported) == 0
    more: Any = [
        {"name": "chat", "models": [{"id": "acme/m1", "uses": 9, "successes": 8}, "acme/m2"], "learned": ["hi"]}
    ]
    assert history.import_(more) == 3
    assert history.import_(more) == 0
    assert history.import_(exported) == 0
    records = {record["id"]: record for record in history.models("chat")}
    assert (records["acme/m1"]["uses"], records["acme/m1"]["successes"], records["acme/m1"]["good"]) == (9, 8, 1)
    assert list(history.examples("chat")) == ["hello", "hi"]


# ---- many writers


def test_what_one_writer_wrote_another_adds_to(place: SharedPlace) -> None:
    first, second = place.history(), place.history()
    first.record(use())
    second.record(use())
    second.record(use(outcome="not_found"))
    record = place.records()["acme/m1"]
    assert (record["uses"], record["successes"], record["failures"]) == (3, 2, {"not_found": 1})


def test_a_success_of_another_writer_takes_the_last_failure_away(place: SharedPlace) -> None:
    place.history().record(use(at=NOW - timedelta(minutes=3)))
    place.history().record(use(outcome="not_found", at=NOW - timedelta(minutes=2)))
    assert place.records()["acme/m1"]["last_failure"]["kind"] == "not_found"
    place.history().record(use(at=NOW - timedelta(minutes=1)))
    assert "last_failure" not in place.records()["acme/m1"]


def test_other_writers_are_seen_within_seconds_without_waiting(place: SharedPlace) -> None:
    reader = place.history()
    assert not reader.models("chat")
    place.history().record(use())
    end = time.monotonic() + 10
    while not reader.models("chat"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_example_that_another_writer_takes_back_is_gone(place: SharedPlace) -> None:
    place.history().add_feedback(Feedback("chat", "acme/m1", "good", text="hello"))
    later = Clock(NOW + timedelta(minutes=1))
    place.history(later).add_feedback(Feedback("chat", "acme/m1", "should_be", "code", "hello"))
    fresh = place.history(later)
    assert (list(fresh.examples("chat")), list(fresh.examples("code"))) == ([], ["hello"])


def test_a_failure_counts_for_a_model_that_only_others_have_used(place: SharedPlace) -> None:
    place.history().record(use())
    second = place.history()
    assert second.record(use(outcome="not_found"))
    assert second.record(use("acme/nobodys", "not_found")) is None
    assert second.add_feedback(Feedback("chat", "acme/m1", "bad"))
    record = place.records()["acme/m1"]
    assert (record["uses"], record["failures"], record["bad"]) == (2, {"not_found": 1}, 1)
    assert set(place.records()) == {"acme/m1"}


def test_a_model_that_fails_here_is_left_alone_everywhere_until_it_answers(place: SharedPlace) -> None:
    place.history().record(use())
    place.history().record(use(outcome="overloaded"))
    assert [wait["kind"] for wait in place.history().cooling()["acme/m1"]] == ["overloaded"]
    place.history().record(use())
    assert not place.history().cooling().get("acme/m1")


def test_what_no_json_of_a_database_holds_is_stored_all_the_same(place: SharedPlace) -> None:
    history = place.history()
    for reason in ("a\0b", "half a \ud83d pair", "plain"):
        assert history.record(dataclasses.replace(use(route="ro\0ute"), reason=reason))
    assert place.records("ro\0ute")["acme/m1"]["uses"] == 3


def test_a_route_offers_no_more_models_than_a_file_would(place: SharedPlace) -> None:
    for start in (0, MAX_MODELS):
        history = place.history()
        for number in range(start, start + MAX_MODELS):
            history.record(use(f"acme/m{number}", at=NOW + timedelta(seconds=number)))
    assert set(place.records()) == {f"acme/m{number}" for number in range(MAX_MODELS, 2 * MAX_MODELS)}


def test_threads_of_two_writers_in_one_process_lose_nothing(place: SharedPlace) -> None:
    histories = [place.history(), place.history()]

    def work(number: int) -> None:
        for _ in range(25):
            assert histories[number % 2].record(use())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert place.records()["acme/m1"]["uses"] == 200


# ---- a store that is out of reach


class Shaky(InMemoryStore):
    down = False

    def batch(self, ops: Any) -> Any:
        if self.down:
            raise OSError(f"cannot reach it with {SECRET}")
        return super().batch(ops)


def test_a_use_waits_while_the_store_is_out_of_reach(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
    store = Shaky()
    history = writer(store)
    history.record(use())
    store.down = True
    assert history.record(use()) is None
    assert history.record(use()) is None
    assert history.models("chat")[0]["uses"] == 1
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert SECRET not in warnings[0]
    store.down = False
    assert history.record(use())
    assert seen(store)["acme/m1"]["uses"] == 4


def test_what_cannot_be_kept_for_later_is_refused_when_the_store_is_out_of_reach() -> None:
    store = Shaky()
    store.down = True
    history = writer(store)
    for action in (
        lambda: history.add_feedback(Feedback("chat", "acme/m1", "good")),
        history.export,
        lambda: history.import_([{"name": "chat", "models": ["acme/m1"]}]),
    ):
        with pytest.raises(HistoryUnreachable, match="does not answer") as raised:
            action()
        assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_cooldown_holds_here_while_the_store_is_out_of_reach() -> None:
    store = Shaky()
    history = writer(store)
    store.down = True
    assert history.record(use(outcome="overloaded")) is None
    assert [wait["kind"] for wait in history.cooling()["acme/m1"]] == ["overloaded"]


def test_whoever_waits_in_vain_notes_it_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.PATIENCE", 0.05)
    link, talks = Link(), list[None]()
    hangs, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert may_end.wait(30)

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(link.attempt, hang)
        assert hangs.wait(30)
        try:
            link.attempt(lambda: talks.append(None))
            assert link.down
        finally:
            may_end.set()
        talking.result()
    assert talks == []


def test_what_waits_for_a_store_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)
    store = Shaky()
    history = writer(store)
    history.record(use("acme/known"))
    store.down = True
    for number in range(200):
        history.record(use("acme/new" if number % 2 else "acme/known", "not_found" if number % 10 == 0 else None))
    replica = history.replica()
    assert (len(replica.pending), len(replica.backlog)) == (0, 2)
    store.down = False
    assert history.record(use())
    records = seen(store)
    assert {name: record["uses"] for name, record in records.items()} == {
        "acme/known": 101,
        "acme/new": 100,
        "acme/m1": 1,
    }
    assert records["acme/known"]["failures"] == {"not_found": 20}


def test_what_arrived_in_a_store_though_its_answer_was_lost_is_not_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("omni_router.storage.store_link.AGAIN", 0.0)

    class LosesAnswers(InMemoryStore):
        loses = False

        def batch(self, ops: Any) -> Any:
            ops = list(ops)
            result = super().batch(ops)
            if self.loses and isinstance(ops[0], PutOp):
                raise OSError
            return result

    store = LosesAnswers()
    history = writer(store)
    history.record(use())
    store.loses = True
    assert [history.record(use()) for _ in range(3)] == [None] * 3
    store.loses = False
    assert history.record(use())
    assert seen(store)["acme/m1"]["uses"] == 5


def test_a_store_that_lets_items_expire_keeps_these(address: str) -> None:
    with PostgresStore.from_conn_string(address, ttl={"default_ttl": 5}) as store:
        store.setup()
        writer(store).record(use())
    found = rows(address, "SELECT count(*), count(expires_at) FROM store WHERE prefix LIKE 'omni%'")
    assert found == [(1, 0)]


# ---- in the graph


def with_store(services: Services) -> Services:
    environment = Environment(Path("x"), Path("y"), history="store")
    return dataclasses.replace(services, history=open_history(environment, services.policy))  # type: ignore[arg-type]


def test_the_graphs_own_store_is_used(services: Services, router: ScriptedRouter, store: BaseStore) -> None:
    router.choose("question_answering", TEXT)
    graph: Compiled = build_graph(with_store(services)).compile(store=store)
    events = list(graph.stream(ask("why?"), stream_mode="custom"))
    assert events[-1] == {
        "event": "recorded",
        "route": "question_answering",
        "model": TEXT,
        "file": "the store of the graph",
    }
    router.choose("question_answering", None)
    result = build_graph(with_store(services)).compile(store=store).invoke(ask("and now?"))
    assert (result["decision"]["model"], result["decision"]["source"]) == (TEXT, "history")


def test_the_graphs_own_store_is_used_under_async_forms(
    services: Services, router: ScriptedRouter, address: str
) -> None:
    from langgraph.store.postgres import AsyncPostgresStore

    router.choose("question_answering", TEXT)

    async def run() -> Any:
        async with AsyncPostgresStore.from_conn_string(address) as store:
            await store.setup()
            graph: Compiled = build_graph(with_store(services)).compile(store=store)
            return await asyncio.gather(*(graph.ainvoke(ask(f"why {n}?")) for n in range(5)))

    results = asyncio.run(run())
    assert [result["error"] for result in results] == [None] * 5
    [(value,)] = rows(address, "SELECT value FROM store WHERE prefix = 'omni_router.sandbox.routes'")
    assert value["models"][0]["uses"] == 5


def test_a_verdict_after_the_run_reaches_the_graphs_store(
    services: Services, router: ScriptedRouter, store: BaseStore
) -> None:
    router.choose("question_answering", TEXT)
    services = with_store(services)
    result = build_graph(services).compile(store=store).invoke(ask("why?"))
    assert give_feedback(result, "good", services=services) == "the store of the graph"
    assert services.history.models("question_answering")[0]["good"] == 1


def test_what_the_sandbox_simulates_does_not_reach_the_real_history(
    services: Services, router: ScriptedRouter, store: BaseStore
) -> None:
    router.choose("question_answering", TEXT)
    build_graph(with_store(services)).compile(store=store).invoke(ask("why?"))
    assert store.search((*ROOT, "routes")) == []
    assert store.search((*ROOT, "sandbox"))


def test_a_graph_without_a_store_says_what_to_do(services: Services, router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)
    with pytest.raises(ConfigurationError, match=r"compile\(store=...\)"):
        build_graph(with_store(services)).compile().invoke(ask("why?"))


# ---- evaluated with


@pytest.fixture
def requests(route_config: Path, tmp_path: Path, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Requests to evaluate the scripted router on, under a policy that has learned something in its file as well."""
    chat = {"name": "chat", "description": "small talk", "examples": ["hi"], "learned": ["of the file"]}
    other = {"name": "other", "examples": ["nonsense"]}
    route_config.write_text(json.dumps([chat, {"name": "code", "description": "programs"}, other]))
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda _environment, token, learning: router)
    router.choose("chat")
    path = tmp_path / "requests.jsonl"
    path.write_text('{"text": "howdy", "route": "chat"}\n')
    return path


def taught(router: ScriptedRouter) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    [(_, offered)] = router.asked
    router.asked.clear()
    return [(route.name, route.examples, route.out_of_scope_examples) for route in offered]


def test_an_evaluation_offers_what_the_graph_would_offer_from_the_store(  # noqa: PLR0913, PLR0917 (fixtures)
    services: Services,
    router: ScriptedRouter,
    database: SharedPlace,
    requests: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    history = database.history(utc_now)
    for said, text in (("Chat", "howdy"), ("code", "sort it"), ("code", "in Go"), ("other", "asdf")):
        history.add_feedback(Feedback("other", "", "should_be", said, text))
    build_graph(dataclasses.replace(services, history=history)).compile().invoke(ask("howdy"))
    offered = taught(router)
    assert [examples for _, examples, _ in offered] == [("hi", "howdy"), ("sort it", "in Go")]
    assert {out_of_scope_examples for *_, out_of_scope_examples in offered} == {("nonsense", "asdf")}
    monkeypatch.setenv("OMNI_HISTORY", database.address or "")
    assert main(["eval", str(requests), "--policy", "route_config.json", "--json"]) == 0
    assert taught(router) == offered
    assert "examples include 1 request" in json.loads(capsys.readouterr().out)["notes"][0]


def test_an_evaluation_without_the_store_of_a_host_says_so_and_goes_on(
    router: ScriptedRouter, requests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNI_HISTORY", "store")
    assert main(["eval", str(requests), "--router", "semantic,arch", "--json"]) == 0
    captured = capsys.readouterr()
    [warning] = [line for line in captured.err.splitlines() if "OMNI_HISTORY=store" in line]
    assert "left out" in warning
    assert len(captured.out.splitlines()) == 1
    router.asked.pop()
    assert taught(router) == [("chat", ("hi",), ("nonsense",)), ("code", (), ("nonsense",))]


def test_an_evaluation_takes_what_the_file_has_learned(router: ScriptedRouter, requests: Path) -> None:
    assert main(["eval", str(requests)]) == 0
    assert taught(router)[0] == ("chat", ("hi", "of the file"), ("nonsense",))


def test_an_evaluation_without_the_database_it_should_have_is_none(
    requests: Path, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNI_HISTORY", f"postgresql://me:{SECRET}@/db?host=/nowhere")
    assert main(["eval", str(requests)]) == 2
    printed = capsys.readouterr()
    assert "does not answer" in printed.err
    assert SECRET not in printed.err + printed.out
    assert router.asked == []


# ---- from file to store and back


def test_history_moves_from_file_to_store_and_back(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps([{"name": name, "description": name} for name in ("chat", "code")]))
    history = FileHistory(RouteFile(path))
    for number in range(12):
        history.record(use(f"acme/m{number % 3}", "malformed_answer" if number == 11 else None))
    history.record(use("acme/m9:novita".partition(":")[0], route="code"))
    history.add_feedback(Feedback("chat", "acme/m1", "good", text="hello"))
    moved = tmp_path / "moved.json"
    assert main(["--history-export", str(moved), "--route-config", str(path)]) == 0
    assert "4 models and 1 examples" in capsys.readouterr().out
    for _ in range(2):
        assert main(["--history-import", str(moved), "--route-config", str(path), "--history", address]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"5 of 5 models and examples of {moved} were new or had higher counts"
    assert second == f"nothing new: all 5 models and examples of {moved} are already here"
    back = tmp_path / "back.json"
    assert main(["--history-export", str(back), "--route-config", str(path), "--history", address]) == 0
    exported = json.loads(back.read_text())
    assert sorted(exported, key=lambda e: e["name"]) == sorted(json.loads(moved.read_text()), key=lambda e: e["name"])
    before = path.read_bytes()
    assert main(["--history-import", str(back), "--route-config", str(path)]) == 0
    assert path.read_bytes() == before, "what came back tells nothing new"


def test_an_import_says_what_was_new_what_was_here_and_what_has_no_route(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other, moved = (tmp_path / name for name in ("route_config.json", "other.json", "moved.json"))
    path.write_text(json.dumps([{"name": name, "description": name, "models": ["acme/named"]} for name in "abc"]))
    history = FileHistory(RouteFile(path))
    history.record(use("acme/m1", route="a"))
    history.add_feedback(Feedback("a", "acme/m1", "good", text="  hello  "))

    def imported(*, into: Path) -> list[str]:
        capsys.readouterr()
        assert main(["--history-import", str(moved), "--route-config", str(into)]) == 0
        return capsys.readouterr().out.splitlines()

    assert main(["--history-export", str(moved), "--route-config", str(path)]) == 0
    before = path.read_bytes()
    assert imported(into=path) == [f"nothing new: all 5 models and examples of {moved} are already here"]
    assert path.read_bytes() == before, "nothing is counted twice"
    history.record(use("acme/m1", route="a"))
    assert main(["--history-export", str(moved), "--route-config", str(path)]) == 0
    path.write_bytes(before)
    assert imported(into=path) == [f"1 of 5 models and examples of {moved} were new or had higher counts"]
    other.write_text('[{"name": "A", "description": "a", "models": ["acme/named"]}]')
    assert imported(into=other) == [
        f"2 of {moved} were not added: the policy lacks their route, or has no room for them",
        f"2 of 5 models and examples of {moved} were new or had higher counts",
    ]
    other.write_text('[{"name": "d", "description": "d"}]')
    assert imported(into=other)[-1] == f"nothing new: {moved} holds nothing for a route of this policy"


def test_an_export_does_not_replace_the_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "route_config.json"
    path.write_text('[{"name": "chat", "description": "small talk"}]')
    assert main(["--history-export", str(path), "--route-config", str(path)]) == 2
    assert "policy in use" in capsys.readouterr().err
    assert "small talk" in path.read_text()


@pytest.mark.parametrize("content", ["nonsense", "{}", '[{"description": "no name"}]'])
def test_a_file_that_is_no_history_is_refused_by_name(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.json"
    given.write_text(content)
    assert main(["--history-import", str(given)]) == 2
    assert str(given) in capsys.readouterr().err


def test_the_command_line_has_no_store_of_a_host(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--history-export", str(tmp_path / "x.json"), "--history", "store"]) == 2
    assert "OMNI_HISTORY" in capsys.readouterr().err
