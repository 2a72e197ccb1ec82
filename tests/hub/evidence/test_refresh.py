"""The evidence as the real client reads it: from the sandbox, or from a stand-in that it takes for the Hub itself."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.utils import _http

from omni_router._sandbox import Sandbox
from omni_router._sandbox import sandbox as simulation
from omni_router._sandbox.boards import BOARDS
from omni_router.hub.answer_limits import MB
from omni_router.hub.evidence import EvidenceSnapshot, HubEvidence, arena
from omni_router.hub.evidence.arena import CONFIGS
from omni_router.hub.evidence.memory import REFRESH, Memory
from omni_router.hub.evidence.pacing import BETWEEN, UNNAMED_PAUSE
from omni_router.hub.evidence.parts import EvidenceStore
from omni_router.hub.evidence.refresh import FIRST_PAUSE, LEASE, LONGEST_PAUSE, LOOK_AGAIN, MAX_OUTAGES
from omni_router.hub.evidence.snapshot import NOTHING
from omni_router.storage.sqlite import TABLE, DiskCache
from tests.support.damaged_files import cut_off, fill_with_garbage, replace_by_folder
from tests.support.hub_client import hub_client

ALL = 1 + len(BOARDS) + len(CONFIGS)  # requests of a whole refresh
HLE = "/api/datasets/cais/hle/leaderboard"
BOARD_OF_CODE = "/api/datasets/SWE-bench/SWE-bench_Verified/leaderboard"
DAY = REFRESH[1]
MINE = "hf_mine"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Hub(httpx.BaseTransport):
    """A Hub, and a datasets server, that answer as the sandbox does unless a test has another answer."""

    def __init__(self) -> None:
        self.box = Sandbox()
        self.answers: dict[str, httpx.Response | Exception] = {}  # by the end of a path
        self.headers: dict[str, str] = {}
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.entered, self.release = threading.Event(), threading.Event()
        self.release.set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.entered.set()
        assert self.release.wait(20)
        self.requests.append(request)
        for end, answer in self.answers.items():
            if str(request.url.path).endswith(end):
                if isinstance(answer, Exception):
                    raise answer
                return _streamed(answer, answer.headers)
        response = self.box.transport.handle_request(request)
        return _streamed(response, self.headers)

    def down(self) -> None:
        self.answers = {"": httpx.ConnectError("refused")}

    def asked(self, end: str = "") -> int:
        return sum(request.url.path.endswith(end) for request in self.requests)


def _streamed(response: httpx.Response, headers: Any) -> httpx.Response:
    """Return a response whose body has yet to be read, as over the wire."""
    return httpx.Response(response.status_code, stream=httpx.ByteStream(response.content), headers=headers)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    with hub_client(hub):
        yield hub


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache" / "evidence.sqlite")


def evidence(hub: Hub, clock: Clock, disk: DiskCache | None = None) -> HubEvidence:
    return HubEvidence(disk, clock, hub.pauses.append)


def values(snapshot: EvidenceSnapshot, board: str) -> dict[str, float]:
    return {row.model.rpartition("-")[2]: row.value for row in snapshot.rows if row.board == board}


# ---- what is read


def test_the_boards_and_the_ratings_of_the_sandbox_are_read(sandbox: Sandbox) -> None:
    snapshot = HubEvidence(pause=lambda _: None).wait(20)
    assert values(snapshot, "cais/hle") == {"2": 40.5, "1": 12.4}
    assert values(snapshot, "cais/hle#notes") == {"2": 54.7}
    assert {board.rpartition("/")[0] for board in snapshot.boards if board.count("/") > 1} == {
        f"lmarena-ai/leaderboard-dataset/{config}" for config in CONFIGS
    }
    assert snapshot.dropped == {
        "open pull request": 1,
        "excluded source": 1,
        "board that may not be read": 1,
        "older publish date": 8,
    }
    assert not snapshot.missing
    assert not snapshot.stale
    served = [f"sandbox/text-generation-{number}" for number in (1, 2, 3)]
    arena = {row.model for row in snapshot.matched(served).rows if row.board.endswith("/coding")}
    assert arena == set(served)
    [turned] = {row.lower_is_better for row in snapshot.rows if row.board == "hf-audio/open-asr-leaderboard"}
    assert turned


def test_derived_models_are_asked_for_and_each_page_once(hub: Hub, clock: Clock) -> None:
    evidence(hub, clock).wait(20)
    assert len(hub.requests) == ALL
    boards = [request for request in hub.requests if request.url.path.endswith("/leaderboard")]
    assert {request.url.params["base_model"] for request in boards} == {"false"}
    assert {request.url.host for request in hub.requests} == {"huggingface.co", "datasets-server.huggingface.co"}


def test_no_token_is_sent(hub: Hub, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", MINE)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    evidence(hub, clock).wait(20)
    assert len(hub.requests) == ALL
    assert not any("authorization" in request.headers or MINE in str(request.url) for request in hub.requests)
    assert not any(MINE in str(request.headers) for request in hub.requests)


@pytest.mark.parametrize(
    "garbage",
    [
        httpx.Response(200, content=b"<!DOCTYPE html><html></html>", headers={"content-type": "text/html"}),
        httpx.Response(200, content=b""),
        httpx.Response(200, json={"error": "soon"}),
        httpx.Response(200, json=[None, {"modelId": 3}]),
        httpx.Response(200, json=[]),
        httpx.Response(200, content=b"[" * 200_000),
        httpx.Response(200, content=b'[{"modelId": "a/b-1", "value": 5}' + b" " * 5 * MB + b"]"),
        httpx.Response(500, json={"error": "Internal error"}),
        httpx.Response(400, json={"error": "Bad request"}),
    ],
    ids=["html", "empty", "object", "malformed rows", "no rows", "deep", "too long", "500", "400"],
)
def test_garbage_costs_the_board_that_it_came_for_and_the_old_one_stays(
    hub: Hub, clock: Clock, garbage: httpx.Response
) -> None:
    source = evidence(hub, clock)
    before = source.wait(20)
    clock.now += DAY + 1
    hub.answers = {HLE: garbage}
    after = source.wait(20)
    assert values(after, "cais/hle") == values(before, "cais/hle")
    assert after.stale
    assert after.rows == before.rows
    hub.answers.clear()
    clock.now += FIRST_PAUSE + 1
    assert not source.wait(20).stale


def test_garbage_on_a_board_that_was_never_read_leaves_the_others(hub: Hub, clock: Clock) -> None:
    hub.answers = {HLE: httpx.Response(200, json={"error": "soon"})}
    snapshot = evidence(hub, clock).wait(20)
    assert snapshot.missing == ("board cais/hle",)
    assert len(hub.requests) == ALL
    assert values(snapshot, "SWE-bench/SWE-bench_Verified")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_board_that_is_not_for_everybody_is_left_out_until_the_next_refresh(
    hub: Hub, clock: Clock, status: int
) -> None:
    hub.answers = {HLE: httpx.Response(status, json={"error": "no"})}
    source = evidence(hub, clock)
    snapshot = source.wait(20)
    assert not values(snapshot, "cais/hle")
    assert snapshot.dropped["board that may not be read"] == 2
    clock.now += LONGEST_PAUSE
    source.wait(20)
    assert len(hub.requests) == ALL


def test_a_board_that_disappears_for_a_moment_keeps_its_rows(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    source.wait(20)
    hub.answers = {HLE: httpx.Response(404, json={"error": "no"})}
    clock.now += DAY
    assert values(source.wait(20), "cais/hle")


def test_a_list_of_benchmarks_that_is_garbage_keeps_the_boards(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    before = source.wait(20)
    hub.answers = {"/api/datasets": httpx.Response(200, json=[])}
    clock.now += DAY
    assert source.wait(20).boards == before.boards
    assert hub.asked("/leaderboard") == 2 * len(BOARDS)


def test_a_board_that_is_no_longer_official_goes(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    source.wait(20)
    hub.answers = {"/api/datasets": httpx.Response(200, json=[{"id": "cais/hle"}])}
    clock.now += DAY
    assert {row.board for row in source.wait(20).rows} == {"cais/hle", "cais/hle#notes"}


def test_malformed_rows_on_the_wire_cost_themselves_alone(hub: Hub, clock: Clock) -> None:
    rows = [{"modelId": "sandbox/text-generation-1", "value": 50}, {"modelId": None}, 3, {"value": 1}]
    hub.answers = {BOARD_OF_CODE: httpx.Response(200, json=rows)}
    snapshot = evidence(hub, clock).wait(20)
    assert values(snapshot, "SWE-bench/SWE-bench_Verified") == {"1": 50.0}
    assert snapshot.dropped["malformed row"] == 3


@pytest.mark.parametrize(
    "odd", [b'{"modelId": "a/b-2", "value": ' + b"9" * 5000 + b"}", b'{"modelId": "a/b-\xff2", "value": 1}'], ids=len
)
def test_a_row_that_json_libraries_stumble_over_costs_itself_alone(hub: Hub, clock: Clock, odd: bytes) -> None:
    body = b'[{"modelId": "a/b-1", "value": 50}, ' + odd + b"]"
    hub.answers = {BOARD_OF_CODE: httpx.Response(200, content=body)}
    snapshot = evidence(hub, clock).wait(20)
    assert values(snapshot, "SWE-bench/SWE-bench_Verified") == {"1": 50.0}
    assert snapshot.dropped["malformed row"] == 1


# ---- nobody waits


def test_the_first_call_returns_at_once_and_nothing_waits_for_a_silent_hub(hub: Hub, clock: Clock) -> None:
    hub.release.clear()
    source = evidence(hub, clock)
    assert source.current() is NOTHING
    assert source.current() is NOTHING  # a second thread is not started: one request alone is held up
    hub.release.set()
    assert source.wait(20).rows
    assert len(hub.requests) == ALL


def test_a_snapshot_is_the_same_object_until_something_changes(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    first = source.wait(20)
    assert source.current() is first
    hub.release.clear()
    clock.now += DAY + 1
    stale = source.current()
    assert stale.stale
    assert stale.rows is first.rows
    assert source.current() is stale
    hub.release.set()
    assert not source.wait(20).stale


def test_what_is_published_while_a_stale_snapshot_is_shown_is_not_lost(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EvidenceStore(None, clock)
    store.put("boards", ["cais/hle"])
    store.put("board cais/hle", {"rows": [], "lower_is_better": False, "dropped": {}})
    memory = Memory(None, store, lambda _: None)
    memory.publish()
    clock.now += 2 * DAY

    def replace_late(snapshot: EvidenceSnapshot, **changes: Any) -> EvidenceSnapshot:
        monkeypatch.undo()
        store.put("board cais/hle", {"rows": [["a/b", 1.0, False]], "lower_is_better": False, "dropped": {}})
        memory.publish()
        return replace(snapshot, **changes)

    monkeypatch.setattr("omni_router.hub.evidence.memory.replace", replace_late)
    memory.snapshot_at(clock.now)
    assert memory.snapshot_at(clock.now).rows


def test_nothing_is_raised_where_no_thread_can_be_started(
    hub: Hub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    source = evidence(hub, clock)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert source.current() is NOTHING
    clock.now += LOOK_AGAIN
    assert source.wait(20).rows


@pytest.mark.parametrize("damage", [cut_off, fill_with_garbage, replace_by_folder])
def test_a_damaged_file_costs_the_file_alone(
    hub: Hub, clock: Clock, disk: DiskCache, damage: Callable[[Path], object]
) -> None:
    evidence(hub, clock, disk).wait(20)
    damage(disk.path)
    assert evidence(hub, clock, disk).wait(20).rows


@pytest.mark.parametrize("cell", ["{", "", "[" * 100_000], ids=len)
def test_a_damaged_cell_of_the_file_costs_its_part_alone(hub: Hub, clock: Clock, disk: DiskCache, cell: str) -> None:
    evidence(hub, clock, disk).wait(20)
    with closing(sqlite3.connect(disk.path)) as database, database:
        database.execute(f"UPDATE {TABLE} SET value = ? WHERE key = 'evidence 1 board cais/hle'", (cell,))  # noqa: S608
    assert values(evidence(hub, clock, disk).wait(20), "cais/hle")
    assert len(hub.requests) == ALL + 1


def test_a_file_that_cannot_be_written_keeps_nobody_from_fetching(hub: Hub, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    source = evidence(hub, clock, DiskCache(tmp_path / "file" / "evidence.sqlite"))
    assert source.wait(20).rows
    assert len(hub.requests) == ALL


@pytest.mark.parametrize("turn", ["soon", [1], [-(10**400), 1], [1, float("inf")], {"a": 1, "b": 2}, None], ids=repr)
def test_a_turn_on_disk_that_nobody_wrote_is_none(hub: Hub, clock: Clock, disk: DiskCache, turn: Any) -> None:
    disk.put("evidence 1 state", turn, clock.now)
    hub.down()
    source = evidence(hub, clock, disk)
    assert source.wait(20) is NOTHING
    hub.answers.clear()
    clock.now += LONGEST_PAUSE + 1
    assert source.wait(20).rows


@pytest.mark.parametrize(
    "content",
    [None, 3, [], {}, {"rows": [[1]], "lower_is_better": False, "dropped": {}}, {"rows": [], "dropped": {"a": "b"}}],
    ids=repr,
)
def test_a_part_of_another_shape_on_disk_is_fetched_anew(hub: Hub, clock: Clock, disk: DiskCache, content: Any) -> None:
    evidence(hub, clock, disk).wait(20)
    disk.put("evidence 1 board cais/hle", content, clock.now)
    assert values(evidence(hub, clock, disk).wait(20), "cais/hle")
    assert hub.asked(HLE) == 2


# ---- when


def test_it_is_fetched_again_after_half_a_day_to_a_day(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    source.wait(20)
    clock.now += REFRESH[0] - 1
    assert not source.wait(20).stale
    assert len(hub.requests) == ALL
    clock.now += DAY - REFRESH[0] + 1
    source.wait(20)
    assert len(hub.requests) == 2 * ALL


def test_another_process_reads_what_is_on_disk(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    first = evidence(hub, clock, disk).wait(20)
    clock.now += REFRESH[0] - 1
    hub.down()
    second = evidence(hub, clock, disk).wait(20)
    assert second == first
    assert len(hub.requests) == ALL


def test_the_first_call_of_a_process_has_what_is_on_disk(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    first = evidence(hub, clock, disk).wait(20)
    assert evidence(hub, clock, disk).current() == first


def test_new_evidence_is_prepared_before_it_is_returned(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    prepared: list[tuple[EvidenceSnapshot, EvidenceSnapshot]] = []
    source.prepare = lambda snapshot: prepared.append((snapshot, source.current()))
    last = source.wait(20)
    assert prepared[-1][0] == last
    assert all(returned != snapshot for snapshot, returned in prepared), "it was returned before it was prepared"


def test_evidence_that_cannot_be_prepared_is_returned_all_the_same(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)

    def fail(_: EvidenceSnapshot) -> None:
        raise ValueError("odd rows")

    source.prepare = fail
    assert source.wait(20).rows


def test_the_boards_of_a_sandbox_are_there_at_the_first_call(sandbox: Sandbox) -> None:
    snapshot = HubEvidence().current()
    assert snapshot.rows
    assert snapshot.ratings


def test_hours_later_the_evidence_is_stale_and_stays_while_the_hub_is_away(
    hub: Hub, clock: Clock, disk: DiskCache
) -> None:
    first = evidence(hub, clock, disk).wait(20)
    hub.down()
    clock.now += 5 * DAY
    later = evidence(hub, clock, disk).wait(20)
    assert later.stale
    assert later.rows == first.rows
    clock.now += 30 * DAY
    assert evidence(hub, clock, disk).wait(20) is NOTHING


def test_a_process_that_runs_for_long_forgets_after_a_month_too(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    source.wait(20)
    hub.down()
    clock.now += 29 * DAY
    assert source.wait(20).rows
    clock.now += 2 * DAY
    assert source.wait(20) is NOTHING


def test_a_time_in_the_future_was_written_by_a_clock_that_was_wrong(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    evidence(hub, clock, disk).wait(20)
    clock.now -= DAY
    assert evidence(hub, clock, disk).wait(20).at == clock.now


def test_failures_are_followed_by_growing_pauses_in_all_processes(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    hub.down()
    pauses = []
    for _ in range(9):
        asked, began = len(hub.requests), clock.now
        while len(hub.requests) == asked:
            clock.now += LOOK_AGAIN
            assert evidence(hub, clock, disk).wait(20) is NOTHING
        pauses.append(clock.now - began)
    assert pauses[1:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    hub.answers.clear()
    clock.now += LONGEST_PAUSE
    assert evidence(hub, clock, disk).wait(20).rows


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, content=b"[" + b" " * 5 * MB + b"]"),
        httpx.Response(302, headers={"location": "https://huggingface.co" + HLE}),
    ],
    ids=["500", "slow", "too long", "redirects for ever"],
)
def test_a_board_that_always_fails_keeps_nobody_from_the_others(hub: Hub, clock: Clock, answer: Any) -> None:
    first = f"/api/datasets/{next(iter(BOARDS))}/leaderboard"
    hub.answers = {first: answer, HLE: answer}
    snapshot = evidence(hub, clock).wait(20)
    assert snapshot.missing == tuple(f"board {name}" for name in (next(iter(BOARDS)), "cais/hle"))
    assert len({request.url.path for request in hub.requests}) == 1 + len(BOARDS) + 1  # the list, boards, Arena


def test_a_hub_that_cannot_be_reached_is_asked_once_and_arena_too(hub: Hub, clock: Clock) -> None:
    source = evidence(hub, clock)
    source.wait(20)
    hub.down()
    clock.now += DAY
    source.wait(20)
    assert len(hub.requests) == ALL + 2


def test_an_outage_of_the_hub_ends_its_part_and_arena_is_read(hub: Hub, clock: Clock) -> None:
    hub.answers = {"/leaderboard": httpx.Response(503, json={"error": "down"})}
    snapshot = evidence(hub, clock).wait(20)
    assert hub.asked("/leaderboard") == MAX_OUTAGES
    assert len({rating.board.split("/")[2] for rating in snapshot.ratings}) == len(CONFIGS)
    assert len(snapshot.missing) == len(BOARDS)


def test_an_outage_of_arena_leaves_the_boards(hub: Hub, clock: Clock) -> None:
    hub.answers = {"/rows": httpx.ReadTimeout("silent")}
    snapshot = evidence(hub, clock).wait(20)
    assert hub.asked("/rows") == MAX_OUTAGES
    assert snapshot.missing == tuple(f"arena {config}" for config in CONFIGS)
    assert snapshot.rows


def test_a_process_that_ended_early_leaves_the_rest_to_the_next_one(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    class ProcessEndedError(BaseException):
        pass

    def end(_seconds: float) -> None:
        if len(hub.requests) == 5:
            raise ProcessEndedError

    dying = HubEvidence(disk, clock, end)
    hook, threading.excepthook = threading.excepthook, lambda _args: None
    try:
        dying.wait(20)
    finally:
        threading.excepthook = hook
    clock.now += LEASE / 2
    hub.answers = {}
    assert evidence(hub, clock, disk).wait(20).rows
    assert len(hub.requests) == 5, "the first may still be at it"
    clock.now += 2 * LEASE
    assert not evidence(hub, clock, disk).wait(20).missing
    assert len(hub.requests) == ALL + 1


@pytest.mark.parametrize("damage", [None, {"ratings": [[1]], "malformed": 0, "rows": 1, "total": 1}])
def test_pages_of_arena_that_were_fetched_before_a_process_ended_are_used(
    hub: Hub, clock: Clock, disk: DiskCache, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    monkeypatch.setattr(arena, "PAGE", 10)
    whole = evidence(hub, clock).wait(20)
    pages = hub.asked("/rows")
    assert pages == 3 + len(CONFIGS) - 1

    def end(_seconds: float) -> None:
        if hub.asked("/rows") == pages + 2:
            hub.down()

    HubEvidence(disk, clock, end).wait(20)
    hub.answers.clear()
    if damage:
        disk.put("evidence 1 page text_style_control 0", damage, clock.now)
    clock.now += FIRST_PAUSE + 1
    snapshot = evidence(hub, clock, disk).wait(20)
    assert snapshot.ratings == whole.ratings
    offsets = [request.url.params["offset"] for request in hub.requests if request.url.path == "/rows"]
    first = ["0"] if damage else []
    assert offsets[pages:] == ["0", "10", "20", *first, "20", "0", "0", "0"]


def test_a_client_that_is_offline_asks_nobody(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    caplog.set_level(logging.INFO, "omni_router")
    before = _http._GLOBAL_CLIENT_FACTORY
    huggingface_hub.set_client_factory(_http.default_client_factory)
    try:
        assert HubEvidence(None, clock, lambda _: None).wait(20) is NOTHING
    finally:
        huggingface_hub.set_client_factory(before)
    assert "could not fetch boards: OfflineModeIsEnabled" in caplog.text
    assert "could not fetch arena text_style_control: OfflineModeIsEnabled" in caplog.text


# ---- several processes


def test_of_processes_that_start_at_once_one_alone_fetches(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    """All have looked at the disk before the first of them notes there that it fetches."""
    gate = threading.Barrier(4)

    class SlowDisk(DiskCache):
        def put(self, key: str, value: Any, at: float) -> None:
            if key.endswith(" state") and not gate.broken:
                with suppress(threading.BrokenBarrierError):
                    gate.wait(1)
            super().put(key, value, at)

    sources = [evidence(hub, clock, SlowDisk(disk.path)) for _ in range(gate.parties)]
    for source in sources:
        source.current()
    for source in sources:
        source.wait(20)
    assert len(hub.requests) == ALL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_in_mid_refresh_has_evidence_of_its_own(
    hub: Hub, clock: Clock, disk: DiskCache
) -> None:
    hub.release.clear()
    source = evidence(hub, clock, disk)
    source.current()
    assert hub.entered.wait(20)
    child = os.fork()
    if not child:
        signal.alarm(60)  # ends it, should it hang
        status = 1
        try:
            hub.release.set()
            clock.now += 2 * LEASE
            status = int(not source.wait(20).rows)
        finally:
            os._exit(status)
    hub.release.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert source.wait(20).rows


ENDS_EARLY = """
import sys, threading
from pathlib import Path
import httpx, huggingface_hub
from omni_router.hub.evidence import HubEvidence
from omni_router.storage.sqlite import DiskCache

