"""A model that hangs takes its part of the threads, and leaves the others theirs."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.nodes import _bulkhead as bulkhead
from omni_router.nodes import _threads as threads
from omni_router.nodes._bulkhead import Bulkheads
from tests.support.calls import Compiled, ask
from tests.support.hub_client import hub_client
from tests.support.scripted_router import ScriptedRouter
from tests.support.silent_model import SilentModel, served_model

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

HANGS, ANSWERS = "sandbox/text-generation-1", "sandbox/text-generation-2"
PATIENT = Settings(timeout=60)
LIMIT = 2


class OneHangs(httpx.HTTPTransport):
    """Takes the calls of one model to a loopback port, and everything else to the sandbox."""

    def __init__(self, url: str, box: Sandbox) -> None:
        super().__init__()
        self._url, self._box = httpx.URL(url), box

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or not json.loads(request.content)["model"].startswith(HANGS):
            return self._box.transport.handle_request(request)
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return super().handle_request(request)


@pytest.fixture
def silent(sandbox: Sandbox) -> Iterator[SilentModel]:
    with served_model() as model, hub_client(OneHangs(model.url, sandbox)):
        yield model


@pytest.fixture
def bulkheads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bulkheads]:
    """Four threads for specialists, two of them for a model."""
    heads = Bulkheads(LIMIT)
    with ThreadPoolExecutor(2 * LIMIT) as specialists, ThreadPoolExecutor(8) as others:
        pools = {"routing": others, "specialists": specialists, "others": others}
        monkeypatch.setattr(threads, "thread_pool", pools.__getitem__)
        monkeypatch.setattr(threads, "bulkheads", lambda: heads)
        yield heads


@pytest.fixture
def graph(services: Services) -> Compiled:
    return build_graph(services).compile()


async def start(graph: Compiled, heads: Bulkheads, count: int) -> list["asyncio.Task[Any]"]:
    """Start calls of the model that hangs, and wait until each is under way or waits for a slot."""
    tasks = [asyncio.create_task(graph.ainvoke(ask("why?"), context=PATIENT)) for _ in range(count)]
    while heads.under_way(HANGS) + heads.waiting(HANGS) < count:  # noqa: ASYNC110 (nothing tells)
        await asyncio.sleep(0.01)
    return tasks


async def stop(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.usefixtures("silent")
def test_a_model_that_hangs_leaves_threads_to_the_others(
    graph: Compiled, router: ScriptedRouter, bulkheads: Bulkheads
) -> None:
    async def play() -> None:
        router.choose("question_answering", HANGS)
        tasks = await start(graph, bulkheads, 6)
        assert (bulkheads.under_way(HANGS), bulkheads.waiting(HANGS)) == (LIMIT, 4)
        router.choose("question_answering", ANSWERS)
        answered = await asyncio.wait_for(graph.ainvoke(ask("why?"), context=PATIENT), 30)
        assert [(a["model"], a["outcome"]) for a in answered["attempts"]] == [(ANSWERS, "answered")]
        assert not any(task.done() for task in tasks)
        await stop(tasks)
        assert (bulkheads.under_way(HANGS), bulkheads.waiting(HANGS)) == (0, 0)

    asyncio.run(play())


def test_what_comes_beyond_a_model_that_hangs_goes_on_to_the_next(
    graph: Compiled,
    router: ScriptedRouter,
    bulkheads: Bulkheads,
    silent: SilentModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.3)

    async def play() -> None:
        router.choose("question_answering", HANGS)
        tasks = await start(graph, bulkheads, LIMIT)
        answered = await graph.ainvoke(ask("why?"), context=PATIENT)
        assert [(a["model"], a["outcome"]) for a in answered["attempts"]] == [
            (HANGS, "overloaded"),
            (ANSWERS, "answered"),
        ]
        message = answered["attempts"][0]["error"]["message"]
        assert "2 calls to it are under way, and none ended within 0.3 s" in message
        await stop(tasks)

    asyncio.run(play())
    assert silent.asked.qsize() == LIMIT


def test_who_waits_for_a_slot_gets_it_in_turn_and_none_is_lost(bulkheads: Bulkheads) -> None:
    order: list[int] = []
    most = 0

    async def call(number: int, release: asyncio.Event) -> None:
        nonlocal most
        async with bulkheads.slot("a/b") as reason:
            assert reason is None
            order.append(number)
            most = max(most, bulkheads.under_way("a/b"))
            await release.wait()
            await asyncio.sleep(0)

    async def play() -> None:
        release = asyncio.Event()
        tasks = [asyncio.create_task(call(number, release)) for number in range(10)]
        await asyncio.sleep(0)
        for gone in (tasks[0], tasks[4], tasks[9]):  # one that calls, two that wait
            gone.cancel()
        await asyncio.gather(*(tasks[n] for n in (0, 4, 9)), return_exceptions=True)
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(play())
    assert order == [0, 1, 2, 3, 5, 6, 7, 8]
    assert most == LIMIT
    assert (bulkheads.under_way("a/b"), bulkheads.waiting("a/b")) == (0, 0)


def test_as_long_as_calls_end_nobody_is_sent_away(bulkheads: Bulkheads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes last waits for several times the patience."""
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.5)

    async def call() -> str | None:
        async with bulkheads.slot("a/b") as reason:
            await asyncio.sleep(0.1)
            return reason

    async def play() -> list[str | None]:
        return await asyncio.gather(*(call() for _ in range(30)))

    assert asyncio.run(play()) == [None] * 30


def test_a_slot_is_handed_on_to_another_event_loop(bulkheads: Bulkheads) -> None:
    async def call() -> str | None:
        async with bulkheads.slot("a/b") as reason:
            await asyncio.sleep(0.01)
            return reason

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(asyncio.run, call()) for _ in range(6)]
        assert [each.result(30) for each in futures] == [None] * 6


@pytest.mark.parametrize(("thread_count", "limit"), [("64", 56), ("4", 3), ("2", 1), ("1", 1)])
def test_a_model_gets_seven_eighths_of_the_threads_and_at_least_one(
    thread_count: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_THREADS", thread_count)
    threads.bulkheads.cache_clear()
    try:
        assert threads.bulkheads().limit == limit
    finally:
        threads.bulkheads.cache_clear()
