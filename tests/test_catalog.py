"""The catalog, asked through the real client against the sandbox."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest

from omni_router._sandbox import Sandbox
from omni_router._sandbox.transport import SandboxTransport
from omni_router.inference import catalog
from omni_router.inference.catalog import KEEP, KEEP_FAILURE, CatalogModel, HubCatalog
from omni_router.tasks import TASKS

TEXT, PICTURE = "text-generation", "text-to-image"


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
    assert found[TEXT][0] == CatalogModel("sandbox/text-generation-1", ("together", "fireworks-ai"))


def test_the_request_asks_for_served_trending_models_with_their_mapping(sandbox: Sandbox) -> None:
    HubCatalog().models([TEXT])
    (record,) = sandbox.requests
    assert record.query["inference_provider"] == ["all"]
    assert record.query["sort"] == ["trendingScore"]
    assert record.query["expand"] == ["inferenceProviderMapping"]
    assert record.query["limit"] == ["20"]


def test_an_answer_is_kept_ten_minutes(sandbox: Sandbox) -> None:
    clock = Clock()
    asked = HubCatalog(clock=clock)
    first = asked.models([TEXT])
    clock.now += KEEP - 1
    assert asked.models([TEXT]) == first
    assert len(listings(sandbox)) == 1
    clock.now += 2
    assert asked.models([TEXT]) == first
    assert len(listings(sandbox)) == 2
    assert KEEP == 600


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
    assert catalog.TIMEOUT == 3
    monkeypatch.setattr(catalog, "TIMEOUT", 0.4)
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
    monkeypatch.setattr(catalog, "TIMEOUT", 0.2)
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
        SimpleNamespace(provider="together", status="live"),
        SimpleNamespace(provider="novita", status="staging"),
        SimpleNamespace(provider="fal-ai", status="error"),
        SimpleNamespace(provider="together", status="live"),
        SimpleNamespace(provider="replicate", status="live"),
    ]
    assert catalog._live(mapping) == ("together", "replicate")
    assert catalog._live(None) == ()


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
    assert HubCatalog().models([TEXT])[TEXT] == (
        CatalogModel("sandbox/text-generation-1", ("fireworks-ai",)),
        CatalogModel("sandbox/text-generation-3", ("fireworks-ai", "together")),
    )
