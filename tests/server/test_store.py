"""What MCP and A2A calls leave in the server's own store, where every worker finds it."""

from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.dev_server import dev_server
from tests.server.test_a2a import task_of
from tests.server.test_mcp import call

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


def test_tasks_are_in_the_servers_store(url: str, sdk: SyncLangGraphClient) -> None:
    task = task_of(url, "Who discovered penicillin?")
    found = sdk.store.search_items(("omni_router", "a2a", "everybody"), filter={"context_id": task.context_id})["items"]
    assert [item["key"] for item in found] == [task.id]


def test_every_surface_writes_history_in_the_servers_store_and_is_counted(tmp_path: Path) -> None:
    with dev_server(tmp_path, OMNI_HISTORY="store", OMNI_METRICS="1") as url, get_sync_client(url=url) as sdk:
        for mode in ("auto", "legacy"):
            assert not call(url, "ask", mode, prompt="Who discovered penicillin?").is_error
        task_of(url, "Who discovered penicillin?")
        [item] = sdk.store.search_items(("omni_router", "sandbox", "history"))["items"]
        assert [model["uses"] for model in item["value"]["models"]] == [3]
        assert "omni_decisions_total" in httpx.get(f"{url}/omni/metrics").text
