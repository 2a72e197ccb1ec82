"""What MCP and A2A calls leave in the server's own store, where every worker finds it."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.types import CancelTaskRequest, Task, TaskState
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.server.a2a.test_agent import message, task_of
from tests.server.test_mcp import call
from tests.support.dev_server import dev_server

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


def test_tasks_are_in_the_servers_store(url: str, sdk: SyncLangGraphClient) -> None:
    task = task_of(url, "Who discovered penicillin?")
    found = sdk.store.search_items(("omni_router", "a2a", "everybody"), filter={"context_id": task.context_id})["items"]
    assert [item["key"] for item in found] == [task.id]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose models take two seconds, with history in its own store, and metrics."""
    variables = {"OMNI_HISTORY": "store", "OMNI_METRICS": "1", "OMNI_SANDBOX_LATENCY": "2"}
    with dev_server(tmp_path_factory.mktemp("slow"), **variables) as url:
        yield url


def test_every_surface_writes_history_in_the_servers_store_and_is_counted(slow: str) -> None:
    for mode in ("auto", "legacy"):
        assert not call(slow, "ask", mode, prompt="Who discovered penicillin?").is_error
    task_of(slow, "Who discovered penicillin?")
    with get_sync_client(url=slow) as sdk:
        [item] = sdk.store.search_items(("omni_router", "sandbox", "history"))["items"]
    assert [model["uses"] for model in item["value"]["models"]] == [3]
    assert "omni_decisions_total" in httpx.get(f"{slow}/omni/metrics").text


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
