"""The catalog, asked through the real client against the sandbox."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import huggingface_hub
import pytest
from huggingface_hub.utils import _http

from omni_router._sandbox import Sandbox
from omni_router._sandbox.transport import SandboxTransport
from omni_router.inference import disk_cache, hub_listing, memory
from omni_router.inference.catalog import Check, HubCatalog
from omni_router.inference.disk_cache import DiskCache
from omni_router.inference.memory import KEEP, KEEP_FAILURE, KEEP_STALE
from omni_router.tasks import TASKS

TEXT, PICTURE, VISION = "text-generation", "text-to-image", "image-text-to-text"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def listings(box: Sandbox) -> list[str]:
    """Name the tasks that the Hub was asked to list models for, in order."""
    return [record.query["pipeline_tag"][0] for record in list(box.requests) if record.path == "/api/models"]


def before_answering(monkeypatch: pytest.MonkeyPatch, box: Sandbox, hold: Callable[[], object]) -> None:
    """Let the sandbox do something before it answers any request."""

    class Slow(SandboxTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            hold()
            return super().handle_request(request)

    monkeypatch.setattr(box.transport, "__class__", Slow)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_task_is_listed_with_one_request_each(sandbox: Sandbox) -> None:
    found = HubCatalog().models(TASKS)
    assert sorted(listings(sandbox)) == sorted(TASKS)
    assert list(found) == list(TASKS)
    for task, models in found.items():
        assert [model.id for model in models] == [f"sandbox/{task}-{number}" for number in (1, 2, 3)]
    assert found[TEXT][0].providers == ("together", "fireworks-ai")
    offer = found[TEXT][0].offers[1]
    assert (offer.context_length, offer.input_price, offer.output_price, offer.tools) == (131_072, 0.2, 0.8, False)
    assert found[PICTURE][0].offers[0].input_price is None


def test_the_request_asks_for_served_trending_models_with_their_mapping(sandbox: Sandbox) -> None:
    HubCatalog().models([TEXT])
    [record] = [record for record in sandbox.requests if record.path == "/api/models"]
    assert record.query["inference_provider"] == ["all"]
    assert record.query["sort"] == ["trendingScore"]
    assert record.query["expand"] == ["inferenceProviderMapping"]
    assert record.query["limit"] == ["20"]


def test_an_answer_is_kept_ten_minutes_then_given_while_it_is_asked_for_again(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    first = asked.models([TEXT])
    clock.now += KEEP - 1
    assert asked.models([TEXT]) == first
    assert len(listings(sandbox)) == 1
    sandbox.set_mapping("sandbox/text-generation-2", ())
    clock.now += 2
    assert asked.models([TEXT]) == first, "the old one, without a wait"
    until(lambda: len(asked.models([TEXT])[TEXT]) == 2)
    assert len(listings(sandbox)) == 2
    assert KEEP == 600


def test_an_old_answer_serves_for_a_week_while_the_hub_is_down(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    first = asked.models([TEXT])
    sandbox.fail("hub_503", times=1000)
    for _ in range(3):
        clock.now += KEEP_STALE / 4
        assert asked.models([TEXT]) == first
        time.sleep(0.05)
    clock.now += KEEP_STALE / 4
    assert asked.models([TEXT]) == {TEXT: ()}


def test_an_empty_answer_is_an_answer(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    assert asked.models(["no-such-task"]) == {"no-such-task": ()}
    clock.now += KEEP_FAILURE + 1
    asked.models(["no-such-task"])
    assert len(listings(sandbox)) == 1


@pytest.mark.parametrize("fault", ["hub_503", "hub_timeout", "hub_refused_connection"])
def test_a_failure_is_kept_one_minute_and_said(sandbox: Sandbox, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    sandbox.fail(fault, times=10)  # more than one: the client may try again by itself
    assert asked.models([TEXT]) == {TEXT: ()}
    assert TEXT in caplog.text
    assert any(record.levelno == logging.WARNING for record in caplog.records)
    sandbox._planned.clear()
    before = len(listings(sandbox))
    clock.now += KEEP_FAILURE - 1
    assert asked.models([TEXT]) == {TEXT: ()}
    assert len(listings(sandbox)) == before
    clock.now += 2
    assert len(asked.models([TEXT])[TEXT]) == 3
    assert KEEP_FAILURE == 60


def test_a_failure_of_one_task_leaves_the_others(sandbox: Sandbox) -> None:
    asked = HubCatalog()
    assert len(asked.models([PICTURE])[PICTURE]) == 3
    sandbox.fail("hub_503", times=10)
    found = asked.models([TEXT, PICTURE])
    assert found[TEXT] == ()
    assert len(found[PICTURE]) == 3


def test_a_hub_that_hangs_costs_one_limit_for_all_tasks_together(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.TIMEOUT == 3
    monkeypatch.setattr(memory, "TIMEOUT", 0.4)
    release = threading.Event()
    before_answering(monkeypatch, sandbox, lambda: release.wait(20))
    asked = HubCatalog()
    try:
        start = time.monotonic()
        assert asked.models(TASKS) == dict.fromkeys(TASKS, ())
        assert 0.3 < time.monotonic() - start < 1.0
        start = time.monotonic()
        assert asked.models(TASKS) == dict.fromkeys(TASKS, ())
        assert time.monotonic() - start < 0.3  # the same call is still under way, and has had its time
    finally:
        release.set()
    until(lambda: len(listings(sandbox)) == len(TASKS))


def test_a_late_answer_is_kept_like_any_other(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TIMEOUT", 0.2)
    release = threading.Event()
    before_answering(monkeypatch, sandbox, lambda: release.wait(20))
    asked = HubCatalog()
    assert asked.models([TEXT]) == {TEXT: ()}
    release.set()
    until(lambda: len(asked.models([TEXT])[TEXT]) == 3)
    assert len(listings(sandbox)) == 1


def test_twenty_threads_share_one_request(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before_answering(monkeypatch, sandbox, lambda: time.sleep(0.2))
    asked = HubCatalog()
    together = threading.Barrier(20)

    def ask(_: int) -> int:
        together.wait(timeout=10)
        return len(asked.models([TEXT])[TEXT])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [3] * 20
    assert len(listings(sandbox)) == 1


def test_only_live_providers_are_named_each_once() -> None:
    mapping = [
        SimpleNamespace(provider="together", status="live", task="conversational"),
        SimpleNamespace(provider="novita", status="staging"),
        SimpleNamespace(provider="fal-ai", status="error"),
        SimpleNamespace(provider="together", status="live", task="conversational"),
        SimpleNamespace(provider="replicate", status="live", task="conversational"),
    ]
    assert [offer["provider"] for offer in hub_listing._live(mapping)] == ["together", "replicate"]
    assert hub_listing._live(None) == []


def test_a_model_whose_providers_are_all_down_is_left_out(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from omni_router._sandbox import hub

    real = hub._mapping

    def staged(model: str, entry: hub.Model) -> object:
        found = real(model, entry) or []
        down = model in ("sandbox/text-generation-1", "sandbox/text-generation-2")
        for place, provider in enumerate(found):
            if down and (place == 0 or model.endswith("-2")):
                provider["status"] = "staging"
        return found

    monkeypatch.setattr(hub, "_mapping", staged)
    assert [(model.id, model.providers) for model in HubCatalog().models([TEXT])[TEXT]] == [
        ("sandbox/text-generation-1", ("fireworks-ai",)),
        ("sandbox/text-generation-3", ("fireworks-ai", "together")),
    ]


# ---- one model


MODEL = "sandbox/text-generation-1"


def lookups(box: Sandbox) -> list[str]:
    return [record.path for record in list(box.requests) if record.path.startswith("/api/models/")]


@pytest.mark.parametrize(
    ("model", "provider", "task", "expected"),
    [
        (MODEL, None, TEXT, Check(MODEL, None, verified=True)),
        (MODEL, "together", TEXT, Check(MODEL, "together", verified=True)),
        (MODEL, "novita", TEXT, "no_provider"),
        ("sandbox/image-text-to-text-1", None, TEXT, Check("sandbox/image-text-to-text-1", None, verified=True)),
        ("sandbox/image-text-to-text-1", None, VISION, Check("sandbox/image-text-to-text-1", None, verified=True)),
        (MODEL, None, VISION, "no_provider"),
        ("sandbox/image-to-text-1", None, VISION, Check("sandbox/image-to-text-1", None, verified=True)),
        ("sandbox/text-to-image-2", None, PICTURE, Check("sandbox/text-to-image-2", "together", verified=True)),
        ("sandbox/text-to-image-4", None, PICTURE, Check("sandbox/text-to-image-4", "replicate", verified=True)),
        (MODEL, None, PICTURE, "no_provider"),
        ("sandbox/text-generation-8", None, TEXT, "no_provider"),
        ("sandbox/text-generation-9", None, TEXT, "no_provider"),
        ("acme/nowhere", None, TEXT, "not_found"),
    ],
)
def test_a_model_is_served_or_refused(
    model: str, provider: str | None, task: str, expected: Check | str, sandbox: Sandbox
) -> None:
    check = HubCatalog().check(model, provider, task)
    if isinstance(expected, Check):
        assert check == expected
    else:
        assert check.refused == expected
        assert check.why


def test_a_model_that_is_listed_is_not_looked_up(sandbox: Sandbox) -> None:
    asked = HubCatalog()
    asked.models(TASKS)
    for _ in range(5):
        asked.check(MODEL, None, TEXT)
    assert lookups(sandbox) == []


def test_one_that_is_not_is_looked_up_once_however_many_ask(sandbox: Sandbox) -> None:
    asked = HubCatalog()
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: asked.check("sandbox/text-to-image-4", None, PICTURE), range(20)))
    assert len(set(found)) == 1
    assert lookups(sandbox) == ["/api/models/sandbox/text-to-image-4"]


def test_a_renamed_model_is_followed(sandbox: Sandbox) -> None:
    sandbox.set_mapping("acme/old", ["novita"], TEXT)
    sandbox.rename("acme/old", "acme/new")
    assert HubCatalog().check("acme/old", None, TEXT) == Check("acme/new", None, verified=True)


def test_a_gated_model_is_refused_to_a_token_without_access(sandbox: Sandbox) -> None:
    sandbox.gate(MODEL)
    check = HubCatalog(lambda: "hf_mine").check(MODEL, None, TEXT)
    assert (check.refused, check.verified) == ("not_found", True)
    assert "gated" in check.why
    asked = [record for record in sandbox.requests if record.path.endswith("/auth-check")]
    assert [record.token for record in asked] == ["hf_mine"]


def test_a_hub_that_is_away_verifies_nothing_and_is_not_asked_for_every_model(sandbox: Sandbox) -> None:
    sandbox.fail("hub_503", times=1000)
    asked = HubCatalog()
    checks = [asked.check(f"acme/m{number}", None, TEXT) for number in range(10)]
    assert {(check.verified, check.refused) for check in checks} == {(False, None)}
    assert lookups(sandbox) == []
    assert len(listings(sandbox)) <= 3, "the client may try again by itself"


def test_a_refusal_is_asked_for_anew_when_it_is_old(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    assert asked.check("acme/new", None, TEXT).refused == "not_found"
    sandbox.set_mapping("acme/new", ["novita"], TEXT)
    assert asked.check("acme/new", None, TEXT).refused == "not_found"
    clock.now += KEEP + 1
    assert asked.check("acme/new", None, TEXT).refused is None


def test_a_stale_list_names_no_provider(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    assert asked.check("sandbox/text-to-image-2", None, PICTURE).provider == "together"
    sandbox.fail("hub_503", times=1000)
    clock.now += KEEP + 1
    assert asked.check("sandbox/text-to-image-2", None, PICTURE) == Check(
        "sandbox/text-to-image-2", None, verified=True
    )


def test_the_routers_own_list_adds_what_the_hub_does_not_name_first(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_listing, "LIMIT", 1)
    asked = HubCatalog()
    assert [model.id[-1] for model in asked.models([TEXT])[TEXT]] == ["1"]
    assert len(asked.all_models(TEXT)) == 6, "three of text, and three that see take text as well"
    assert [model.id for model in asked.all_models(VISION)] == [f"sandbox/{VISION}-{n}" for n in (1, 2, 3)]


# ---- on disk


@pytest.fixture
def hub() -> Iterator[Sandbox]:
    """The stand-in for the Hub as if it were the real one: nobody knows that it is a sandbox."""
    box = Sandbox()
    before = (_http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY)
    huggingface_hub.set_client_factory(lambda: httpx.Client(transport=box.transport, follow_redirects=True))
    yield box
    huggingface_hub.set_client_factory(before[0])


def test_another_process_reads_what_one_has_learnt(hub: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "cache" / "catalog.sqlite"
    first = HubCatalog(disk=DiskCache(file))
    found = first.models(TASKS)
    served = first.check("sandbox/text-to-image-4", None, PICTURE)
    requests = len(hub.requests)
    second = HubCatalog(disk=DiskCache(file))
    assert second.models(TASKS) == found
    assert second.check("sandbox/text-to-image-4", None, PICTURE) == served
    assert len(hub.requests) == requests


def test_what_only_a_token_may_know_and_the_token_itself_do_not_reach_the_disk(hub: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    hub.gate(MODEL)
    token = "hf_averysecrettoken"
    catalog = HubCatalog(lambda: token, DiskCache(file))
    catalog.check(MODEL, None, TEXT)
    catalog.check("acme/private", None, TEXT)
    catalog.check("sandbox/text-to-image-4", None, PICTURE)
    with sqlite3.connect(file) as database:
        keys = {key for (key,) in database.execute("SELECT key FROM cache")}
    database.close()
    assert keys == {f"models of {TEXT}", f"models of {PICTURE}", "chat models", "model sandbox/text-to-image-4"}
    assert token.encode() not in file.read_bytes()
    other = HubCatalog(lambda: "hf_other", DiskCache(file))
    hub.set_mapping("acme/private", ["novita"], TEXT)
    assert other.check("acme/private", None, TEXT).refused is None


def test_what_a_sandbox_lists_stays_out_of_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    assert HubCatalog(disk=DiskCache(file)).models([TEXT])[TEXT]
    assert not file.exists()


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "MAX_ENTRIES", 20)
    cache = DiskCache(tmp_path / "catalog.sqlite")
    for number in range(50):
        cache.put(f"model {number}", {"n": number}, float(number))
    assert cache.get("model 29") is None
    assert cache.get("model 30") == ({"n": 30}, 30.0)


@pytest.mark.parametrize("damage", ["nonsense", "folder", "other table"])
def test_a_file_that_cannot_be_used_breaks_nothing(damage: str, hub: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    if damage == "nonsense":
        file.write_text("nonsense " * 500)
    elif damage == "folder":
        file.mkdir()
    else:
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE cache (key TEXT)")
        database.close()
    catalog = HubCatalog(disk=DiskCache(file))
    assert len(catalog.models([TEXT])[TEXT]) == 3
    assert len(catalog.models([TEXT])[TEXT]) == 3
    assert len(listings(hub)) == 1, "it is still kept in memory"


def test_the_clients_own_memory_is_not_older_than_the_catalogs(hub: Sandbox) -> None:
    from huggingface_hub.inference._providers._common import _fetch_inference_provider_mapping

    _fetch_inference_provider_mapping("sandbox/text-to-image-4")
    assert hub.asked_for_mapping("sandbox/text-to-image-4") == 1
    HubCatalog().check("sandbox/text-to-image-4", None, PICTURE)
    _fetch_inference_provider_mapping("sandbox/text-to-image-4")
    assert hub.asked_for_mapping("sandbox/text-to-image-4") == 2
