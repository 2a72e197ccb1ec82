"""History: what a use does to a route's models, and how it reaches the file whole."""

import copy
import json
import logging
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omni_router._sandbox import Sandbox
from omni_router.config.entries import Entry
from omni_router.config.records import RECENT, read_record
from omni_router.config.route_file import RouteFile, _as_text
from omni_router.decisions.log import DecisionLog
from omni_router.errors import KINDS, ErrorKind
from omni_router.history import Feedback, History, ModelRecord, UsageRecord
from omni_router.history.backlog import Backlog
from omni_router.history.file import FileHistory
from omni_router.history.merging import MAX_MODELS, merge, merge_max
from omni_router.history.usage import (
    apply_feedback,
    apply_usage,
    learn,
)
from omni_router.model_id import is_model_id
from omni_router.selection.order import rank_candidates
from omni_router.selection.ranking import score
from omni_router.storage.files import _acquire, write_whole

ROUTE = {"name": "chat", "description": "small talk"}
COUNTING = [kind for kind, entry in KINDS.items() if entry.penalizes_model]


def stamp(second: int) -> str:
    return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def use(
    model: str = "acme/m1",
    second: int = 0,
    outcome: ErrorKind | None = None,
    *,
    called: bool = True,
    route: str = "chat",
) -> UsageRecord:
    return UsageRecord(route, model, f"reason {second}", stamp(second), outcome, called)


# ---- folding and ranking, as properties; without a deadline, as a machine may be busy

prop = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

