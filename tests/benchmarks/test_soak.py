"""The soak test finds what it is there for: each of these places has one fault of its own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from benchmarks.soak import __main__ as command
from benchmarks.soak import questions, run
from benchmarks.soak.answers import Events
from benchmarks.soak.held import Held
from benchmarks.soak.places import Place
from benchmarks.soak.processes import Killable, hold, pause, variables
from benchmarks.soak.questions import Question, make_image_question, make_question
from omni_router._sandbox import FAULTS
from omni_router.decisions.log import SHAPE, DecisionLog

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

ROUTE, MODEL, RUNS = "question_answering", "sandbox/text-generation-1", 80
WARM = run.LEAST_WARM  # runs until what a process holds is counted


class Bar:
    """In place of a progress bar."""

    def update(self) -> None: ...

    def write(self, text: str) -> None: ...


class OwnPlace:
    """Answers by itself, as asked for, and records each answer."""

    def __init__(self, folder: Path) -> None:
        self.policy = folder / "sandbox" / "route_config.json"
        self.log = DecisionLog(self.policy.with_name("decisions.jsonl"))
        self.place = Place("own", self.ask, folder, os.getpid, self.hang)
        self.uses, self.left_open, self.let_go = 0, list[int](), threading.Event()
        self.kept = list[bytes]()

    async def hang(self, seconds: float) -> None: ...

    async def ask(self, question: Question) -> Events:
        if question.stream:
            yield None
        ends = question.ends("text-generation")
        kind = None if "answered" in ends else ends.pop()
        summary = {"id": f"{question.number}", "route": ROUTE, "task": "text-generation", "model": MODEL}
        self.record(question)
        self.decide(summary)
        yield {**summary, "error": kind and {"kind": kind}, "answer": self.answer(question)}

    def answer(self, question: Question) -> str:
        return f"This is number {question.number}."

    def decide(self, summary: dict[str, Any]) -> None:
        others = {name: kind() for name, kind in SHAPE.items()}
        self.log.write({**others, **summary})

    def record(self, question: Question) -> None:
        self.uses += 1
        entry = {"name": ROUTE, "models": [{"id": MODEL, "uses": self.uses}]}
        self.policy.write_text(json.dumps([entry]))


class Forgetful(OwnPlace):
    def record(self, question: Question) -> None:
        if question.number != RUNS // 2:
            super().record(question)


class Undecided(OwnPlace):
    def decide(self, summary: dict[str, Any]) -> None:
        if summary["id"] != f"{RUNS // 2}":
            super().decide(summary)


class Mixed(OwnPlace):
    def answer(self, question: Question) -> str:
        return f"This is number {question.number + 1000 * (question.number == RUNS // 2)}."


class Leaking(OwnPlace):
    def record(self, question: Question) -> None:
        super().record(question)
        if question.number == RUNS - 1:
            self.left_open.append(os.open(self.policy, os.O_RDONLY))


class Spawning(OwnPlace):
    """Leaves a thread for each of the watched runs."""

    thread = "stray"

    def record(self, question: Question) -> None:
        super().record(question)
        if question.number >= WARM:
            threading.Thread(target=self.let_go.wait, name=f"{self.thread}_{question.number}").start()


class FillingItsPool(Spawning):
    """Leaves as many threads, of a pool that may have 40."""

    thread = "AnyIO worker thread"


class Overfilling(Spawning):
    thread = "omni-router bodies"


class Growing(OwnPlace):
    """Keeps a megabyte of each run."""

    def record(self, question: Question) -> None:
        super().record(question)
        self.kept.append(bytes(range(256)) * 4096)


class Crashing(OwnPlace):
    def record(self, question: Question) -> None:
        super().record(question)
        if question.number == RUNS // 2:
            raise RuntimeError("a bug")


class Sleeper(Killable):
    """A process that does nothing."""

    async def _begin(self) -> None:
        self.process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")

    async def _end(self) -> None:
        self.process.kill()
        await self.process.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LONGEST", run.SHORTEST)
    monkeypatch.setattr(run, "SETTLING", 2)
    monkeypatch.setattr(run, "PAUSE", 0.01)


@pytest.fixture
def untroubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every client stay, and no fault be asked for: each run is answered."""
    monkeypatch.setattr(questions, "LEAVING", 0)
    monkeypatch.setattr(questions, "FAULTY", 0)


