"""What MCP and A2A calls leave in the server's own store, where every worker finds it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.types import CancelTaskRequest, Task, TaskState
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient

from tests.server.a2a.test_agent import message, task_of
from tests.server.test_mcp import call
from tests.server.test_runs import asking

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ROUTES = ("omni_router", "sandbox", "routes")


def test_tasks_are_in_the_servers_store(url: str, sdk: SyncLangGraphClient) -> None:
    task = task_of(url, "Who discovered penicillin?")
    items = sdk.store.search_items(("omni_router", "a2a", "everybody"), filter={"context_id": task.context_id})["items"]
    assert [item["key"] for item in items] == [task.id]


def test_every_surface_writes_history_in_the_servers_store_and_is_counted(slow: str, slow_folder: Path) -> None:
    question = "Who discovered penicillin?"
    with get_sync_client(url=slow) as server:
        first: Any = server.runs.wait(None, "omni_router", input=asking(question))
        assert first["error"] is None
        for mode in ("auto", "legacy"):
            assert not call(slow, "ask", mode, prompt=question).is_error
        task_of(slow, question)
        again: Any = server.runs.wait(None, "omni_router", input=asking("Who discovered radium?"))
        assert again["error"] is None
        [item] = server.store.search_items(ROUTES)["items"]
    uses = {model["id"]: model["uses"] for model in item["value"]["models"]}
    assert (sum(uses.values()), set(uses)) == (5, {first["decision"]["model"], again["decision"]["model"]})
    assert "omni_decisions_total" in httpx.get(f"{slow}/omni/metrics").text
    assert not (slow_folder / "outputs" / "sandbox" / "route_config.json").exists()


def test_runs_wait_for_their_models_at_the_same_time(slow: str) -> None:
    """One after the other, the first would have ended before the second is decided. No outcome is lost of them."""
    seen: list[str] = []

    def uses() -> int:
        with get_sync_client(url=slow) as server:
            items = server.store.search_items(ROUTES)["items"]
        return sum(model["uses"] for item in items for model in item["value"]["models"])

    before = uses()

    async def run(server: LangGraphClient, number: int) -> None:
        question: Any = asking(f"Who discovered element {number}?")
        async for part in server.runs.stream(None, "omni_router", input=question, stream_mode="custom"):
            if part.event == "custom" and part.data["event"] in ("decision", "recorded"):
                seen.append(part.data["event"])  # noqa: PERF401 (as they come)

    async def ten() -> None:
        async with get_client(url=slow) as server:
            await asyncio.gather(*(run(server, number) for number in range(10)))

    asyncio.run(ten())
    assert seen == ["decision"] * 10 + ["recorded"] * 10
    assert uses() == before + 10


def test_a_task_that_is_worked_on_can_be_cancelled(slow: str) -> None:
    async def run() -> tuple[Task, Task]:
        async with httpx.AsyncClient(timeout=60) as http:
            client = await create_client(slow, ClientConfig(streaming=False, httpx_client=http))
            request = message("Who discovered penicillin?")
            request.configuration.return_immediately = True
            [begun] = [answer.task async for answer in client.send_message(request)]
            return begun, await client.cancel_task(CancelTaskRequest(id=begun.id))

    begun, ended = asyncio.run(run())
    assert begun.status.state in (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
    assert ended.status.state == TaskState.TASK_STATE_CANCELED