outcomes = st.sampled_from([None, None, *KINDS])
ids = st.integers(0, 5).map("acme/m{}".format)
failures = st.builds(use, model=ids, second=st.integers(0, 80_000), outcome=st.sampled_from(sorted(KINDS)))
uses = st.builds(use, model=ids, second=st.integers(0, 80_000), outcome=outcomes)
route_onlys = st.builds(use, model=ids, second=st.integers(0, 80_000), called=st.just(value=False))
histories = st.lists(uses | route_onlys, max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
RECORD_KEYS = [*ModelRecord.__annotations__, "note"]
wild_records = st.builds(
    lambda model, rest: {**rest, "id": model},
    ids | json_values,
    st.dictionaries(st.sampled_from(RECORD_KEYS), json_values, max_size=len(RECORD_KEYS)),
)
wild_entries = st.lists(wild_records | ids | json_values, max_size=6)


def read(models: list[Any]) -> dict[str, ModelRecord]:
    return {record["id"]: record for entry in models if (record := read_record(entry))}


class Model:
    """What history should hold, in the plainest form."""

    def __init__(self) -> None:
        self.known: dict[str, list[UsageRecord]] = {}

    def take(self, one: UsageRecord) -> bool:
        if one.model not in self.known and one.outcome is not None:
            return False
        self.known.setdefault(one.model, []).append(one)
        return True

    def record(self, model: str) -> dict[str, Any]:
        taken = self.known[model]
        counted = [one.outcome for one in taken if one.outcome in COUNTING]
        record: dict[str, Any] = {
            "id": model,
            "first_seen": taken[0].at,
            "last_used": max(one.at for one in taken),
            "last_reason": taken[-1].reason,
            "uses": len(taken),
            "successes": sum(one.called and one.outcome is None for one in taken),
            "failures": {kind: counted.count(kind) for kind in set(counted)},
        }
        for one in taken:
            if one.outcome in COUNTING:
                record["last_failure"] = {"at": one.at, "kind": one.outcome}
            elif one.outcome is None and one.called:
                record.pop("last_failure", None)
        return record


@prop
@given(histories)
def test_any_sequence_of_uses_ends_as_a_plain_count_of_them(sequence: list[UsageRecord]) -> None:
    models: list[Any] = []
    model = Model()
    for one in sequence:
        assert apply_usage(models, one) is model.take(one)
        assert {entry["id"]: entry for entry in models} == {name: model.record(name) for name in model.known}


@prop
@given(histories)
def test_uses_are_successes_and_failures_and_route_onlys_together(sequence: list[UsageRecord]) -> None:
    models: list[Any] = []
    stored = [one for one in sequence if apply_usage(models, one)]
    assert sum(entry["uses"] for entry in models) == len(stored)
    assert sum(entry["successes"] for entry in models) == sum(one.called and one.outcome is None for one in stored)
    counted = sum(sum(entry["failures"].values()) for entry in models)
    assert counted == sum(one.outcome in COUNTING for one in stored)


@prop
@given(wild_entries, st.lists(failures, max_size=5))
def test_a_failure_never_adds_a_model(models: list[Any], sequence: list[UsageRecord]) -> None:
    before, length = set(read(models)), len(models)
    for one in sequence:
        apply_usage(models, one)
    assert set(read(models)) == before
    assert len(models) == length


@prop
@given(wild_entries, histories)
def test_nothing_in_a_file_makes_reading_folding_or_ranking_raise(
    models: list[Any], sequence: list[UsageRecord]
) -> None:
    for one in sequence:
        apply_usage(models, one)
    records = [record for entry in models if (record := read_record(entry))]
    now = datetime.now(timezone.utc)
    line = rank_candidates(records, (), cooldowns={}, now=now)
    assert sorted(candidate["model"] for candidate in line) == sorted({record["id"] for record in records})
    assert all(is_model_id(record["id"]) for record in records)
    json.dumps(models)


@prop
@given(wild_entries, uses)
def test_neighbours_and_unknown_keys_survive_a_use(models: list[Any], one: UsageRecord) -> None:
    before = copy.deepcopy(models)
    apply_usage(models, one)
    at = next((i for i, entry in enumerate(before) if (r := read_record(entry)) and r["id"] == one.model), len(before))
    assert models[:at] == before[:at]
    assert models[at + 1 :] == before[at + 1 :]
    if at < len(before) and isinstance(before[at], dict):
        unknown = set(before[at]) - set(ModelRecord.__annotations__)
        assert {key: models[at][key] for key in unknown} == {key: before[at][key] for key in unknown}


@prop
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 80_000)), max_size=80))
def test_a_route_keeps_at_most_max_models_and_the_newest_of_them(pairs: list[tuple[int, int]]) -> None:
    models: list[Any] = []
    for number, second in [*pairs, *((number, 80_001 + number) for number in range(MAX_MODELS))]:
        apply_usage(models, use(f"acme/m{number}", second))
        assert len(models) <= MAX_MODELS
    assert set(read(models)) == {f"acme/m{number}" for number in range(MAX_MODELS)}


def test_what_was_written_by_hand_and_never_used_is_not_dropped() -> None:
    by_hand: list[Any] = [f"acme/hand-{number}" for number in range(MAX_MODELS)]
    models = [*by_hand]
    for number in range(5):
        apply_usage(models, use(f"acme/m{number}", number))
    assert models[:MAX_MODELS] == by_hand
    assert [entry["id"] for entry in models[MAX_MODELS:]] == ["acme/m4"]


@prop
@given(st.lists(histories, min_size=1, max_size=4))
def test_what_several_writers_know_merges_into_what_one_would_have_known(writers: list[list[UsageRecord]]) -> None:
    """In one list a failure of a model that is not known adds nothing; so each writer first answers with each model."""
    known = [use(f"acme/m{number}", 0) for number in range(6)]
    apart: list[ModelRecord] = []
    for sequence in writers:
        models: list[Any] = []
        for one in [*known, *sequence]:
            apply_usage(models, one)
        apart += read(models).values()
    together: list[Any] = []
    for one in sorted([*known * len(writers), *(one for each in writers for one in each)], key=lambda one: one.at):
        apply_usage(together, one)
    merged = {record["id"]: record for record in merge(apart)}
    assert merged.keys() == read(together).keys()
    for name, record in read(together).items():
        for key in ("first_seen", "last_used", "uses", "successes", "failures"):
            assert merged[name].get(key) == record.get(key), key