def soaked(place: OwnPlace) -> run.Outcome:
    try:
        return asyncio.run(run.Soak(place.place, 1, RUNS, Bar()).run())
    finally:
        place.let_go.set()
        for file in place.left_open:
            os.close(file)


def test_an_honest_place_is_well(tmp_path: Path) -> None:
    report = soaked(OwnPlace(tmp_path))
    assert report.is_well, report
    assert report.answered + report.as_asked + report.cut_off == report.runs == RUNS
    assert min(report.answered, report.as_asked, report.cut_off) > 0
    assert set(report.troubles) == {"lock", "hang"}


@pytest.mark.usefixtures("untroubled")
def test_a_pool_that_fills_up_is_no_leak(tmp_path: Path) -> None:
    assert soaked(FillingItsPool(tmp_path)).is_well


@pytest.mark.usefixtures("untroubled")
@pytest.mark.parametrize(
    ("place", "cell_text"),
    [
        (Forgetful, "1 uses, 0 decisions"),
        (Undecided, "0 uses, 1 decisions"),
        (Leaking, "1 files (1 x {policy}), 0 threads, 0 processes"),
        (Spawning, f"0 files, {RUNS - WARM} threads ({RUNS - WARM} x stray), 0 processes"),
        (
            Overfilling,
            f"0 files, {RUNS - WARM - 2} threads ({RUNS - WARM - 2} x omni-router bodies), 0 processes",
        ),
        (Mixed, "1"),
        (Crashing, "1"),
    ],
)
def test_a_fault_shows_in_the_table(place: type[OwnPlace], cell_text: str, tmp_path: Path) -> None:
    soaking = place(tmp_path)
    report = soaked(soaking)
    assert not report.is_well
    [row] = command.rows([report])
    usual = {"0", "0 uses, 0 decisions", "0 files, 0 threads, 0 processes"}
    assert [cell for cell in row[5:8] if cell not in usual] == [cell_text.format(policy=soaking.policy)]


@pytest.mark.usefixtures("untroubled")
def test_memory_that_grows_shows(tmp_path: Path) -> None:
    report = soaked(Growing(tmp_path))
    assert report.has_grown
    assert not report.is_well
    assert report.grew == pytest.approx(2**20, rel=0.2)
    assert len(report.sizes) == run.STAGES + 1


@pytest.mark.usefixtures("untroubled")
def test_what_a_place_keeps_on_purpose_is_not_growth(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    growing.place.keeps, growing.place.of_runs = 2**20, RUNS
    assert soaked(growing).is_well


def test_the_exit_status_says_whether_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def soak(runs: int, seed: int, names: Sequence[str], folder: Path) -> list[run.Outcome]:
        return [run.Outcome("graph", runs=runs, lost_uses=seed)]

    monkeypatch.setattr(command, "soak", soak)
    written = list[str]()
    monkeypatch.setattr(command, "write_section", lambda name, text: written.append(text.splitlines()[-1]))
    ended = []
    for seed in ("0", "3"):
        monkeypatch.setattr(sys, "argv", ["soak", "--seed", seed])
        ended.append(command.main())
    assert ended == [0, 1]
    well, ill = written
    assert well.startswith("Nothing lost, nothing leaked, nothing grown, nothing failed otherwise")
    assert ill.startswith("3 lost, nothing leaked")


def test_too_few_runs_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["soak", "--runs", "20"])
    with pytest.raises(SystemExit):
        command.main()
    assert "--runs must be at least 400, not 20" in capsys.readouterr().err


def test_the_same_seed_asks_the_same() -> None:
    questions = [[make_question(seed, "graph", number) for number in range(50)] for seed in (1, 1, 2)]
    assert questions[0] == questions[1] != questions[2]


def test_a_question_about_an_image_has_an_answer() -> None:
    questions = [make_image_question(1, "graph", number) for number in range(4)]
    assert [question.picture for question in questions] == [False, True, False, True]
    assert {(question.fault, question.leaves) for question in questions} == {(None, "stays")}


