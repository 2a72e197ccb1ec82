"""A client that goes away: the model is hung up on, its thread is free, and nothing is held against it."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client, get_sync_client

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.nodes import _threads as threads
from tests.support.calls import Compiled, ask
from tests.support.dev_server import dev_server
from tests.support.scripted_router import ScriptedRouter
from tests.support.silent_model import Silence, SilentModel, own_certificate, served_model, silent_model

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ROOT = Path(__file__).parents[2]
TEXT, IMAGE = "sandbox/text-generation-1", "sandbox/text-to-image-1"
PATIENT = Settings(timeout=60)  # no timeout may be taken for a hang-up


@pytest.fixture(autouse=True)
def only_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """One thread for all nodes: a run that goes on after it was cancelled holds up the next."""
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(threads, "thread_pool", lambda _: pool)
        yield pool


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    return own_certificate(tmp_path) if request.param == "https" else None


@pytest.fixture
def model(sandbox: Sandbox, tls: ssl.SSLContext | None) -> Iterator[SilentModel]:
    with silent_model(sandbox, tls) as model:
        yield model


@pytest.fixture
def graph(services: Services, router: ScriptedRouter) -> Compiled:
    router.choose("question_answering", TEXT)
    return build_graph(services).compile()


async def cancel_plain(graph: Compiled, is_there: Callable[[], Awaitable[None]]) -> None:
    """Cancel the task of an `ainvoke`, which streams nothing from the model."""
    await _cancelled(asyncio.create_task(graph.ainvoke(ask("why?"), context=PATIENT)), is_there)


async def cancel_streaming(graph: Compiled, is_there: Callable[[], Awaitable[None]]) -> None:
    """Cancel the task that reads the tokens."""

    async def read() -> None:
        async for _ in graph.astream(ask("why?"), context=PATIENT, stream_mode="messages"):
            pass

    await _cancelled(asyncio.create_task(read()), is_there)


async def close_stream(graph: Compiled, is_there: Callable[[], Awaitable[None]]) -> None:
    """Close the generator after the first token, as a web server does when its client is gone."""
    stream = graph.astream(ask("why?"), context=PATIENT, stream_mode="messages")
    await anext(stream)
    await is_there()
    await stream.aclose()


async def _cancelled(task: "asyncio.Task[Any]", is_there: Callable[[], Awaitable[None]]) -> None:
    await is_there()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


WAYS: list[tuple[Any, Silence]] = [
    (cancel_plain, "before the answer"),
    (cancel_plain, "within the answer"),
    (cancel_streaming, "before the answer"),
    (cancel_streaming, "within the answer"),
    (close_stream, "within the answer"),
]


def go_away(way: Any, graph: Compiled, model: SilentModel) -> None:
    """Go away while the model is silent, and wait until it notices, long before the timeout of the run."""
    complaints: list[dict[str, Any]] = []

    async def is_there() -> None:
        await asyncio.to_thread(model.asked.get, timeout=20)
        await asyncio.sleep(0.1)  # for the client to read the little that comes

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await way(graph, is_there)

    asyncio.run(run())
    model.hung_up.get(timeout=20)
    assert complaints == []


@pytest.mark.parametrize(("way", "silent"), WAYS)
def test_a_client_that_goes_away_ends_the_call_long_before_the_timeout(
    way: Any, silent: Silence, graph: Compiled, model: SilentModel
) -> None:
    model.silent = silent
    go_away(way, graph, model)


@pytest.mark.parametrize("way", [cancel_plain, cancel_streaming])
def test_a_kept_connection_is_hung_up_too(way: Any, graph: Compiled, model: SilentModel) -> None:
    model.silent = "never"
    assert asyncio.run(graph.ainvoke(ask("why?")))["error"] is None
    assert model.asked.get()
    model.silent = "before the answer"
    go_away(way, graph, model)
    assert model.connections == 1


def test_the_thread_is_free_at_once(graph: Compiled, model: SilentModel) -> None:
    go_away(cancel_plain, graph, model)
    model.silent = "never"
    after = asyncio.wait_for(graph.ainvoke(ask("why?")), timeout=PATIENT.timeout / 2)  # of the cancelled run
    assert asyncio.run(after)["error"] is None


def test_nothing_is_held_against_the_model_and_no_other_is_called(
    graph: Compiled,
    model: SilentModel,
    services: Services,
    only_thread: ThreadPoolExecutor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for way, model.silent in WAYS:
        go_away(way, graph, model)
    only_thread.submit(int).result(timeout=10)  # the thread has come to its end
    assert not services.history.models("question_answering")
    assert not services.history.cooling()
    assert model.asked.empty(), "one request for each run"
    assert model.connections == len(WAYS)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_picture_that_is_being_made_is_hung_up_too(
    services: Services, router: ScriptedRouter, model: SilentModel
) -> None:
    router.choose("image_generation", IMAGE)
    go_away(cancel_plain, build_graph(services).compile(), model)


def test_only_the_cancelled_one_of_two_is_hung_up(
    graph: Compiled, model: SilentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ThreadPoolExecutor(2)
    monkeypatch.setattr(threads, "thread_pool", lambda _: pool)

    async def two() -> None:
        first, second = (asyncio.create_task(graph.ainvoke(ask("why?"), context=PATIENT)) for _ in range(2))
        for _ in range(2):
            await asyncio.to_thread(model.asked.get, timeout=20)
        first.cancel()
        await asyncio.to_thread(model.hung_up.get, timeout=20)
        await asyncio.sleep(0.2)
        assert model.hung_up.empty()
        assert not second.done()
        second.cancel()

    asyncio.run(two())


def test_between_two_pieces_of_a_stream_without_a_socket(
    graph: Compiled, sandbox: Sandbox, only_thread: ThreadPoolExecutor
) -> None:
    """As under a transport of the caller's own."""
    sandbox.chunk_delay = 0.5

    async def leave() -> None:
        stream = graph.astream(ask("tell me " * 100), context=PATIENT, stream_mode="messages")
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    only_thread.submit(int).result(timeout=20)  # the answer would take longer