@prop
@given(histories, histories)
def test_importing_is_idempotent_and_takes_the_higher_counts(
    ours: list[UsageRecord], theirs: list[UsageRecord]
) -> None:
    mine: list[Any] = []
    given_: list[Any] = []
    for one in ours:
        apply_usage(mine, one)
    for one in theirs:
        apply_usage(given_, one)
    for name, record in read(given_).items():
        known = read(mine).get(name)
        once = merge_max(known, record)
        assert merge_max(once, record) == once
        assert once["uses"] == max(record["uses"], known["uses"] if known else 0)


def test_the_last_calls_are_kept_with_their_median() -> None:
    models: list[Any] = []
    for second in range(RECENT + 5):
        apply_usage(models, UsageRecord("chat", "acme/m1", "why", stamp(second), seconds=float(second)))
    apply_usage(models, UsageRecord("chat", "acme/m1", "why", stamp(99), "overloaded", seconds=60.0))
    assert len(models[0]["recent"]) == RECENT
    assert models[0]["recent"][-2:] == [f"{stamp(14)} answered 14.00s", f"{stamp(99)} overloaded 60.00s"]
    assert models[0]["median_seconds"] == 10.0


def test_verdicts_count_for_models_that_are_known_and_a_wrong_route_is_not_the_models_fault() -> None:
    models: list[Any] = ["acme/m1"]
    assert apply_feedback(models, Feedback("chat", "acme/m1", "good"))
    assert apply_feedback(models, Feedback("chat", "acme/m1", "bad"))
    assert apply_feedback(models, Feedback("chat", "acme/m1", "good"))
    assert not apply_feedback(models, Feedback("chat", "acme/m1", "should_be", "other_route"))
    assert not apply_feedback(models, Feedback("chat", "acme/m2", "good"))
    assert (models[0]["good"], models[0]["bad"]) == (2, 1)


def test_learned_examples_are_kept_once_and_bounded() -> None:
    learned: list[Any] = []
    assert learn(learned, " how do tides work? ")
    assert not learn(learned, "how do tides work?")
    assert not learn(learned, "  ")
    for number in range(300):
        learn(learned, f"example {number}")
    assert len(learned) == 200
    assert learned[-1] == "example 299"


def test_a_success_in_the_second_of_a_failure_clears_it_and_a_failure_after_it_counts() -> None:
    models: list[Any] = ["acme/m1"]
    apply_usage(models, use(second=5, outcome="not_found"))
    apply_usage(models, use(second=5))
    assert "last_failure" not in read(models)["acme/m1"]
    apply_usage(models, use(second=5, outcome="no_provider"))
    assert read(models)["acme/m1"]["last_failure"] == {"at": stamp(5), "kind": "no_provider"}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(COUNTING)))
def test_a_failure_that_is_not_the_models_fault_does_not_count_against_it(kind: ErrorKind) -> None:
    models: list[Any] = ["acme/m1"]
    apply_usage(models, use(second=5, outcome=kind))
    record = read(models)["acme/m1"]
    assert record["failures"] == {}
    assert "last_failure" not in record


# ---- the file


def make(tmp_path: Path, *entries: Any) -> Path:
    path = tmp_path / "route_config.json"
    path.write_text(json.dumps(list(entries) or [ROUTE]), encoding="utf-8")
    return path


