"""Decisions afterwards: the log, why, replay, feedback."""

import dataclasses
import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from omni_router import Services, Settings, _sandbox, build_graph, give_feedback
from omni_router._sandbox import SANDBOX_TOKEN, Sandbox
from omni_router.cli import main
from omni_router.config.policy import DEFAULT_POLICY
from omni_router.decisions import log as log_module
from omni_router.decisions.log import DecisionLog
from omni_router.errors import ConfigurationError, InvalidRequest
from omni_router.routers.semantic import SemanticRouter
from tests.calls import Compiled, ask
from tests.conftest import ScriptedRouter

TEXT, TEXT2, TEXT3 = (f"sandbox/text-generation-{n}" for n in (1, 2, 3))
IMAGE, VISION = "sandbox/text-to-image-1", "sandbox/image-text-to-text-1"
PICTURE = "https://example.com/flower.png"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def one_process(semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("omni_router.routers.choose.SemanticRouter", lambda _encoder: semantic)
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    yield
    while _sandbox.active():
        _sandbox.uninstall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "decisions.jsonl"


@pytest.fixture
def logged(services: Services, path: Path) -> Callable[..., Compiled]:
    def make(*, with_text: bool = False) -> Compiled:
        own = dataclasses.replace(services, decision_log=DecisionLog(path, with_text=with_text))
        return build_graph(own).compile(checkpointer=InMemorySaver())

    return make


def turn(graph: Compiled, text: str = "why?", thread: str = "1", picture: str | None = None, **context: Any) -> Any:
    return graph.invoke(ask(text, picture), {"configurable": {"thread_id": thread}}, context=Settings(**context))


def entries(path: Path) -> list[dict[str, Any]]:
    return list(DecisionLog(path).entries())


# ---- the log


def test_each_turn_is_one_line_with_all_that_led_to_it(
    logged: Callable[..., Compiled], router: ScriptedRouter, sandbox: Sandbox, path: Path
) -> None:
    graph = logged()
    router.choose("question_answering", "acme/nowhere", "because")
    sandbox.fail("overloaded_503", model=TEXT)
    result = turn(graph, "how do tides work?", thread="t1")
    [entry] = entries(path)
    assert entry["id"] == result["decision"]["id"]
    assert (entry["thread"], entry["route"], entry["task"]) == ("t1", "question_answering", "text-generation")
    assert (entry["model"], entry["source"], entry["confidence"]) == (TEXT2, "catalog", 0.9)
    assert [(a["model"], a["outcome"]) for a in entry["attempts"]] == [(TEXT, "overloaded"), (TEXT2, "answered")]
    over = {each["model"]: (each["kind"], each["why"]) for each in entry["passed_over"]}
    assert over["acme/nowhere"][0] == "not_found"
    assert over[TEXT3] == (None, "came after: number 3 in the catalog")
    assert [c["model"] for c in entry["candidates"]["question_answering"]] == [TEXT, TEXT2, TEXT3]
    assert json.loads(entry["reply"])["reason"] == "because"
    assert entry["error"] is None
    assert entry["time"].endswith("Z")


def test_a_turn_without_an_answer_is_logged_with_its_error(
    logged: Callable[..., Compiled], router: ScriptedRouter, sandbox: Sandbox, path: Path
) -> None:
    graph = logged()
    router.choose("other")
    turn(graph)
    router.choose("question_answering", TEXT)
    sandbox.fail("payment_402")
    turn(graph)
    turn(graph, skip_specialists=True)
    assert [(entry["error"], len(entry["attempts"])) for entry in entries(path)] == [
        *(("no_route", 0), ("payment", 1), (None, 0)),
    ]


def test_what_was_asked_is_a_hash_unless_its_text_is_wanted(
    logged: Callable[..., Compiled], router: ScriptedRouter, path: Path
) -> None:
    router.choose("question_answering", TEXT)
    turn(logged(), "a very private question")
    assert "private" not in path.read_text()
    assert len(entries(path)[0]["asked"]["sha256"]) == 64
    turn(logged(with_text=True), "a very private question")
    assert entries(path)[1]["asked"] == {"conversation": [{"role": "user", "content": "a very private question"}]}


def test_no_token_and_no_picture_is_logged(logged: Callable[..., Compiled], router: ScriptedRouter, path: Path) -> None:
    router.choose("image_understanding", VISION)
    turn(logged(with_text=True), "what is this?", picture="data:image/png;base64," + TINY)
    text = path.read_text()
    assert SANDBOX_TOKEN not in text
    assert TINY[:40] not in text
    assert "[Image attached]" in text


TINY = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_without_a_log_nothing_is_written(services: Services, router: ScriptedRouter, tmp_path: Path) -> None:
    router.choose("question_answering", TEXT)
    build_graph(services).compile().invoke(ask("why?"))
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_the_file_is_for_its_owner_alone_also_when_it_was_there_and_after_a_rotation(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MAX_BYTES", 2000)
    path.parent.mkdir()
    path.write_text("")
    path.chmod(0o644)
    log = DecisionLog(path)
    for number in range(100):
        log.write({"id": f"{number:04}", "filler": "x" * 200})
    files = sorted(file for file in path.parent.iterdir() if not file.name.endswith(".lock"))
    assert [file.name for file in files] == ["decisions.jsonl", *(f"decisions.jsonl.{n}" for n in range(1, 6))]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(file.stat().st_size <= 2000 for file in files)
    ids = [entry["id"] for entry in log.entries()]
    assert ids == sorted(ids)
    assert ids[-1] == "0099"
    assert log.find("0098")["id"] == "0098"


_LOGGER = """
import sys
from pathlib import Path
from omni_router.decisions.log import DecisionLog
log = DecisionLog(Path(sys.argv[1]))
for number in range(200):
    log.write({"id": f"{sys.argv[2]}-{number}", "filler": "x" * 3000})
"""


def test_four_processes_lose_no_line_and_tear_none(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", _LOGGER, str(path), str(n)]) for n in range(4)]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * 4
    finally:
        for process in processes:
            process.kill()
    assert {entry["id"] for entry in entries(path)} == {f"{p}-{n}" for p in range(4) for n in range(200)}
    assert len(path.read_text().splitlines()) == 800


def test_a_line_that_a_crash_cut_off_is_passed_over_and_the_next_begins_anew(path: Path) -> None:
    log = DecisionLog(path)
    log.write({"id": "one"})
    with path.open("a") as file:
        file.write('{"id": "tw')
    log.write({"id": "three"})
    assert [entry["id"] for entry in log.entries()] == ["one", "three"]


def test_a_log_that_cannot_be_written_is_told_once_and_breaks_no_run(
    services: Services, router: ScriptedRouter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    log = DecisionLog(tmp_path / "file" / "decisions.jsonl")
    router.choose("question_answering", TEXT)
    graph: Compiled = build_graph(dataclasses.replace(services, decision_log=log)).compile()
    for _ in range(2):
        assert graph.invoke(ask("why?"))["error"] is None
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING and "not logged" in r.getMessage()]) == 1


# ---- why


def why(path: Path, capsys: Capture, *more: str) -> str:
    assert main(["--why", *more, "--decision-log", str(path)]) == 0
    return capsys.readouterr().out


def test_a_decision_is_explained_in_plain_words(
    logged: Callable[..., Compiled], router: ScriptedRouter, sandbox: Sandbox, path: Path, capsys: Capture
) -> None:
    graph = logged(with_text=True)
    router.choose("question_answering", "acme/nowhere", "it is a question")
    sandbox.fail("rate_limited_429", model=TEXT)
    first = turn(graph, "how do tides work?")["decision"]["id"]
    router.choose("other")
    turn(graph, "mumble")
    told = why(path, capsys, first[:6])
    for words in (
        f"Decision {first}",
        "how do tides work?",
        "question_answering, confidence 0.90, task text-generation",
        f"{TEXT2}, from catalog, served for the task",
        "acme/nowhere (from router): not on the Hub",
        f"{TEXT}: rate_limited in",
        f"{TEXT2}: answered in",
        '"reason": "it is a question"',
    ):
        assert words in told, words
    last = why(path, capsys)
    assert "without an answer: no_route" in last
    assert json.loads(why(path, capsys, first, "--json"))["id"] == first


def test_a_decision_that_is_not_there_is_told_so(path: Path, capsys: Capture) -> None:
    assert main(["--why"]) == 2
    assert "--decision-log PATH or OMNI_DECISION_LOG" in capsys.readouterr().err
    assert main(["--why", "--decision-log", str(path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    log = DecisionLog(path)
    for name in ("aa11", "aa22"):
        log.write({"id": name})
    for start, told in (("aa", "several decisions"), ("zz", "no decision")):
        with pytest.raises(ConfigurationError, match=told):
            log.find(start)


# ---- replay


def replay(path: Path, policy: Path, capsys: Capture) -> tuple[int, dict[str, Any]]:
    status = main(["--replay", str(path), "--route-config", str(policy), "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture
def varied(
    logged: Callable[..., Compiled],
    router: ScriptedRouter,
    sandbox: Sandbox,
    route_config: Path,
) -> Path:
    """Decisions of every kind, made under a policy with some history; the policy as it was afterwards."""
    entries = json.loads(DEFAULT_POLICY.read_text())
    by_name = {entry["name"]: entry for entry in entries}
    by_name["question_answering"]["models"] = [TEXT2, "acme/nowhere", TEXT]
    by_name["summarization"]["models"] = [TEXT3]
    route_config.write_text(json.dumps(entries))
    graph = logged()
    router.choose("question_answering", TEXT3)
    turn(graph, thread="a")
    router.choose("question_answering", TEXT)
    turn(graph, thread="a")  # stays with its model
    sandbox.fail("overloaded_503", model=TEXT)
    turn(graph, thread="b")  # goes on with another
    turn(graph, thread="c")  # which is cooling down now
    router.choose("question_answering", "acme/other")
    turn(graph, thread="d")  # refused
    router.choose("question_answering", None)
    turn(graph, thread="e")
    router.choose("other")
    turn(graph, thread="f")
    turn(graph, thread="g", fallback_route="summarization")
    router.choose("image_generation", IMAGE)
    turn(graph, thread="h")
    router.choose("image_understanding", VISION)
    turn(graph, thread="i", picture=PICTURE)
    router.says = RuntimeError("boom")
    turn(graph, thread="j")
    router.choose("summarization", None)
    turn(graph, thread="k", skip_specialists=True)
    return route_config


def test_an_unchanged_policy_shows_no_difference_though_history_moved_on(
    varied: Path, path: Path, capsys: Capture
) -> None:
    assert replay(path, varied, capsys) == (0, {"n": 12, "asked_again": 0, "differing": []})


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        (lambda by_name: by_name["image_generation"].update(name="drawing"), {"other"}),
        (lambda by_name: by_name["image_understanding"].update(task="text-to-image"), {"other"}),
        (lambda by_name: by_name["summarization"].update(models=["acme/better"]), {"summarization"}),
    ],
)
def test_a_changed_policy_shows_what_would_differ(
    change: Callable[[dict[str, Any]], None], differing: set[str], varied: Path, path: Path, capsys: Capture
) -> None:
    entries = json.loads(varied.read_text())
    change({entry["name"]: entry for entry in entries})
    changed = varied.with_name("changed.json")
    changed.write_text(json.dumps(entries))
    status, found = replay(path, changed, capsys)
    assert status == 1
    assert {each["after"]["route"] for each in found["differing"]} == differing
    assert main(["--replay", str(path), "--route-config", str(changed)]) == 1
    out = capsys.readouterr().out
    assert f"{len(found['differing'])} of 12 decisions would differ" in out
    assert found["differing"][0]["id"] in out


def test_with_text_the_router_is_asked_again(
    services: Services, semantic: SemanticRouter, path: Path, route_config: Path, capsys: Capture
) -> None:
    own = dataclasses.replace(services, router=semantic, decision_log=DecisionLog(path, with_text=True))
    graph: Compiled = build_graph(own).compile()
    for text in ("Translate good morning into French", "Summarize this article: tides rise and fall."):
        graph.invoke(ask(text))
    assert replay(path, route_config, capsys) == (0, {"n": 2, "asked_again": 2, "differing": []})
    entries = json.loads(route_config.read_text())
    changed = route_config.with_name("changed.json")
    changed.write_text(json.dumps([entry for entry in entries if entry["name"] != "translation"]))
    status, found = replay(path, changed, capsys)
    assert status == 1
    [one] = found["differing"]
    assert one["before"]["route"] == "translation"


def test_a_fallback_route_that_is_gone_is_a_difference(varied: Path, path: Path, capsys: Capture) -> None:
    entries = [entry for entry in json.loads(varied.read_text()) if entry["name"] != "summarization"]
    changed = varied.with_name("changed.json")
    changed.write_text(json.dumps(entries))
    status, found = replay(path, changed, capsys)
    assert status == 1
    assert any("fallback_route is 'summarization'" in each["after"]["reason"] for each in found["differing"])


def test_a_log_that_is_not_there_ends_with_status_2(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--replay", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl cannot be read" in capsys.readouterr().err


# ---- feedback


def stored(path: Path, route: str) -> dict[str, Any]:
    return next(dict(entry) for entry in json.loads(path.read_text()) if entry["name"] == route)


def test_a_verdict_from_python_counts_and_teaches(
    services: Services, router: ScriptedRouter, route_config: Path
) -> None:
    router.choose("question_answering", TEXT)
    graph: Compiled = build_graph(services).compile()
    result = graph.invoke(ask("how do tides work?"))
    assert give_feedback(result, "good", services=services) == str(route_config)
    entry = stored(route_config, "question_answering")
    assert entry["models"][0]["good"] == 1
    assert entry["learned"] == ["how do tides work?"]
    graph.invoke(ask("and now?"))
    offered = {route.name: route.examples for route in router.asked[-1][1]}
    assert "how do tides work?" in offered["question_answering"]
    give_feedback(result, "math_reasoning", services=services)
    assert stored(route_config, "question_answering")["learned"] == []
    assert stored(route_config, "math_reasoning")["learned"] == ["how do tides work?"]


def test_bad_verdicts_send_a_model_down(services: Services, router: ScriptedRouter) -> None:
    graph: Compiled = build_graph(services).compile()
    for model in (TEXT, TEXT2):
        router.choose("question_answering", model)
        result = graph.invoke(ask("why?"))
    for _ in range(2):
        give_feedback(result["decision"], "bad", services=services)
    router.choose("question_answering", None)
    assert graph.invoke(ask("why?"))["decision"]["model"] == TEXT


@pytest.mark.parametrize("verdict", ["great", "", "other"])
def test_a_verdict_of_another_kind_names_those_there_are(
    verdict: str, services: Services, router: ScriptedRouter
) -> None:
    router.choose("question_answering", TEXT)
    result = build_graph(services).compile().invoke(ask("why?"))
    with pytest.raises(InvalidRequest, match=r"good, bad or a route \(casual_conversation"):
        give_feedback(result, verdict, services=services)


def test_a_decision_without_a_model_takes_only_the_right_route(
    services: Services, router: ScriptedRouter, route_config: Path
) -> None:
    router.choose("other")
    result = build_graph(services).compile().invoke(ask("compute 2 + 2"))
    with pytest.raises(InvalidRequest, match="no model was chosen"):
        give_feedback(result, "bad", services=services)
    assert give_feedback(result, "math_reasoning", services=services)
    assert stored(route_config, "math_reasoning")["learned"] == ["compute 2 + 2"]


def test_a_verdict_from_the_command_line(tmp_path: Path, capsys: Capture) -> None:
    common = ["--sandbox", "--decision-log", str(tmp_path / "log.jsonl"), "--route-config", str(tmp_path / "p.json")]
    assert main(["--prompt", "How do tides work?", "--log-text", "--json", *common]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main(["--feedback", answer["id"][:5], "good", *common]) == 0
    assert f"the request is an example of {answer['route']}" in capsys.readouterr().out
    assert stored(tmp_path / "p.json", answer["route"])["learned"] == ["How do tides work?"]
    assert main(["--feedback", answer["id"], "translation", *common]) == 0
    assert stored(tmp_path / "p.json", "translation")["learned"] == ["How do tides work?"]
    assert main(["--feedback", answer["id"], "splendid", *common]) == 2
    assert "good, bad or a route" in capsys.readouterr().err
    assert main(["--prompt", "How do clouds form?", *common]) == 0
    capsys.readouterr()
    [last] = list(DecisionLog(tmp_path / "log.jsonl").entries())[1:]
    assert main(["--feedback", last["id"], "good", *common]) == 0
    assert "--log-text keeps it" in capsys.readouterr().out