@pytest.mark.parametrize(("form", "silent"), [("invoke", "drops"), ("stream", "comments")])
def test_a_model_that_only_seems_to_answer_is_given_up_at_the_timeout(
    form: str, silent: Silence, graph: Compiled, model: SilentModel, services: Services
) -> None:
    model.silent = silent
    settings = Settings(timeout=0.5, max_models=1)
    if form == "invoke":
        result = graph.invoke(ask("why?"), context=settings)
    else:
        *_, (_, result) = graph.stream(ask("why?"), context=settings, stream_mode=["messages", "values"])
    assert result["error"]["kind"] == "timeout"  # the answer itself never ends


@pytest.fixture(scope="module")
def served() -> Iterator[SilentModel]:
    with served_model() as model:
        yield model


@pytest.fixture(scope="module")
def server(served: SilentModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dev server, with the graph as it ships, but for where the client's calls of models go."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "there.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from omni_router._sandbox import install\n"
        "from omni_router.graph import graph\n"
        "from tests.support.silent_model import lead_to\n"
        f"lead_to({served.url!r}, install())\n"
    )
    (folder / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"omni_router": "./there.py:graph"}}')
    with dev_server(folder) as url:
        yield url
        log = (folder / "server.log").read_text()
        assert "Traceback" not in log, log


def wait_until_asked(model: SilentModel) -> None:
    model.asked.get(timeout=60)
    time.sleep(0.1)  # for the client to read the little that comes


@pytest.mark.parametrize("silent", ["before the answer", "within the answer"])
def test_the_server_hangs_up_when_a_run_is_cancelled(server: str, served: SilentModel, silent: Silence) -> None:
    served.silent = silent
    with get_sync_client(url=server) as sdk:
        thread = sdk.threads.create()["thread_id"]
        run = sdk.runs.create(thread, "omni_router", input=asking("Who discovered penicillin?"))["run_id"]
        wait_until_asked(served)
        sdk.runs.cancel(thread, run)
        served.hung_up.get(timeout=20)
        assert sdk.runs.join(thread, run) is not None
        assert sdk.runs.get(thread, run)["status"] == "interrupted"


def test_the_server_hangs_up_when_the_reader_of_a_stream_goes_away(server: str, served: SilentModel) -> None:
    served.silent = "within the answer"
    with get_sync_client(url=server) as sdk:
        stream = sdk.runs.stream(
            None,
            "omni_router",
            input=asking("Who discovered radium?"),
            stream_mode=["custom", "messages-tuple"],
            on_disconnect="cancel",
        )
        next(part for part in stream if part.event == "messages")
        wait_until_asked(served)
        stream.close()  # type: ignore[attr-defined]
        served.hung_up.get(timeout=20)


def test_the_server_hangs_up_when_the_waiter_goes_away(server: str, served: SilentModel) -> None:
    served.silent = "before the answer"

    async def leave() -> None:
        async with get_client(url=server) as sdk:
            waits = asyncio.create_task(
                sdk.runs.wait(None, "omni_router", input=asking("Who discovered neon?"), on_disconnect="cancel")
            )
            await asyncio.to_thread(wait_until_asked, served)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits

    asyncio.run(leave())
    served.hung_up.get(timeout=20)


def asking(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}