def stored(path: Path, place: int = 0) -> list[Any]:
    models: list[Any] = json.loads(path.read_text(encoding="utf-8"))[place].get("models", [])
    return models


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_use_is_written_and_read_back(tmp_path: Path) -> None:
    path = make(tmp_path)
    history: History = FileHistory(RouteFile(path))
    assert history.record(use(second=7)) == str(path)
    (record,) = stored(path)
    assert record == {
        "id": "acme/m1",
        "first_seen": stamp(7),
        "last_used": stamp(7),
        "last_reason": "reason 7",
        "uses": 1,
        "successes": 1,
        "failures": {},
    }
    assert [found["id"] for found in history.models("chat")] == ["acme/m1"]
    assert list(history.models("unknown")) == []


def test_route_names_are_matched_without_regard_to_case(tmp_path: Path) -> None:
    path = make(tmp_path, {**ROUTE, "name": " Chat "})
    history = FileHistory(RouteFile(path))
    assert history.record(use(route="cHAT"))
    assert [record["id"] for record in history.models("CHAT")] == ["acme/m1"]


def test_nothing_is_written_for_a_failure_of_an_unknown_model(tmp_path: Path) -> None:
    path = tmp_path / "route_config.json"
    assert FileHistory(RouteFile(path)).record(use(outcome="not_found")) is None
    assert not path.exists()


def test_a_use_of_a_route_that_is_gone_is_dropped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path)
    before = path.read_bytes()
    history = FileHistory(RouteFile(path))
    assert history.record(use(route="gone")) is None
    history.flush()
    assert path.read_bytes() == before
    assert len(warned(caplog)) == 1
    assert "'gone'" in warned(caplog)[0]


def test_unknown_keys_and_malformed_neighbours_survive_in_the_file(tmp_path: Path) -> None:
    known = {"id": "acme/m1", "note": "keep", "uses": 4}
    path = make(tmp_path, {**ROUTE, "owner": 1, "models": ["x", 7, known, {"no": "id"}]}, {"name": "other", "z": []})
    FileHistory(RouteFile(path)).record(use(second=3))
    first, other = json.loads(path.read_text())
    assert first["owner"] == 1
    assert other == {"name": "other", "z": []}
    assert [first["models"][i] for i in (0, 1, 3)] == ["x", 7, {"no": "id"}]
    assert first["models"][2]["note"] == "keep"
    assert first["models"][2]["uses"] == 5


def test_timestamps_are_utc_seconds_with_z(tmp_path: Path) -> None:
    path = make(tmp_path)
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}Z"
    FileHistory(RouteFile(path)).record(UsageRecord("chat", "acme/m1", "why", at))
    (record,) = stored(path)
    for key in ("first_seen", "last_used"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record[key])


# ---- many processes


_RECORDER = """
import random, sys
from pathlib import Path
from omni_router.config.route_file import RouteFile
from omni_router.history import UsageRecord
from omni_router.history.file import FileHistory
history = FileHistory(RouteFile(Path(sys.argv[1])))
chance = random.Random(int(sys.argv[2]))
for number in range(100):
    at = f"2026-01-01T00:00:{number % 60:02}Z"
    if history.record(UsageRecord("chat", f"acme/m{chance.randrange(5)}", "why", at)) is None:
        sys.exit("not stored")
"""


def test_eight_processes_lose_none_of_their_hundred_uses_each(tmp_path: Path) -> None:
    path = make(tmp_path)
    workers = [subprocess.Popen([sys.executable, "-c", _RECORDER, str(path), str(seed)]) for seed in range(8)]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 8
    models = stored(path)
    assert {entry["id"] for entry in models} == {f"acme/m{number}" for number in range(5)}
    assert sum(entry["uses"] for entry in models) == 800
    assert sum(entry["successes"] for entry in models) == 800


def test_uses_that_come_while_the_file_is_written_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    history, writes = FileHistory(RouteFile(path)), list[str]()

    def slowly(target: Path, text: str, **version: Any) -> bool:
        writes.append(text)
        time.sleep(0.2)
        return write_whole(target, text, **version)

    monkeypatch.setattr("omni_router.config.route_file.write_whole", slowly)
    with ThreadPoolExecutor(16) as pool:
        places = list(pool.map(lambda number: history.record(use("acme/m1", number)), range(1, 17)))
    assert places == [str(path)] * 16
    assert stored(path)[0]["uses"] == 16
    assert len(writes) < 8


