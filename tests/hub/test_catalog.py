"""The catalog, asked through the real client: of the sandbox, or of a stand-in that it takes for the Hub itself."""

import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.inference._providers import _common

from omni_router import _sandbox
from omni_router._sandbox import Sandbox
from omni_router.hub import cache
from omni_router.hub.cache import KEEP, KEEP_FAILURE, KEEP_STALE
from omni_router.hub.catalog import Availability, CatalogModel, HubCatalog, ProviderEntry
from omni_router.storage import sqlite
from omni_router.storage.sqlite import DiskCache
from omni_router.tasks import TASKS
from tests.support.damaged_files import cut_off, fill_with_garbage, replace_by_folder
from tests.support.hub_client import hub_client

TEXT, PICTURE, VISION = "text-generation", "text-to-image", "image-text-to-text"
TEXT1, PICTURE1 = "sandbox/text-generation-1", "sandbox/text-to-image-1"
MINE, YOURS = "hf_mine", "hf_yours"
ROUTER = "router.huggingface.co"

Log = pytest.LogCaptureFixture
Patch = pytest.MonkeyPatch


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Hub(httpx.BaseTransport):
    """A Hub that the catalog takes for the real one; tests may hold it up, break it, or bend what it says."""

    def __init__(self) -> None:
        self.box = Sandbox()
        self.before: Callable[[httpx.Request], object] = lambda _request: None
        self.bend: Callable[[httpx.Request, Any], Any] = lambda _request, body: body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        response = self.box.transport.handle_request(request)
        if response.status_code != 200:
            return response
        return httpx.Response(200, json=self.bend(request, json.loads(response.content)))

    def down(self) -> None:
        self.before = _refuse

    def up(self) -> None:
        self.before = lambda _request: None

    def asked(self, path: str = "") -> int:
        return sum(record.path.endswith(path) for record in list(self.box.requests))


def _refuse(request: httpx.Request) -> None:
    raise httpx.ConnectError("refused", request=request)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    with hub_client(hub):
        yield hub