asked = threading.Event()

class Silent(httpx.BaseTransport):
    def handle_request(self, request):
        asked.set()
        threading.Event().wait()

huggingface_hub.set_client_factory(lambda: httpx.Client(transport=Silent()))
HubEvidence(DiskCache(Path(sys.argv[1]))).current()
assert asked.wait(20)
"""


def test_a_process_that_ends_in_mid_refresh_lets_the_next_one_fetch_at_once(hub: Hub, disk: DiskCache) -> None:
    subprocess.run([sys.executable, "-c", ENDS_EARLY, str(disk.path)], check=True, timeout=60)
    source = HubEvidence(disk, pause=hub.pauses.append)
    assert not source.wait(20).missing
    assert len(hub.requests) == ALL


# ---- limits of the servers


def test_requests_have_pauses_between_them(hub: Hub, clock: Clock) -> None:
    hub.headers = {"ratelimit": '"api";r=450;t=200'}
    evidence(hub, clock).wait(20)
    assert set(hub.pauses) == {BETWEEN}


def test_few_requests_that_are_left_are_left_to_others(hub: Hub, clock: Clock) -> None:
    hub.headers = {"ratelimit": '"api";r=40;t=70'}
    evidence(hub, clock).wait(20)
    assert set(hub.pauses) == {70.0}


@pytest.mark.parametrize("header", ['"api";r=9;t=' + "9" * 400, '"api";r=' + "9" * 5000 + ";t=2", "soon", ""])
def test_a_limit_that_cannot_be_read_is_none(hub: Hub, clock: Clock, header: str) -> None:
    hub.headers = {"ratelimit": header}
    assert not evidence(hub, clock).wait(20).missing
    assert max(hub.pauses) <= 300


@pytest.mark.parametrize(
    ("headers", "pause"),
    [({"retry-after": "7"}, 7.0), ({"ratelimit": '"api";r=0;t=55'}, 55.0), ({}, UNNAMED_PAUSE)],
)
def test_a_429_is_waited_for_and_a_second_one_ends_the_refresh(
    hub: Hub, clock: Clock, headers: dict[str, str], pause: float
) -> None:
    hub.answers = {HLE: httpx.Response(429, json={"error": "slow down"}, headers=headers)}
    source = evidence(hub, clock)
    snapshot = source.wait(20)
    assert hub.asked(HLE) == 2
    assert hub.pauses.count(pause) == 1
    assert "board cais/hle" in snapshot.missing
    asked = len(hub.requests)
    clock.now += FIRST_PAUSE / 2
    source.wait(20)
    assert len(hub.requests) == asked


def test_a_429_that_passes_costs_one_pause(hub: Hub, clock: Clock) -> None:
    hub.answers = {HLE: httpx.Response(429, headers={"retry-after": "7"})}
    source = HubEvidence(None, clock, lambda seconds: hub.answers.clear() if seconds == 7 else None)
    assert not source.wait(20).missing
    assert len(hub.requests) == ALL + 1


# ---- simulations


def test_a_simulation_leaves_the_disk_alone(sandbox: Sandbox, clock: Clock, disk: DiskCache) -> None:
    assert HubEvidence(disk, clock, lambda _: None).wait(20).rows
    assert not disk.path.exists()
    assert {record.token for record in sandbox.requests} == {None}


def test_a_simulation_has_evidence_of_its_own(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    hub.answers = {HLE: httpx.Response(200, json=[{"modelId": "sandbox/text-generation-9", "value": 99}])}
    source = evidence(hub, clock, disk)
    real = source.wait(20)
    with simulation():
        simulated = source.wait(20)
        assert values(simulated, "cais/hle") == {"2": 40.5, "1": 12.4}
    assert source.wait(20) == real
    assert values(real, "cais/hle") == {"9": 99.0}
    assert len(hub.requests) == ALL


def test_what_was_fetched_while_a_simulation_began_is_not_kept(hub: Hub, clock: Clock, disk: DiskCache) -> None:
    entered, left = threading.Event(), threading.Event()
    workers = []

    def pause(_seconds: float) -> None:
        if not left.is_set():
            workers.append(threading.current_thread())
            entered.set()
            assert left.wait(20)

    source = HubEvidence(disk, clock, pause)
    source.current()
    assert entered.wait(20)
    with simulation():
        left.set()
        workers[0].join(20)
    stored = disk.path.read_bytes().decode("latin-1")
    assert "board cais/hle" not in stored