def test_threads_of_one_process_lose_nothing_and_each_learns_that_its_use_was_stored(tmp_path: Path) -> None:
    path = make(tmp_path)
    history = FileHistory(RouteFile(path))
    with ThreadPoolExecutor(16) as pool:
        places = list(pool.map(lambda number: history.record(use(f"acme/m{number % 5}", number)), range(200)))
    assert places == [str(path)] * 200
    assert sum(entry["uses"] for entry in stored(path)) == 200


_WRITER = """
import sys
from pathlib import Path
from omni_router.config.route_file import RouteFile
from omni_router.history import UsageRecord
from omni_router.history.file import FileHistory
history = FileHistory(RouteFile(Path(sys.argv[1])))
number = 0
while True:
    number += 1
    history.record(UsageRecord("chat", f"acme/m{number % 40}", "why " * 50, "2026-01-01T00:00:00Z"))
    print(number, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_kills_at_random_moments_of_a_thousand_writes_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = make(tmp_path)
    chance = random.Random(7)
    acknowledged = kills = 0
    while acknowledged < 1000:
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            wanted = chance.randint(20, 120)
            for _ in range(wanted):
                writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.01))
            writer.send_signal(signal.SIGKILL)
            counts = writer.stdout.read().split()
            acknowledged += int(counts[-1]) if counts and counts[-1].isdecimal() else wanted
        kills += 1
        stored_uses = sum(entry["uses"] for entry in stored(path))  # raises if the file is not whole
        assert acknowledged <= stored_uses <= acknowledged + kills, "one more write a kill may have reached the disk"
    assert FileHistory(RouteFile(path)).record(use())  # neither the lock nor a draft that was left is in the way


# ---- a file that cannot be written


def test_a_use_waits_while_the_file_is_broken_and_is_written_on_the_next_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path)
    history = FileHistory(RouteFile(path))
    assert list(history.models("chat")) == []
    path.write_text("[broken", encoding="utf-8")
    assert history.record(use(second=1)) is None
    for _ in range(5):
        assert list(history.models("chat")) == []
    assert path.read_text(encoding="utf-8") == "[broken"
    assert len(warned(caplog)) == 2  # one of the policy, one of the waiting record; not one of every read
    make(tmp_path)
    assert [record["id"] for record in history.models("chat")] == ["acme/m1"]
    assert [entry["uses"] for entry in stored(path)] == [1]


def test_a_use_that_waits_is_written_together_with_the_next(tmp_path: Path) -> None:
    path = make(tmp_path)
    history = FileHistory(RouteFile(path))
    path.write_text("{}", encoding="utf-8")
    assert history.record(use("acme/m1", 1)) is None
    assert history.record(use("acme/m2", 2)) is None
    make(tmp_path)
    assert history.record(use("acme/m3", 3)) == str(path)
    assert [entry["id"] for entry in stored(path)] == ["acme/m1", "acme/m2", "acme/m3"]
    before = path.read_bytes()
    history.flush()
    assert path.read_bytes() == before


def test_a_use_waits_while_its_folder_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parent = tmp_path / "folder"
    parent.touch()  # a file stands in the folder's place, which stops the administrator too
    history = FileHistory(RouteFile(parent / "route_config.json"))
    assert history.record(use(second=1, route="casual_conversation")) is None
    assert len(warned(caplog)) == 1
    assert "1 record(s) wait" in warned(caplog)[0]
    parent.unlink()
    assert [record["id"] for record in history.models("casual_conversation")] == ["acme/m1"]
    assert (parent / "route_config.json").exists()


def test_what_waits_is_written_when_the_process_ends(tmp_path: Path) -> None:
    path = make(tmp_path)
    script = (
        "import sys; from pathlib import Path; from omni_router.config.route_file import RouteFile\n"
        "from omni_router.history import UsageRecord; from omni_router.history.file import FileHistory\n"
        "path = Path(sys.argv[1]); good = path.read_text(); history = FileHistory(RouteFile(path))\n"
        "path.write_text('['); history.record(UsageRecord('chat', 'acme/m1', 'why', '2026-01-01T00:00:00Z'))\n"
        "path.write_text(good)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    assert [entry["id"] for entry in stored(path)] == ["acme/m1"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_mode_and_link_of_the_file_are_kept(tmp_path: Path) -> None:
    path = make(tmp_path)
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert FileHistory(RouteFile(link)).record(use()) == str(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry["id"] for entry in stored(path)] == ["acme/m1"]


def test_a_write_leaves_no_draft_behind(tmp_path: Path) -> None:
    path = make(tmp_path)
    FileHistory(RouteFile(path)).record(use())
    assert [found.name for found in tmp_path.iterdir() if found.name.endswith(".tmp")] == []


# ---- sandbox models


def test_a_sandbox_model_is_refused_outside_the_sandbox(tmp_path: Path) -> None:
    path = make(tmp_path)
    before = path.read_bytes()
    history = FileHistory(RouteFile(path))
    assert history.record(use("sandbox/text-generation-1")) is None
    history.flush()
    assert path.read_bytes() == before


def test_a_sandbox_model_is_recorded_inside_the_sandbox(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path)
    assert FileHistory(RouteFile(path)).record(use("sandbox/text-generation-1")) == str(path)
    assert [entry["id"] for entry in stored(path)] == ["sandbox/text-generation-1"]


@pytest.mark.parametrize("after", [{"outcome": "rate_limited"}, {"outcome": "timeout"}, {"called": False}])
def test_a_failure_stands_until_a_success(after: dict[str, Any]) -> None:
    models: list[Any] = ["acme/b"]
    apply_usage(models, UsageRecord("r", "acme/b", "why", "2026-01-02T00:00:00Z", outcome="no_provider"))
    apply_usage(models, UsageRecord("r", "acme/b", "why", "2026-01-03T00:00:00Z", **after))
    assert models[0]["last_failure"] == {"at": "2026-01-02T00:00:00Z", "kind": "no_provider"}
    apply_usage(models, UsageRecord("r", "acme/b", "why", "2026-01-04T00:00:00Z"))
    assert "last_failure" not in models[0]
    assert models[0]["failures"] == {"no_provider": 1}
    assert models[0]["uses"] == 3


# ---- a lock that another process holds, a disk that is full


@pytest.fixture
def lock_waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the lock files that somebody waits for in vain; the seconds themselves are made short."""
    waits = list[str]()

    def acquire(lock: Any, of: Path, patience: float) -> None:
        try:
            _acquire(lock, of, patience)
        except TimeoutError:
            if patience:
                waits.append(Path(lock.lock_file).name)
            raise

    monkeypatch.setattr("omni_router.storage.files.LOCK_PATIENCE", 0.1)
    monkeypatch.setattr("omni_router.storage.files._acquire", acquire)
    return waits