@pytest.fixture
def disk(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache" / "catalog.sqlite")


def catalog(disk: DiskCache | None = None, clock: Clock | None = None, token: str = MINE) -> HubCatalog:
    return HubCatalog(lambda: token, disk, clock or Clock())


def listings(box: Sandbox) -> list[str]:
    """Name the tasks that the Hub was asked to list models for, in order."""
    return [record.query["pipeline_tag"][0] for record in list(box.requests) if record.path == "/api/models"]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def stored(disk: DiskCache) -> str:
    return disk.path.read_bytes().decode("latin-1") if disk.path.exists() else ""


# ---- lists


def test_every_task_is_listed_with_one_request_each(sandbox: Sandbox) -> None:
    models_by_task = HubCatalog().models(TASKS)
    assert sorted(listings(sandbox)) == sorted(TASKS)
    assert list(models_by_task) == list(TASKS)
    for task, models in models_by_task.items():
        assert [model.id for model in models] == [f"sandbox/{task}-{number}" for number in (1, 2, 3)]


def test_chat_models_come_with_the_routers_prices_and_sizes(sandbox: Sandbox) -> None:
    first = HubCatalog().models([TEXT])[TEXT][0]
    assert first.providers == ("together", "fireworks-ai")
    assert first.entries[0] == ProviderEntry(
        provider="together",
        context_length=131_072,
        input_price=0.1,
        output_price=0.4,
        tools=True,
        structured_output=True,
        is_free=False,
        first_token_latency_ms=250.0,
        throughput=180.0,
    )
    assert HubCatalog().models([PICTURE])[PICTURE][0].entries == (ProviderEntry("hf-inference", "text-to-image"),)


def test_the_request_asks_for_served_trending_models_with_their_mapping(sandbox: Sandbox) -> None:
    HubCatalog().models([PICTURE])
    (record,) = sandbox.requests
    assert record.query["inference_provider"] == ["all"]
    assert record.query["sort"] == ["trendingScore"]
    assert record.query["expand"] == ["inferenceProviderMapping", "gated", "createdAt"]
    assert record.query["limit"] == ["100"]


def test_only_live_providers_are_named_each_once_and_models_without_one_left_out(hub: Hub) -> None:
    def bend(request: httpx.Request, body: Any) -> Any:
        if request.url.path == "/api/models":
            first, second, third = (model["inferenceProviderMapping"] for model in body)
            first[0]["status"] = "staging"
            first.append(first[1])
            second[0]["status"] = "error"
            third[0]["task"] = "feature-extraction"
        return body

    hub.bend = bend
    models = catalog().models([TEXT])[TEXT]
    assert [(model.id, model.providers) for model in models] == [
        (TEXT1, ("fireworks-ai",)),
        ("sandbox/text-generation-3", ("together",)),
    ]


def test_without_the_hubs_list_the_routers_has_the_chat_models(hub: Hub) -> None:
    hub.before = lambda request: None if request.url.host == ROUTER else _refuse(request)
    models = catalog().models(TASKS)
    assert {TEXT1, "sandbox/image-text-to-text-1"} <= {model.id for model in models[TEXT]}
    assert [model.id for model in models[VISION]] == [f"sandbox/image-text-to-text-{n}" for n in (1, 2, 3)]
    assert models[PICTURE] == ()


@pytest.mark.parametrize("answer", [[], {}, {"data": None}, {"data": [1, {"id": 2}, {"id": "a/b", "providers": 3}]}])
def test_a_router_that_says_something_else_costs_its_details_alone(hub: Hub, answer: Any) -> None:
    hub.bend = lambda request, body: answer if request.url.host == ROUTER else body
    assert catalog().models([TEXT])[TEXT][0] == CatalogModel(
        TEXT1, (ProviderEntry("together"), ProviderEntry("fireworks-ai"))
    )


def test_details_of_another_type_are_left_out(hub: Hub) -> None:
    def bend(request: httpx.Request, body: Any) -> Any:
        if request.url.host == ROUTER:
            body["data"][0]["architecture"] = "text"
            body["data"][0]["providers"][0] |= {
                "context_length": "long",
                "pricing": {"input": "1"},
                "supports_tools": 1,
                "supports_structured_output": "yes",
                "is_free": "no",
                "first_token_latency_ms": -1,
                "throughput": True,
            }
        return body

    hub.bend = bend
    assert catalog().models([TEXT])[TEXT][0].entries[0] == ProviderEntry("together")


# ---- kept, stale, asked for again


def test_a_fresh_answer_is_kept_and_an_older_one_given_while_it_is_asked_for_again(hub: Hub) -> None:
    clock = Clock()
    hub_catalog = catalog(clock=clock)
    first = hub_catalog.models([PICTURE])
    clock.now += KEEP - 1
    assert hub_catalog.models([PICTURE]) == first
    assert len(listings(hub.box)) == 1
    hub.box.set_mapping(PICTURE1, ["replicate"])
    clock.now += 2
    assert hub_catalog.models([PICTURE]) == first, "at once, what was known"
    until(lambda: hub_catalog.models([PICTURE])[PICTURE][0].providers == ("replicate",))
    assert len(listings(hub.box)) == 2
    assert KEEP == 600


def test_who_is_patient_waits_for_the_fresh_answer_and_has_the_old_one_in_need(hub: Hub) -> None:
    clock = Clock()
    hub_catalog = catalog(clock=clock)
    hub_catalog.models([PICTURE])
    hub.box.set_mapping(PICTURE1, ["replicate"])
    clock.now += KEEP
    assert hub_catalog.check(PICTURE1, None, PICTURE, wait_for_fresh=True).provider == "replicate"
    hub.box.set_mapping(PICTURE1, ["together"])
    clock.now += KEEP
    assert hub_catalog.snapshot(PICTURE).models[0].providers == ("together",)
    hub.down()
    clock.now += KEEP
    snapshot = hub_catalog.snapshot(PICTURE)
    assert snapshot.models[0].providers == ("together",)
    assert snapshot.stale
    assert snapshot.at == clock.now - KEEP


def test_an_old_answer_serves_a_week_of_outage(hub: Hub) -> None:
    clock = Clock()
    hub_catalog = catalog(clock=clock)
    first = hub_catalog.models([PICTURE])
    hub.down()
    clock.now += KEEP_STALE - 1
    assert hub_catalog.models([PICTURE]) == first
    clock.now += 2
    assert hub_catalog.models([PICTURE]) == {PICTURE: ()}


def test_an_answer_of_the_future_is_not_believed_and_gives_way(hub: Hub, disk: DiskCache) -> None:
    clock = Clock()
    clock.now += 1e9
    catalog(disk, clock).models([PICTURE])
    for _ in range(3):
        assert len(catalog(disk).models([PICTURE])[PICTURE]) == 3
    assert len(listings(hub.box)) == 2


def test_an_empty_answer_is_an_answer(hub: Hub) -> None:
    clock = Clock()
    hub_catalog = catalog(clock=clock)
    assert hub_catalog.models(["no-such-task"]) == {"no-such-task": ()}
    clock.now += KEEP_FAILURE + 1
    hub_catalog.models(["no-such-task"])
    assert len(listings(hub.box)) == 1


def test_what_is_kept_in_memory_is_bounded(hub: Hub, monkeypatch: Patch) -> None:
    monkeypatch.setattr(cache, "MAX_ENTRIES", 2)
    hub_catalog = catalog()
    for task in ("a", "b", "a", "c", "a", "b"):
        hub_catalog.models([task])
    assert listings(hub.box) == ["a", "b", "c", "b"], "what was not asked for longest has to go"


# ---- a Hub that is down


@pytest.mark.parametrize("fault", ["hub_503", "hub_timeout", "hub_refused_connection"])
def test_a_failure_is_kept_one_minute_and_logged(sandbox: Sandbox, fault: str, caplog: Log) -> None:
    clock = Clock()
    hub_catalog = HubCatalog(clock=clock)
    sandbox.fail(fault, times=10)  # more than one: the client may try again by itself
    assert hub_catalog.models([TEXT]) == {TEXT: ()}
    assert TEXT in caplog.text
    assert any(record.levelno == logging.WARNING for record in caplog.records)
    sandbox.recover()
    before = len(sandbox.requests)
    clock.now += KEEP_FAILURE - 1
    assert hub_catalog.models([TEXT]) == {TEXT: ()}
    assert not hub_catalog.check(TEXT1, None, TEXT).verified
    assert len(sandbox.requests) == before
    clock.now += 2
    assert len(hub_catalog.models([TEXT])[TEXT]) == 3
    assert KEEP_FAILURE == 60


def test_a_hub_that_is_down_is_asked_once_whatever_is_wanted_of_it(hub: Hub) -> None:
    seen: list[str] = []

    def refuse(request: httpx.Request) -> None:
        seen.append(request.url.host)
        _refuse(request)

    hub.before = refuse
    hub_catalog = catalog()
    hub_catalog.models([TEXT])
    for number in range(20):
        assert hub_catalog.check(f"acme/m{number}", None, TEXT).verified is False
    hub_catalog.models(TASKS)
    assert sorted(seen) == ["huggingface.co", ROUTER]


def test_a_question_that_the_hub_cannot_read_leaves_the_others(hub: Hub) -> None:
    def refuse(request: httpx.Request) -> None:
        if request.url.params.get("pipeline_tag") == PICTURE:
            raise huggingface_hub.errors.BadRequestError("no such tag", response=httpx.Response(400, request=request))

    hub.before = refuse
    hub_catalog = catalog()
    assert hub_catalog.models([PICTURE]) == {PICTURE: ()}
    assert len(hub_catalog.models([TEXT])[TEXT]) == 3
    assert hub_catalog.check(PICTURE1, None, PICTURE).verified


def test_a_hub_that_hangs_costs_one_limit_for_all_questions_together(hub: Hub, monkeypatch: Patch) -> None:
    assert cache.TIMEOUT == 3
    monkeypatch.setattr(cache, "TIMEOUT", 0.4)
    release = threading.Event()
    hub.before = lambda _request: release.wait(20)
    hub_catalog, seconds = catalog(), list[float]()

    def counted(futures: Any, timeout: float) -> Any:
        seconds.append(timeout)
        return wait(futures, timeout)

    monkeypatch.setattr("omni_router.hub.cache.wait", counted)
    try:
        assert hub_catalog.models(TASKS) == dict.fromkeys(TASKS, ())
        assert 0 < sum(seconds) < 2 * 0.4, "the second and third wait for what is left"
        seconds.clear()
        assert hub_catalog.models(TASKS) == dict.fromkeys(TASKS, ())
        assert hub_catalog.check("acme/m", None, TEXT).verified is False
        assert sum(seconds) == 0, "nobody waits for the same again"
    finally:
        release.set()
    until(lambda: len(listings(hub.box)) == len(TASKS))


def test_a_late_answer_is_kept_like_any_other_and_ends_the_outage(hub: Hub, monkeypatch: Patch) -> None:
    monkeypatch.setattr(cache, "TIMEOUT", 0.2)
    release = threading.Event()
    hub.before = lambda _request: release.wait(20)
    hub_catalog = catalog()
    assert hub_catalog.models([PICTURE]) == {PICTURE: ()}
    release.set()
    until(lambda: len(hub_catalog.models([PICTURE])[PICTURE]) == 3)
    assert len(listings(hub.box)) == 1
    assert hub_catalog.check("sandbox/text-to-image-4", None, PICTURE).verified


def test_twenty_threads_share_one_request(hub: Hub) -> None:
    hub.before = lambda _request: time.sleep(0.2)
    hub_catalog = catalog()
    together = threading.Barrier(20)

    def ask(_: int) -> int:
        together.wait(timeout=10)
        return len(hub_catalog.models([PICTURE])[PICTURE])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [3] * 20
    assert len(listings(hub.box)) == 1


# ---- one model


def test_a_listed_model_is_served_without_another_request(hub: Hub) -> None:
    hub_catalog = catalog()
    assert hub_catalog.check(TEXT1, None, TEXT) == Availability(TEXT1, None, verified=True)
    assert hub_catalog.check(TEXT1, "together", TEXT) == Availability(TEXT1, "together", verified=True)
    assert hub_catalog.check(PICTURE1, None, PICTURE) == Availability(PICTURE1, "hf-inference", verified=True)
    assert hub.asked(TEXT1) == hub.asked(PICTURE1) == 0


def test_a_model_of_no_list_is_looked_up_once(hub: Hub) -> None:
    hub_catalog = catalog()
    for _ in range(3):
        assert hub_catalog.check("sandbox/text-to-image-4", None, PICTURE).provider == "replicate"
    assert hub.asked("sandbox/text-to-image-4") == 1


REFUSED = {
    "unknown": ("acme/nowhere", None, TEXT, "not_found", "not on the Hub"),
    "another task": (TEXT1, None, PICTURE, "no_provider", "its task is text-generation"),
    "text only": (TEXT1, None, VISION, "no_provider", "images: it takes none"),
    "no provider": ("sandbox/text-generation-9", None, TEXT, "no_provider", "or for any other task"),
    "no mapping": ("sandbox/text-generation-8", None, TEXT, "no_provider", "or for any other task"),
    "another provider": (
        TEXT1,
        "novita",
        TEXT,
        "no_provider",
        "novita does not serve it for text-generation",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_called_is_refused_with_its_reason(case: str, hub: Hub) -> None:
    model, provider, task, kind, why = REFUSED[case]
    check = catalog().check(model, provider, task)
    assert (check.verified, check.refused) == (True, kind)
    assert why in check.why


def test_a_chat_model_that_sees_serves_both_kinds_of_chat(hub: Hub) -> None:
    assert catalog().check("sandbox/image-text-to-text-1", None, TEXT).refused is None
    assert catalog().check("sandbox/image-text-to-text-1", None, VISION) == Availability(
        "sandbox/image-text-to-text-1", None, verified=True
    )


def test_the_routers_word_on_pictures_counts_more_than_the_tag(hub: Hub) -> None:
    def bend(request: httpx.Request, body: Any) -> Any:
        if request.url.host == ROUTER:
            for card in body["data"]:
                if card["id"] == TEXT1:
                    card["architecture"]["input_modalities"].append("image")
        return body

    hub.bend = bend
    assert catalog().check(TEXT1, None, VISION).refused is None


def test_a_describer_of_pictures_is_named_its_provider(hub: Hub) -> None:
    assert catalog().check("sandbox/image-to-text-1", None, VISION).provider == "hf-inference"


def test_a_renamed_model_gets_its_new_id(hub: Hub) -> None:
    hub.box.set_mapping("acme/old", ["replicate"], PICTURE)
    hub.box.rename("acme/old", "acme/new")
    assert catalog().check("acme/old", None, PICTURE) == Availability("acme/new", "replicate", verified=True)
    hub.box.set_mapping("acme/new", [])
    check = catalog().check("acme/old", None, PICTURE)
    assert (check.model, check.refused) == ("acme/new", "no_provider")


def test_a_gated_model_needs_access_also_where_it_is_listed(hub: Hub, disk: DiskCache) -> None:
    hub.box.gate(TEXT1, open_to=[YOURS])
    tokens = [MINE]
    hub_catalog = HubCatalog(lambda: tokens[-1], disk, Clock())
    refused = hub_catalog.check(TEXT1, None, TEXT)
    assert (refused.refused, "accept its terms" in refused.why) == ("not_found", True)
    tokens.append(YOURS)
    assert hub_catalog.check(TEXT1, None, TEXT).refused is None
    tokens.append(MINE)
    assert hub_catalog.check(TEXT1, None, TEXT) == refused
    assert hub.asked(TEXT1) == 2, "kept for each token"
    assert f"model {TEXT1}" not in stored(disk)


def test_an_unreachable_hub_leaves_everything_unverified(hub: Hub) -> None:
    hub.down()
    check = catalog().check("acme/m", "together", TEXT)
    assert (check.model, check.provider, check.verified, check.refused) == ("acme/m", "together", False, None)


def test_the_routers_list_vouches_for_a_chat_model_while_the_hub_is_down(hub: Hub) -> None:
    hub.before = lambda request: None if request.url.host == ROUTER else _refuse(request)
    assert catalog().check(TEXT1, None, TEXT).verified is True
    assert catalog().check(TEXT1, None, VISION).verified is False
    assert catalog().check("acme/m", None, TEXT).verified is False


def test_an_old_answer_names_no_provider_and_a_refusal_does_not_grow_old(hub: Hub) -> None:
    clock = Clock()
    hub_catalog = catalog(clock=clock)
    assert hub_catalog.check(PICTURE1, None, PICTURE).provider == "hf-inference"
    assert hub_catalog.check("sandbox/text-to-image-4", None, PICTURE).provider == "replicate"
    assert hub_catalog.check("sandbox/text-to-image-9", None, PICTURE).refused == "no_provider"
    hub.down()
    clock.now += KEEP + 1
    for model in (PICTURE1, "sandbox/text-to-image-4"):
        assert hub_catalog.check(model, None, PICTURE) == Availability(model, None, verified=True)
    assert hub_catalog.check(PICTURE1, "fal-ai", PICTURE).verified is False, "the old list does not say no"
    assert hub_catalog.check("sandbox/text-to-image-9", None, PICTURE).verified is False


def test_a_refreshed_answer_makes_the_client_forget_its_own(hub: Hub) -> None:
    hub_catalog = catalog()
    mapping: Any = _common._fetch_inference_provider_mapping
    mapping(PICTURE1)
    hub_catalog.models([PICTURE])
    assert mapping.cache_info().currsize == 0
    mapping(PICTURE1)
    hub_catalog.check("sandbox/text-to-image-4", None, PICTURE)
    assert mapping.cache_info().currsize == 0


# ---- whose answer it is


def test_the_token_of_the_asking_thread_is_sent(hub: Hub) -> None:
    local = threading.local()
    local.token = MINE
    HubCatalog(lambda: getattr(local, "token", "hf_of_nobody"), None, Clock()).check("acme/m", None, TEXT)
    of_the_model = [record for record in hub.box.requests if "acme/m" in record.path]
    assert {record.token for record in of_the_model} == {MINE}
    others = [record for record in hub.box.requests if record not in of_the_model]
    assert {record.token for record in others} == {None}, "lists are everybody's"


def test_what_is_unknown_to_one_token_is_asked_for_with_the_next(hub: Hub, disk: DiskCache) -> None:
    tokens = [MINE]
    hub_catalog = HubCatalog(lambda: tokens[-1], disk, Clock())
    for token in (MINE, MINE, YOURS, YOURS):
        tokens.append(token)
        assert hub_catalog.check("acme/private", None, PICTURE).refused == "not_found"
    assert hub.asked("acme/private") == 2
    assert "acme/private" not in stored(disk)


def test_a_public_model_is_asked_for_once_for_all_tokens(hub: Hub) -> None:
    tokens = [MINE]
    hub_catalog = HubCatalog(lambda: tokens[-1], None, Clock())
    for token in (MINE, YOURS):
        tokens.append(token)
        assert hub_catalog.check("sandbox/text-to-image-4", None, PICTURE).refused is None
    assert hub.asked("sandbox/text-to-image-4") == 1


def test_no_token_reaches_the_disk(hub: Hub, disk: DiskCache) -> None:
    hub_catalog = catalog(disk)
    hub_catalog.models(TASKS)
    hub_catalog.check("sandbox/text-to-image-4", None, PICTURE)
    assert "sandbox/text-to-image-4" in stored(disk)
    assert MINE not in stored(disk)
    assert str(hash(MINE)) not in stored(disk)


def test_each_sandbox_has_answers_of_its_own_and_none_on_disk(hub: Hub, disk: DiskCache) -> None:
    hub_catalog = catalog(disk)
    for providers in (["fal-ai"], ["together"]):
        with _sandbox.sandbox() as box:
            box.set_mapping(PICTURE1, providers)
            assert hub_catalog.check(PICTURE1, None, PICTURE).provider == providers[0]
            hub_catalog.check("sandbox/text-to-image-4", None, PICTURE)
            assert not disk.path.exists()
    assert hub_catalog.check(PICTURE1, None, PICTURE).provider == "hf-inference"
    with _sandbox.sandbox() as box:
        box.set_mapping(PICTURE1, [])
        assert hub_catalog.check(PICTURE1, None, PICTURE).refused == "no_provider", (
            "what the disk has is of another world"
        )


def test_an_outage_outside_is_none_in_the_sandbox(hub: Hub) -> None:
    hub.down()
    hub_catalog = catalog()
    assert hub_catalog.models([PICTURE]) == {PICTURE: ()}
    with _sandbox.sandbox():
        assert len(hub_catalog.models([PICTURE])[PICTURE]) == 3


def test_an_answer_is_dropped_when_a_sandbox_came_meanwhile(hub: Hub, disk: DiskCache, monkeypatch: Patch) -> None:
    monkeypatch.setattr(cache, "TIMEOUT", 0.1)
    release = threading.Event()
    hub.before = lambda _request: release.wait(20)
    hub_catalog = catalog(disk)
    hub_catalog.models([PICTURE])
    with _sandbox.sandbox():
        release.set()
        until(lambda: not any("catalog" in thread.name for thread in threading.enumerate()))
    assert disk.get("models of text-to-image") is None


# ---- on disk


def test_another_catalog_reads_the_disk_without_asking(hub: Hub, disk: DiskCache) -> None:
    first = catalog(disk)
    models = first.models(TASKS)
    check = first.check("sandbox/text-to-image-4", None, PICTURE)
    before = len(hub.box.requests)
    second = catalog(DiskCache(disk.path), token=YOURS)
    assert second.models(TASKS) == models
    assert second.check("sandbox/text-to-image-4", None, PICTURE) == check
    assert len(hub.box.requests) == before


def test_another_process_reads_the_disk_without_asking(hub: Hub, disk: DiskCache) -> None:
    HubCatalog(lambda: MINE, disk).models([PICTURE])
    program = f"""
import pathlib, sys, huggingface_hub
from omni_router.hub.catalog import HubCatalog
from omni_router.storage.sqlite import DiskCache
huggingface_hub.set_client_factory(lambda: sys.exit("asked"))
catalog = HubCatalog(disk=DiskCache(pathlib.Path({str(disk.path)!r})))
print(*[model.id for model in catalog.models([{PICTURE!r}])[{PICTURE!r}]])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"sandbox/text-to-image-{n}" for n in (1, 2, 3)], done.stderr


def test_what_another_process_learnt_since_is_taken_from_disk(hub: Hub, disk: DiskCache) -> None:
    clock = Clock()
    ours, theirs = catalog(disk, clock), catalog(DiskCache(disk.path), clock)
    ours.models([PICTURE])
    clock.now += KEEP
    hub.box.set_mapping(PICTURE1, ["replicate"])
    theirs.snapshot(PICTURE)
    assert ours.models([PICTURE])[PICTURE][0].providers == ("replicate",)
    assert len(listings(hub.box)) == 2


def test_the_disk_serves_while_the_hub_is_down(hub: Hub, disk: DiskCache) -> None:
    clock = Clock()
    models = catalog(disk, clock).models(TASKS)
    hub.down()
    clock.now += KEEP * 2
    assert catalog(DiskCache(disk.path), clock).models(TASKS) == models


def test_the_disk_is_bounded_and_the_oldest_go(disk: DiskCache, monkeypatch: Patch) -> None:
    monkeypatch.setattr(sqlite, "MAX_ENTRIES", 3)
    for number in range(10):
        disk.put(f"key {number}", number, float(number))
    assert [disk.get(f"key {number}") is not None for number in range(10)] == [False] * 7 + [True] * 3
    assert disk.get("key 9") == (9, 9.0)


def _other_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"DROP TABLE {sqlite.TABLE}; CREATE TABLE {sqlite.TABLE} (a TEXT)")


def _no_json(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE {sqlite.TABLE} SET value = 'no json', at = 'never'")  # noqa: S608


@pytest.mark.parametrize("damage", [fill_with_garbage, cut_off, replace_by_folder, _other_table, _no_json])
def test_a_damaged_file_breaks_nothing(damage: Callable[[Path], None], hub: Hub, disk: DiskCache) -> None:
    catalog(disk).models(TASKS)
    damage(disk.path)
    for _ in range(2):
        models_by_task = catalog(disk).models(TASKS)
        assert [len(models) for models in models_by_task.values()] == [3, 3, 3]


def test_a_file_that_is_no_database_is_begun_anew(hub: Hub, disk: DiskCache) -> None:
    disk.path.parent.mkdir(parents=True)
    fill_with_garbage(disk.path)
    catalog(disk).models([PICTURE])
    before = len(hub.box.requests)
    catalog(DiskCache(disk.path)).models([PICTURE])
    assert len(hub.box.requests) == before


def test_a_locked_file_is_done_without_and_used_again_later(hub: Hub, disk: DiskCache, monkeypatch: Patch) -> None:
    monkeypatch.setattr("omni_router.storage.sqlite.BUSY", 0.05)
    disk.put("key", 1, 1.0)
    with closing(sqlite3.connect(disk.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert len(catalog(disk).models([PICTURE])[PICTURE]) == 3
        assert disk.get("key") is None
        other.execute("ROLLBACK")
    assert disk.get("key") == (1, 1.0)


def test_a_place_that_cannot_be_written_is_reported_once(hub: Hub, tmp_path: Path, caplog: Log) -> None:
    caplog.set_level(logging.INFO, "omni_router")
    (tmp_path / "file").write_text("in the way")
    disk = DiskCache(tmp_path / "file" / "catalog.sqlite")
    assert len(catalog(disk).models([PICTURE])[PICTURE]) == 3
    disk.put("key", 1, 1.0)
    assert caplog.text.count("kept in memory") == 1


# ---- a snapshot


def test_a_survey_gives_the_rest_of_the_routers_list_too(hub: Hub) -> None:
    snapshot = catalog().snapshot(TEXT)
    assert [model.id for model in snapshot.models[:3]] == [f"sandbox/text-generation-{n}" for n in (1, 2, 3)]
    assert "sandbox/image-text-to-text-1" in [model.id for model in snapshot.models[3:]]
    assert (snapshot.stale, snapshot.missing) == (False, ())
    assert all(model.id.startswith("sandbox/image-text") for model in catalog().snapshot(VISION).models)


def test_a_survey_names_the_lists_that_could_not_be_had(hub: Hub) -> None:
    hub.before = lambda request: _refuse(request) if request.url.host == ROUTER else None
    assert catalog().snapshot(TEXT).missing == ("chat models",)
    hub.down()
    snapshot = catalog().snapshot(PICTURE)
    assert (snapshot.models, snapshot.at, snapshot.missing) == ((), None, ("models of text-to-image",))
