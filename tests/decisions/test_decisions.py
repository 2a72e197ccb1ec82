"""Decisions afterwards: their log, why one was taken, what another policy would do, and what people think."""

import dataclasses
import json
import logging
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

from omni_router import Services, Settings, _sandbox, build_graph, give_feedback
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.config.route_file import RouteFile
from omni_router.decisions import log as log_module
from omni_router.decisions.log import DecisionLog, DecisionSink
from omni_router.errors import InvalidRequest
from omni_router.evaluation.replay import Replay, decided
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.selection.ranking import score
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

TEXT, TEXT2, TEXT3 = (f"sandbox/text-generation-{n}" for n in (1, 2, 3))
IMAGE, NOBODYS, RENAMED = "sandbox/text-to-image-1", "sandbox/text-generation-9", "sandbox/text-generation-33"
PICTURE = "https://example.com/flower.png"
TOKEN = "hf_a_token_that_nobody_else_may_read"
PROMPT = "What do tides have to do with the moon?"

Capture = pytest.CaptureFixture[str]
Turn = Callable[..., dict[str, Any]]


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "log" / "decisions.jsonl", with_text=True)


@pytest.fixture
def turn(
    services: Services, log: DecisionLog, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> Turn:
    """Run one turn of the graph with a scripted choice, and give its result."""
    write_policy(chat=[TEXT, TEXT2, TEXT3], code=[TEXT2], image_generation=[IMAGE], image_understanding=[])
    graph: Compiled = build_graph(dataclasses.replace(services, decision_log=log)).compile(InMemorySaver())
    threads = iter(range(1000))

    def run(
        route: str | None,
        model: str | None = None,
        *,
        thread: str = "",
        image: str | None = None,
        fault: str = "",
        **options: Any,
    ) -> dict[str, Any]:
        router.choose(route, model)
        config = {"configurable": {"thread_id": thread or f"thread-{next(threads)}"}}
        text, settings = options.pop("text", "Who discovered penicillin?"), Settings(**options)
        if fault:
            sandbox.fail(fault, model=model)
        return dict(graph.invoke(ask(text, image), config, context=settings))

    return run


@pytest.fixture
def judge(log: DecisionLog, route_config: Path) -> Callable[[str], int]:
    """Return a verdict on the last decision on the command line."""
    return lambda verdict: cli(
        "--feedback", last(log)["id"][:8], verdict, "--decision-log", log.path, "--route-config", route_config
    )


@pytest.fixture
def scripted(router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command line route with the scripted router."""
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)


def lines(log: DecisionLog) -> list[dict[str, Any]]:
    """The lines of the log, whatever they hold."""
    files = [log.path.with_name(f"{log.path.name}.{number}") for number in range(5, 0, -1)]
    raw_lines = [line for path in [*files, log.path] if path.exists() for line in path.read_text().splitlines()]
    return [json.loads(line) for line in raw_lines if line[0] == "{"]


def entries(log: DecisionLog) -> list[dict[str, Any]]:
    return list(log.entries())


def last(log: DecisionLog) -> dict[str, Any]:
    return entries(log)[-1]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def cli(*args: object) -> int:
    return main([str(arg) for arg in args])


# ---- the file


def test_an_entry_holds_the_decision_and_its_outcome(turn: Turn, log: DecisionLog) -> None:
    result = turn("chat", TEXT, thread="mine", fault="overloaded_503")
    entry = last(log)
    assert entry["id"] == result["decision"]["id"]
    assert (entry["thread"], entry["route"], entry["task"], entry["model"]) == (
        "mine",
        "chat",
        "text-generation",
        TEXT2,
    )
    assert [(attempt["model"], attempt["outcome"]) for attempt in entry["attempts"]] == [
        (TEXT, "overloaded"),
        (TEXT2, "answered"),
    ]
    assert entry["error"] is None
    assert json.loads(entry["reply"])["model"] == TEXT
    assert [candidate["model"] for candidate in entry["candidates"]["chat"]][:3] == [TEXT, TEXT2, TEXT3]
    assert TEXT3 in [over["model"] for over in entry["passed_over"]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["time"])


class ListSink:
    """A sink of a host's own."""

    def __init__(self, *, with_text: bool) -> None:
        self.with_text = with_text
        self.entries: list[dict[str, Any]] = []

    def write(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)


@pytest.mark.parametrize("with_text", [True, False])
def test_a_sink_of_ones_own_gets_what_the_log_gets(
    services: Services, router: ScriptedRouter, write_policy: Callable[..., Path], *, with_text: bool
) -> None:
    write_policy(chat=[TEXT])
    router.choose("chat", TEXT)
    own = ListSink(with_text=with_text)
    sink: DecisionSink = own
    result = build_graph(dataclasses.replace(services, decision_log=sink)).compile().invoke(ask(PROMPT))
    [entry] = own.entries
    assert (entry["id"], entry["route"], entry["model"]) == (result["decision"]["id"], "chat", TEXT)
    assert ("conversation" in entry["asked"], PROMPT in json.dumps(entry)) == (with_text, with_text)


def test_every_turn_is_one_line(turn: Turn, log: DecisionLog) -> None:
    turn("chat", TEXT)
    turn("chat", TEXT, skip_specialists=True)
    turn("other")
    turn("chat", TEXT, fault="payment_402")
    assert [entry["error"] for entry in entries(log)] == [None, None, "no_route", "payment"]
    assert len(log.path.read_bytes().splitlines()) == 4


def test_without_a_log_nothing_is_written(
    services: Services, router: ScriptedRouter, write_policy: Callable[..., Path], tmp_path: Path
) -> None:
    write_policy(chat=[TEXT])
    router.choose("chat", TEXT)
    build_graph(services).compile().invoke(ask("Hello"))
    assert not [path for path in tmp_path.rglob("*") if "decision" in path.name or "jsonl" in path.name]


def test_text_is_kept_only_if_asked_for(turn: Turn, log: DecisionLog) -> None:
    turn("chat", TEXT, text="my secret plan")
    assert last(log)["asked"]["conversation"] == [{"role": "user", "content": "my secret plan"}]
    log.with_text = False
    turn("chat", TEXT, text="my other plan")
    assert list(last(log)["asked"]) == ["sha256"]
    assert "my other plan" not in log.path.read_text()


def test_neither_token_nor_picture_gets_into_the_log(
    turn: Turn, log: DecisionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    turn("image_understanding", image=str(tmp_path / "red.png"), text="What is this?")
    turn("chat", TEXT, fault="token_401")
    assert [entry["error"] for entry in entries(log)] == [None, "token"]
    assert TOKEN not in log.path.read_text()
    assert "base64" not in log.path.read_text()
    assert b64encode((tmp_path / "red.png").read_bytes()).decode()[:40] not in log.path.read_text()


def test_files_are_the_owners_alone_and_bounded(log: DecisionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_BYTES", 1000)
    log.path.parent.mkdir()
    log.path.write_text("x" * 999 + "\n")
    log.path.chmod(0o644)  # it was there before, for everybody to read
    for number in range(100):
        log.write({"id": f"{number:04}", "filler": "y" * 100})
        assert {mode(path) for path in log.path.parent.iterdir()} == {0o600}
    files = sorted(path for path in log.path.parent.iterdir() if not path.name.startswith("."))
    assert [path.name for path in files] == ["decisions.jsonl", *(f"decisions.jsonl.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in files)
    ids = [entry["id"] for entry in lines(log)]
    assert ids == [f"{number:04}" for number in range(100 - len(ids), 100)], "the newest, in their order"


def test_four_processes_lose_nothing_and_tear_nothing(log: DecisionLog) -> None:
    code = (
        "import sys; from pathlib import Path; from omni_router.decisions.log import DecisionLog\n"
        "log = DecisionLog(Path(sys.argv[1]))\n"
        "for n in range(200): log.write({'id': f'{sys.argv[2]}-{n}', 'filler': 'x' * 3000})"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(log.path), str(n)]) for n in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    assert {entry["id"] for entry in lines(log)} == {f"{p}-{n}" for p in range(4) for n in range(200)}
    assert len(log.path.read_bytes().splitlines()) == 800


def test_line_that_a_crash_cut_off_is_passed_over_and_closed_by_the_next(turn: Turn, log: DecisionLog) -> None:
    turn("chat", TEXT)
    with log.path.open("ab") as file:
        file.write(b'{"id": "cut off he')
    assert len(entries(log)) == 1
    turn("chat", TEXT)
    assert len(entries(log)) == 2
    assert len(log.path.read_bytes().splitlines()) == 3


def test_log_that_cannot_be_written_is_warned_of_once_and_breaks_no_run(
    turn: Turn, log: DecisionLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    log.path = tmp_path / "file" / "decisions.jsonl"
    with caplog.at_level(logging.WARNING, "omni_router"):
        assert turn("chat", TEXT)["error"] is None
        assert turn("chat", TEXT)["error"] is None
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["decisions are not logged"]


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As root, a chmod of /dev/null would break the machine; a pipe, which harms nobody, stands in for it here."""
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir(mode=0o755)
    os.mkfifo(pipe, 0o644)
    for path in (folder, pipe):
        before = mode(path)
        DecisionLog(path).write({"id": "x"})
        assert mode(path) == before
    assert len(caplog.records) == 2


def test_a_book_is_not_kept_whole(turn: Turn, log: DecisionLog) -> None:
    turn("chat", TEXT, text="begin " + "word " * 200_000 + "end")
    [stored_turn] = last(log)["asked"]["conversation"]
    assert stored_turn["content"].startswith("begin")
    assert stored_turn["content"].endswith("end")
    assert log.path.stat().st_size < 100_000


# ---- why


@pytest.mark.parametrize(
    ("args", "fault", "texts"),
    [
        (("chat", TEXT), "", ["chat", TEXT, "answered", "penicillin", "as scripted", "together is the cheapest"]),
        (("chat", NOBODYS), "", ["chat", NOBODYS, "rejected", TEXT]),
        (("other",), "", ["other", "no_route"]),
        ((None,), "", ["none", "no_reply"]),
        (("chat", TEXT), "payment_402", ["chat", "payment"]),
        (("chat", TEXT), "overloaded_503", [f"after {TEXT} failed (overloaded)", TEXT2, "answered"]),
    ],
)
def test_why_explains_every_kind_of_decision(
    args: Any, fault: str, texts: list[str], turn: Turn, capsys: Capture
) -> None:
    turn(*args, fault=fault)
    assert cli("--why", "--decision-log", "log/decisions.jsonl") == 0
    printed = capsys.readouterr().out
    assert [words for words in texts if words not in printed] == []


def test_why_finds_by_the_start_of_an_id_also_in_files_moved_aside(
    log: DecisionLog, turn: Turn, capsys: Capture
) -> None:
    first = turn("chat", TEXT)["decision"]["id"]
    log.path.rename(log.path.with_name("decisions.jsonl.1"))
    turn("code", TEXT2)
    assert cli("--why", first[:9], "--decision-log", log.path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == first


def test_why_says_what_there_is_when_an_id_fits_none_or_several(log: DecisionLog, turn: Turn, capsys: Capture) -> None:
    turn("chat", TEXT)
    whole = last(log)
    for name in ("aaa1", "aaa2"):
        log.write({**whole, "id": name})
    assert cli("--why", "aaa", "--decision-log", log.path) == 2
    assert "aaa1, aaa2" in capsys.readouterr().err
    assert cli("--why", "zzz", "--decision-log", log.path) == 2
    assert "aaa2" in capsys.readouterr().err


def test_why_without_a_log_says_how_to_keep_one(capsys: Capture, tmp_path: Path) -> None:
    assert cli("--why") == 2
    assert "--decision-log" in capsys.readouterr().err
    assert cli("--why", "--decision-log", tmp_path / "none") == 2
    assert "none" in capsys.readouterr().err


# ---- replay


@pytest.fixture
def varied(turn: Turn, log: DecisionLog, sandbox: Sandbox) -> Path:
    """A log of decisions of every kind, whose words are not kept."""
    log.with_text = False
    sandbox.rename(TEXT3, RENAMED)
    turn("chat", TEXT2, thread="one")
    turn("chat", TEXT, thread="one")  # the thread goes on with its own model
    turn("chat", NOBODYS)  # refused by the catalog
    turn("chat", "chat")  # a route's name is no model
    turn("chat", None)
    turn("Chat", TEXT, skip_specialists=True)
    turn("other")
    turn(None)
    turn("other", fallback_route="code")
    turn("nonsense", TEXT, fallback_route="chat")
    turn("other", image=PICTURE, fallback_route="chat")  # a route that is not on offer for a picture
    turn("image_understanding", image=PICTURE)
    turn("image_generation", IMAGE)
    turn("chat", TEXT, fault="payment_402")
    turn("chat", TEXT, fault="overloaded_503")  # fails, then another
    turn("chat", TEXT)  # is cooling down
    turn("code", TEXT2, fault="overloaded_503")
    turn("chat", TEXT3)  # has a new name
    assert [entry["model"] for entry in entries(log)].count(None) == 2
    return log.path


def replayed(log: Path, policy: Path, capsys: Capture) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = cli("--replay", log, "--route-config", policy, "--json")
    return status, json.loads(capsys.readouterr().out)


def changed(policy: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write a copy of a policy with its entries, by name, changed."""
    listed = json.loads(policy.read_text())
    change({entry["name"]: entry for entry in listed})
    new = policy.with_name("new.json")
    new.write_text(json.dumps(listed))
    return new


def test_unchanged_policy_shows_no_difference(varied: Path, route_config: Path, capsys: Capture) -> None:
    assert replayed(varied, route_config, capsys) == (0, {"n": 18, "asked_again": 0, "differing": []})


def test_replay_comes_to_what_was_decided(varied: Path, route_config: Path, router: ScriptedRouter) -> None:
    replaying = Replay(RouteFile(route_config), router)
    other = [e for e in DecisionLog(varied).entries() if not decided(e).same_as(replaying.decide(e))]
    assert [entry["model"] for entry in other] == [RENAMED], "that it got a new name was the catalog's word"


@pytest.mark.parametrize("age", ["of today", "older"])
def test_replay_knows_a_cooldown_by_its_rule_and_in_older_logs_by_its_words(
    age: str, varied: Path, route_config: Path, router: ScriptedRouter
) -> None:
    replaying = Replay(RouteFile(route_config), router)
    cooled = 0
    for entry in DecisionLog(varied).entries():
        rejections = [over for over in entry["passed_over"] if over["rule"] == "cooling_down"]
        cooled += len(rejections)
        for over in entry["passed_over"]:
            if age == "older":
                del over["rule"]
            else:
                over["why"] = "in other words"
        if rejections and entry["model"] != RENAMED:
            assert decided(entry).same_as(replaying.decide(entry))
    assert cooled > 0


def test_renamed_route_is_shown(varied: Path, route_config: Path, capsys: Capture) -> None:
    new = changed(route_config, lambda by_name: by_name["code"].update(name="programs"))
    status, report = replayed(varied, new, capsys)
    assert status == 1
    assert {each["before"]["route"] for each in report["differing"]} == {"code"}
    assert len(report["differing"]) == 2
    assert cli("--replay", varied, "--route-config", new) == 1
    printed = capsys.readouterr().out
    assert "2 of 18" in printed
    assert "'code', which is not one of the routes it could choose from" in printed


def test_removed_model_gives_way_to_the_next(turn: Turn, log: DecisionLog, route_config: Path, capsys: Capture) -> None:
    log.with_text = False
    turn("chat", None)  # the first of the line
    new = changed(route_config, lambda by_name: by_name["chat"].update(models=[TEXT2, TEXT3]))
    status, report = replayed(log.path, new, capsys)
    assert status == 1
    [difference] = report["differing"]
    assert (difference["before"]["model"], difference["after"]["model"]) == (TEXT, TEXT2)


def test_changed_task_is_shown(turn: Turn, log: DecisionLog, route_config: Path, capsys: Capture) -> None:
    log.with_text = False
    turn("chat", TEXT)
    new = changed(route_config, lambda by_name: by_name["chat"].update(task="text-to-image"))
    status, report = replayed(log.path, new, capsys)
    assert status == 1
    assert report["differing"][0]["after"]["task"] == "text-to-image"


@pytest.mark.usefixtures("scripted")
def test_with_kept_words_the_router_is_asked_again(
    turn: Turn, log: DecisionLog, route_config: Path, router: ScriptedRouter, capsys: Capture
) -> None:
    turn("chat", TEXT, text="Sort a list in Rust")
    router.asked.clear()
    assert replayed(log.path, route_config, capsys) == (0, {"n": 1, "asked_again": 1, "differing": []})
    new = changed(route_config, lambda by_name: by_name["code"].update(description="programs in Rust"))
    router.choose("code", TEXT2)
    status, report = replayed(log.path, new, capsys)
    [(conversation, offered)] = router.asked[1:]
    assert (status, report["asked_again"], report["differing"][0]["after"]["route"]) == (1, 1, "code")
    assert conversation == [{"role": "user", "content": "Sort a list in Rust"}]
    assert {route.name: route.description for route in offered}["code"] == "programs in Rust"
    assert router.asked[0][1][0] == offered[0], "a route that did not change is offered as it was"


def test_with_kept_words_the_real_router_sees_the_new_policy(  # noqa: PLR0913, PLR0917 (fixtures)
    services: Services,
    semantic: SemanticRouter,
    log: DecisionLog,
    route_config: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: semantic)
    graph: Compiled = build_graph(dataclasses.replace(services, router=semantic, decision_log=log)).compile()
    for text in ("Translate good morning into French", "Summarize this article: tides rise and fall."):
        graph.invoke(ask(text))
    assert replayed(log.path, route_config, capsys) == (0, {"n": 2, "asked_again": 2, "differing": []})
    renamed = changed(route_config, lambda by_name: by_name["translation"].update(name="languages"))
    status, report = replayed(log.path, renamed, capsys)
    assert status == 1
    assert [each["before"]["route"] for each in report["differing"]] == ["translation"]


@pytest.mark.usefixtures("scripted")
def test_router_that_fails_on_a_replayed_request_gives_no_reply(
    turn: Turn, log: DecisionLog, route_config: Path, router: ScriptedRouter, capsys: Capture
) -> None:
    turn("chat", TEXT)
    router.says = RuntimeError("of the router")
    status, report = replayed(log.path, route_config, capsys)
    assert (status, report["differing"][0]["after"]["route"]) == (1, None)


@pytest.mark.parametrize("text", ["", "not a log\n", '{"id": "half an entry"}\n', "[1]\n"])
def test_replay_of_a_file_that_is_not_a_log_is_status_2(
    text: str, tmp_path: Path, write_policy: Callable[..., Path], capsys: Capture
) -> None:
    (tmp_path / "log").write_text(text)
    assert cli("--replay", tmp_path / "log", "--route-config", write_policy(chat=[TEXT])) == 2
    assert "log" in capsys.readouterr().err


def test_replay_against_a_missing_policy_is_status_2(turn: Turn, log: DecisionLog, capsys: Capture) -> None:
    turn("chat", TEXT)
    assert cli("--replay", log.path, "--route-config", "no-such.json") == 2
    assert "no-such.json" in capsys.readouterr().err


# ---- feedback


def record_of(route_config: Path, route: str, model: str) -> dict[str, Any]:
    [entry] = [entry for entry in json.loads(route_config.read_text()) if entry["name"] == route]
    return next(m for m in entry["models"] if isinstance(m, dict) and m["id"] == model)


def learned(route_config: Path) -> dict[str, list[str]]:
    return {e["name"]: e["learned"] for e in json.loads(route_config.read_text()) if e.get("learned")}


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_verdict_counts_in_the_ranking(
    verdict: str, turn: Turn, services: Services, route_config: Path, judge: Callable[[str], int]
) -> None:
    turn("chat", TEXT)
    now = datetime.now(timezone.utc)

    def rated() -> float:
        return next(score(record, now) for record in services.history.models("chat") if record["id"] == TEXT)

    before = rated()
    assert judge(verdict) == 0
    assert record_of(route_config, "chat", TEXT)[verdict] == 1
    assert rated() > before if verdict == "good" else rated() < before


def test_right_route_becomes_an_example_that_the_router_is_shown(
    turn: Turn, judge: Callable[[str], int], router: ScriptedRouter, route_config: Path
) -> None:
    turn("chat", TEXT, text="Sort a list in Rust")
    assert judge("Code") == 0
    assert learned(route_config) == {"code": ["Sort a list in Rust"]}
    assert "good" not in record_of(route_config, "chat", TEXT)
    turn("code", TEXT2)
    assert {route.name: route.examples for route in router.asked[-1][1]}["code"] == ("Sort a list in Rust",)


def test_other_teaches_what_no_route_serves(
    turn: Turn, judge: Callable[[str], int], router: ScriptedRouter, route_config: Path, capsys: Capture
) -> None:
    turn("chat", TEXT, text="Open the garage")
    assert judge("Other") == 0
    assert "example of other" in capsys.readouterr().out
    assert json.loads(route_config.read_text())[-1] == {"name": "other", "learned": ["Open the garage"]}
    assert not {"good", "bad"} & set(record_of(route_config, "chat", TEXT)), "the route was wrong, not the model"
    turn("code", TEXT2, text="Open the garage")
    assert {route.out_of_scope_examples for route in router.asked[-1][1]} == {("Open the garage",)}
    assert "other" not in {route.name for route in router.asked[-1][1]}
    assert judge("code") == 0
    assert learned(route_config) == {"code": ["Open the garage"]}, "it is no longer one of other"


def test_other_can_be_named_as_the_right_route(
    turn: Turn, judge: Callable[[str], int], route_config: Path, capsys: Capture
) -> None:
    turn("other", text="Open the garage")
    assert judge("other") == 0
    output = capsys.readouterr().out
    assert output.endswith("the request is now an example of other\n")
    assert "counts as" not in output, "there is no model that could"
    assert judge("other") == 1, "it is known by now"
    assert learned(route_config) == {"other": ["Open the garage"]}


def test_a_listed_other_learns_beside_its_examples(
    turn: Turn, judge: Callable[[str], int], router: ScriptedRouter, route_config: Path
) -> None:
    turn("chat", TEXT, text="Open the garage")
    listed = {"name": "Other", "description": "anything else", "examples": ["Lock the door"]}
    route_config.write_text(json.dumps([*json.loads(route_config.read_text()), listed]))
    assert judge("other") == 0
    assert json.loads(route_config.read_text())[-1] == {**listed, "learned": ["Open the garage"]}
    turn("chat", TEXT)
    assert {route.out_of_scope_examples for route in router.asked[-1][1]} == {("Lock the door", "Open the garage")}


def test_without_kept_words_other_learns_nothing_and_is_not_listed(
    turn: Turn, log: DecisionLog, judge: Callable[[str], int], route_config: Path, capsys: Capture
) -> None:
    log.with_text = False
    turn("chat", TEXT)
    before = route_config.read_bytes()
    assert judge("other") == 1
    assert "--log-text" in capsys.readouterr().out
    assert route_config.read_bytes() == before


def test_example_holds_words_alone(turn: Turn, judge: Callable[[str], int], route_config: Path) -> None:
    turn("image_understanding", image=PICTURE, text="What flower is this?")
    assert judge("good") == 0
    assert learned(route_config) == {"image_understanding": ["What flower is this?"]}


def test_without_kept_words_a_verdict_only_counts_and_says_so(
    turn: Turn, log: DecisionLog, judge: Callable[[str], int], route_config: Path, capsys: Capture
) -> None:
    log.with_text = False
    turn("chat", TEXT)
    assert judge("good") == 0
    assert "--log-text" in capsys.readouterr().out
    assert record_of(route_config, "chat", TEXT)["good"] == 1
    assert learned(route_config) == {}
    assert judge("code") == 1
    captured = capsys.readouterr()
    assert "--log-text" in captured.out + captured.err
    assert "no record" not in captured.out + captured.err


def test_verdict_that_is_none_names_those_allowed(
    turn: Turn, judge: Callable[[str], int], route_config: Path, capsys: Capture
) -> None:
    turn("other")
    assert judge("splendid") == 2
    assert re.search(r"good, bad or a route \(chat, code, .*, other\), not 'splendid'", capsys.readouterr().err)
    assert judge("good") == 2, "there is no model to be good"
    assert judge("code") == 0
    assert learned(route_config) == {"code": ["Who discovered penicillin?"]}


def test_feedback_in_python_takes_a_result_or_a_decision(turn: Turn, services: Services, route_config: Path) -> None:
    result = turn("chat", TEXT, text="Hello there")
    assert give_feedback(result, "good", services=services) == str(route_config)
    assert learned(route_config) == {"chat": ["Hello there"]}
    give_feedback(result["decision"], "bad", services=services)
    give_feedback(result["decision"], "code", services=services, text="Hello there")
    assert learned(route_config) == {"code": ["Hello there"]}, "it is no longer one of chat"
    assert (record_of(route_config, "chat", TEXT)["good"], record_of(route_config, "chat", TEXT)["bad"]) == (1, 1)
    give_feedback(result, "other", services=services)
    assert learned(route_config) == {"other": ["Hello there"]}
    with pytest.raises(InvalidRequest, match="good, bad or a route"):
        give_feedback(result, "splendid", services=services)


def test_a_model_without_a_record_is_not_reported_as_counted(
    turn: Turn, log: DecisionLog, route_config: Path, capsys: Capture
) -> None:
    turn("chat", TEXT)
    route_config.write_text('[{"name": "chat", "description": "about chat"}]')
    args = ("--feedback", last(log)["id"], "good", "--decision-log", log.path, "--route-config", route_config)
    cli(*args)
    output = capsys.readouterr().out
    assert f"{TEXT} has no record on chat" in output
    assert "counts as" not in output


def test_feedback_needs_neither_langgraph_nor_torch(turn: Turn, log: DecisionLog, route_config: Path) -> None:
    turn("chat", TEXT)
    code = (
        "import sys; from omni_router.cli import main\n"
        "where = ['--decision-log', sys.argv[1], '--route-config', sys.argv[2]]\n"
        "assert main(['--feedback', sys.argv[3], 'good', *where]) == 0\n"
        "assert not {'langgraph', 'langchain_core', 'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(log.path), str(route_config), last(log)["id"]], check=True)
    assert record_of(route_config, "chat", TEXT)["good"] == 1


# ---- the command line


@pytest.fixture
def no_sandbox_left() -> Iterator[None]:
    yield
    while _sandbox.active():
        _sandbox.uninstall()


@pytest.mark.usefixtures("no_sandbox_left", "scripted")
def test_the_printed_id_leads_to_why(capsys: Capture, tmp_path: Path, router: ScriptedRouter) -> None:
    router.choose("question_answering")
    args = ("--prompt", "Who discovered penicillin?", "--sandbox", "--decision-log", tmp_path / "log.jsonl")
    assert cli(*args, "--json") == 0
    payload = json.loads(capsys.readouterr().out)
    assert cli("--why", payload["id"], "--decision-log", tmp_path / "log.jsonl") == 0
    printed = capsys.readouterr().out
    assert "question_answering" in printed
    assert "penicillin" not in printed
    assert cli(*args, "--log-text") == 0
    name = last(DecisionLog(tmp_path / "log.jsonl"))["id"]
    assert f"  id       {name}\n" in capsys.readouterr().out