def test_a_lock_that_somebody_holds_is_waited_for_once_and_never_by_a_read(
    tmp_path: Path, lock_waits: list[str]
) -> None:
    path = make(tmp_path)
    history = FileHistory(RouteFile(path))
    with FileLock(tmp_path / ".route_config.json.lock"):
        for second in range(4):
            assert history.record(use(second=second)) is None
        for _ in range(20):
            assert list(history.models("chat")) == []
    assert lock_waits == [".route_config.json.lock"]
    assert history.record(use(second=5)) == str(path)
    assert stored(path)[0]["uses"] == 5


def test_the_cooldowns_and_the_log_wait_once_for_their_locks_too(tmp_path: Path, lock_waits: list[str]) -> None:
    path = make(tmp_path)
    history, log = FileHistory(RouteFile(path)), DecisionLog(tmp_path / "log.jsonl")
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    failures = [UsageRecord("chat", f"acme/m{number}", "why", now, "overloaded") for number in range(4)]
    with FileLock(tmp_path / ".route_config.json.cooling.lock"), FileLock(tmp_path / ".log.jsonl.lock"):
        for one in failures:
            history.record(one)
            log.write({"id": one.model})
            assert one.model in history.cooling()
    assert lock_waits == [".route_config.json.cooling.lock", ".log.jsonl.lock"]
    history.record(UsageRecord("chat", "acme/m4", "why", now, "overloaded"))
    log.write({"id": "acme/m4"})
    others = FileHistory(RouteFile(path))
    assert set(others.cooling()) == {f"acme/m{number}" for number in range(5)}
    assert [json.loads(line)["id"] for line in log.path.read_text().splitlines()] == [f"acme/m{n}" for n in range(5)]