def test_every_fault_that_a_prompt_can_ask_for_comes() -> None:
    questions = [make_question(1, "graph", number) for number in range(1000)]
    specialists = {name for name, fault in FAULTS.items() if fault.where == "specialist"}
    assert {question.fault for question in questions} == {None, *specialists}
    assert all(f"[[sandbox:{question.fault}" in question.text for question in questions if question.fault)


@pytest.mark.parametrize(
    ("fault", "at_each_model", "ends"),
    [
        (None, False, {"answered"}),
        ("overloaded_503", False, {"answered"}),
        ("overloaded_503", True, {"overloaded"}),
        ("payment_402", False, {"payment"}),
        ("stream_cut", False, {"answered", "overloaded"}),
    ],
)
def test_a_question_knows_how_it_may_end(fault: str | None, at_each_model: bool, ends: set[str]) -> None:  # noqa: FBT001
    question = replace(make_question(1, "graph", 1), fault=fault, at_each_model=at_each_model)
    assert question.ends("text-generation") == ends


def test_what_a_process_holds_is_counted(tmp_path: Path) -> None:
    before = asyncio.run(Held.of(os.getpid()))
    let_go = threading.Event()
    thread = threading.Thread(target=let_go.wait, name="stray_7")
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with (tmp_path / "file").open("w"):
            held = asyncio.run(Held.of(os.getpid()))
    finally:
        let_go.set()
        thread.join()
        child.communicate()
    assert str(held.more_than(before, Counter())) == (
        f"2 files (1 x {tmp_path / 'file'}; 1 x pipe), 1 threads (1 x stray), 1 processes"
    )
    assert not held.more_than(held, Counter())


def test_another_process_tells_what_it_holds(tmp_path: Path) -> None:
    # A thread has its name once `start` has returned.
    code = "import threading\nthreading.Thread(target=input, name='reader_1').start()\nprint('begun', flush=True)"
    environment = os.environ | variables(tmp_path)
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=pipe, stdout=pipe, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        held = asyncio.run(Held.of(child.pid))
    finally:
        child.communicate()
    assert held.threads == Counter({"MainThread": 1, "reader": 1, "soak report": 1})
    assert held.files["pipe"] >= 1
    assert 2**20 < held.resident < 2**30


@pytest.mark.enable_socket
def test_a_connection_that_the_soak_test_holds_open_is_no_leak_of_the_server(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "own = socket.create_connection(server.getsockname())\n"
        "both = [server.accept()]\n"
        "print(server.getsockname()[1], flush=True)\n"
        "both.append(server.accept())\n"
        "print('accepted', flush=True)\n"
        "input()"
    )
    pipe = subprocess.PIPE
    environment = os.environ | variables(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=pipe, stdout=pipe, text=True)
    try:
        assert child.stdout is not None
        with socket.socket() as client:
            client.connect(("127.0.0.1", int(child.stdout.readline())))
            assert child.stdout.readline() == "accepted\n"
            held = asyncio.run(Held.of(child.pid))
    finally:
        child.communicate()
    assert held.files["connection open"] == 2  # both ends of the one that it made itself
    assert held.files["connection listening"] == 1


def test_a_process_that_is_killed_is_started_anew_and_ended() -> None:
    async def play() -> list[int | None]:
        sleeper = Sleeper()
        await sleeper.start()
        first = sleeper.process
        await sleeper.kill(0)
        second = sleeper.process
        await pause(second.pid, 0)
        alive = second.returncode
        await sleeper.close()
        return [first.returncode, alive, second.returncode, sleeper.lives]

    assert asyncio.run(play()) == [-9, None, -9, 2]


def test_a_lock_is_held_by_another_process(tmp_path: Path) -> None:
    lock = tmp_path / ".route_config.json.lock"

    async def play() -> bool:
        task = asyncio.create_task(hold(lock, 60))
        while not (lock.exists() and is_locked(lock)):  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        return is_locked(lock)

    assert asyncio.run(play()) is False


def is_locked(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