def test_cooldowns_and_failures_of_a_kind_that_does_not_exist_are_skipped(tmp_path: Path) -> None:
    until = "2030-01-01T00:00:00Z"
    known = {"kind": "overloaded", "until": until, "times": 2}
    cooldowns = {"acme/m1": [{**known, "kind": "bad_mood"}, known], "acme/m2": [{**known, "kind": ["overloaded"]}]}
    path = make(tmp_path)
    path.with_name(".route_config.json.cooling").write_text(json.dumps(cooldowns))
    assert FileHistory(RouteFile(path)).cooling() == {"acme/m1": [known], "acme/m2": []}
    failed = {"id": "acme/m1", "uses": 2, "last_failure": {"at": until, "kind": "bad_mood"}}
    record = read_record(failed)
    assert record is not None
    assert "last_failure" not in record


@pytest.mark.parametrize(
    ("feedback", "route"),
    [
        (Feedback("chat", "acme/m1", "good"), "chat"),
        (Feedback("chat", "acme/m1", "bad"), None),
        (Feedback("chat", "acme/m1", "should_be", "code"), "code"),
    ],
)
def test_feedback_names_the_route_that_the_request_is_an_example_of(feedback: Feedback, route: str | None) -> None:
    assert feedback.example_of == route


def test_cooldowns_are_read_while_another_thread_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = FileHistory(RouteFile(make(tmp_path)))
    began, may_end = threading.Event(), threading.Event()

    def slowly(target: Path, text: str) -> bool:
        began.set()
        assert may_end.wait(30)
        return write_whole(target, text)

    monkeypatch.setattr("omni_router.history.cooldowns.write_whole", slowly)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(history.record, use(outcome="overloaded"))
        assert began.wait(30)
        try:
            assert pool.submit(history.cooling).result(timeout=30) == {}
        finally:
            may_end.set()
        writing.result()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let no file be written, and collect the attempts; clear `tried` and remove the fault by monkeypatch.undo()."""
    tried = list[str]()

    def refuse(_target: Path, text: str, **_version: Any) -> bool:
        tried.append(text)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("omni_router.config.route_file.write_whole", refuse)
    return tried


def test_on_a_full_disk_what_waits_stays_small_and_is_written_whole_afterwards(
    tmp_path: Path, full_disk: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path)
    history = FileHistory(RouteFile(path))
    for second in range(1000):
        outcome: ErrorKind | None = "malformed_answer" if second % 10 == 9 else None
        one = UsageRecord("chat", f"acme/m{second % 5}", "why", stamp(second), outcome, seconds=1.0)
        assert history.record(one) is None
        list(history.models("chat"))
    assert len(full_disk) < 20, "pauses grow"
    assert len(pickle.dumps(history._pending)) + len(pickle.dumps(history._backlog)) < 20_000
    assert len([text for text in warned(caplog) if "No space left" in text]) == 1
    monkeypatch.undo()
    history.flush()
    records = read(stored(path))
    assert sum(record["uses"] for record in records.values()) == 1000
    assert records["acme/m4"]["failures"] == {"malformed_answer": 100}
    assert records["acme/m4"]["last_failure"] == {"at": stamp(999), "kind": "malformed_answer"}
    assert "last_failure" not in records["acme/m3"]


@prop
@given(histories, histories, st.sets(ids))
def test_what_waited_adds_up_to_what_would_have_been_written(
    before: list[UsageRecord], waiting: list[UsageRecord], written_by_hand: set[str]
) -> None:
    at_once: list[Any] = [{"id": model} for model in sorted(written_by_hand)]
    for one in before:
        apply_usage(at_once, one)
    later, backlog = copy.deepcopy(at_once), Backlog()
    for one in waiting:
        apply_usage(at_once, one)
        backlog.add(one)
    for each in backlog:
        each.apply_to(later)
    wanted, found = read(at_once), read(later)
    assert found.keys() == wanted.keys()
    for name, record in wanted.items():
        for key in ("last_used", "uses", "successes", "failures"):
            assert found[name].get(key) == record.get(key), key


# ---- a file that is edited while it is written


def test_an_edit_that_comes_between_reading_and_writing_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    history, edits = FileHistory(RouteFile(path)), iter(range(3))

    def edited_meanwhile(entries: Sequence[Entry]) -> str:
        number = next(edits, None)
        if number is not None:  # an editor writes its own version and renames it into place
            theirs = json.loads(path.read_text())
            theirs[0]["description"] = f"edited {number}"
            (tmp_path / "editor").write_text(json.dumps(theirs))
            (tmp_path / "editor").replace(path)
        return _as_text(entries)

    monkeypatch.setattr("omni_router.config.route_file._as_text", edited_meanwhile)
    assert history.record(use()) == str(path)
    [entry] = json.loads(path.read_text())
    assert (entry["description"], entry["models"][0]["uses"]) == ("edited 2", 1)
    assert [found.name for found in tmp_path.iterdir() if found.name.endswith(".tmp")] == []


def test_a_lift_that_is_done_again_after_an_edit_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path)
    history, edits = FileHistory(RouteFile(path)), iter([None])

    def edited_meanwhile(entries: Sequence[Entry]) -> str:
        for _ in edits:
            path.write_text(json.dumps([{**ROUTE, "note": "edited"}]))
        return _as_text(entries)

    monkeypatch.setattr("omni_router.config.route_file._as_text", edited_meanwhile)
    assert history.import_([{"name": "chat", "models": [{"id": "acme/m1", "uses": 3}]}]) == 1
    [entry] = json.loads(path.read_text())
    assert (entry["note"], entry["models"][0]["uses"]) == ("edited", 3)


def test_a_file_that_others_change_all_the_time_is_left_to_them_and_the_use_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    history, count = FileHistory(RouteFile(path)), iter(range(1000))

    def edited_meanwhile(entries: Sequence[Entry]) -> str:
        path.write_text(json.dumps([{**ROUTE, "note": "x" * next(count)}]))
        return _as_text(entries)

    monkeypatch.setattr("omni_router.config.route_file._as_text", edited_meanwhile)
    assert history.record(use()) is None
    monkeypatch.setattr("omni_router.config.route_file._as_text", _as_text)
    assert [record["uses"] for record in history.models("chat")] == [1]


def test_a_count_that_nothing_can_have_reached_is_none() -> None:
    """A float cannot hold it, nor can a column of PostgreSQL."""
    record = read_record({"id": "acme/m1", "successes": 10**400, "bad": 10**400, "good": 2})
    assert record is not None
    assert (record["successes"], record["bad"], record["good"]) == (0, 0, 2)
    assert score(record, datetime.now(timezone.utc)) > 0
