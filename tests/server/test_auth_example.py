"""examples/auth_server on a real dev server: each user's own token, and nobody else's threads."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.server.test_runs import asking
from tests.support.dev_server import dev_server
from tests.support.processes import ROOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ACCOUNTS = {
    "alice": {"key": "key-of-alice-53f1", "token": "hf_alice_8d0c"},
    "bob": {"key": "key-of-bob-77aa", "token": "hf_wrong"},  # the one token that the sandbox refuses
    "carol": {"key": "key-of-carol-01b9", "token": "hf_carol_4e2f"},
}
# The example's own graph, on a sandbox that tells which token each call of a model came with.
PROBE = """
from hashlib import sha256

from omni_router import _sandbox


class Telling(_sandbox.Sandbox):
    def record(self, record):
        super().record(record)
        if record.path.endswith("/chat/completions"):
            with open("calls.txt", "a") as file:
                file.write(sha256((record.token or "").encode()).hexdigest() + "\\n")


_sandbox.install(Telling())
from per_user import app, graph
"""


@contextmanager
def example(folder: Path) -> Iterator[str]:
    """Serve the example from `folder`; the accounts lie outside, as that one is searched for what is in them."""
    shutil.copytree(
        ROOT / "examples" / "auth_server", folder, ignore=shutil.ignore_patterns("accounts.json", "*.md", ".*")
    )
    (folder / "probe.py").write_text(PROBE)
    config = (folder / "langgraph.json").read_text()
    (folder / "langgraph.json").write_text(config.replace("per_user:", "probe:"))
    accounts = folder.parent / "accounts.json"
    accounts.write_text(json.dumps(ACCOUNTS))
    with dev_server(folder, ACCOUNTS=str(accounts)) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auth") / "server"


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with example(folder) as url:
        yield url


@pytest.fixture(params=["alice", "carol"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ACCOUNTS[name]['key']}"}


def client(url: str, name: str) -> SyncLangGraphClient:
    return get_sync_client(url=url, headers=key(name))


def tokens_of_calls(folder: Path) -> list[str]:
    path = folder / "calls.txt"
    return path.read_text().split() if path.exists() else []


def digest(name: str) -> str:
    return sha256(ACCOUNTS[name]["token"].encode()).hexdigest()


def test_without_a_key_nothing_is_open(url: str) -> None:
    for path in ("/threads/search", "/runs/wait", "/mcp", "/a2a"):
        assert httpx.post(url + path, json={}).status_code == 401, path
    for headers in ({"Authorization": "Bearer guessed"}, {"x-auth-scheme": "langsmith"}):
        assert httpx.post(f"{url}/threads/search", json={}, headers=headers).status_code == 401, headers


def test_each_run_calls_with_its_users_token(url: str, folder: Path, name: str) -> None:
    before = len(tokens_of_calls(folder))
    with client(url, name) as sdk:
        result: Any = sdk.runs.wait(None, "omni_router", input=asking("Who discovered penicillin?"))
    assert result["error"] is None
    assert set(tokens_of_calls(folder)[before:]) == {digest(name)}


def test_a_user_with_a_wrong_token_is_reported_so_and_gets_nobody_elses(url: str, folder: Path) -> None:
    before = len(tokens_of_calls(folder))
    with client(url, "bob") as sdk:
        result: Any = sdk.runs.wait(None, "omni_router", input=asking("Who discovered penicillin?"))
    assert result["error"]["kind"] == "token"
    assert set(tokens_of_calls(folder)[before:]) == {digest("bob")}


def test_tools_of_mcp_call_with_the_callers_token(url: str, folder: Path, name: str) -> None:
    async def ask() -> Any:
        http = httpx2.AsyncClient(headers=key(name), timeout=60)
        async with http, Client(streamable_http_client(f"{url}/mcp", http_client=http)) as mcp:
            return await mcp.call_tool("ask", {"prompt": "Who discovered penicillin?"})

    before = len(tokens_of_calls(folder))
    assert not asyncio.run(ask()).is_error
    assert set(tokens_of_calls(folder)[before:]) == {digest(name)}


def test_a2a_calls_with_the_callers_token_and_keeps_tasks_apart(url: str, folder: Path) -> None:
    def rpc(name: str, method: str, **params: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        payload: dict[str, Any] = httpx.post(f"{url}/a2a", json=body, headers=key(name), timeout=60).json()
        return payload

    before = len(tokens_of_calls(folder))
    user_message = {
        "role": "user",
        "messageId": "m1",
        "parts": [{"kind": "text", "text": "Who discovered penicillin?"}],
    }
    task = rpc("alice", "message/send", message=user_message)["result"]
    assert set(tokens_of_calls(folder)[before:]) == {digest("alice")}
    assert rpc("alice", "tasks/get", id=task["id"])["result"]["id"] == task["id"]
    assert "error" in rpc("carol", "tasks/get", id=task["id"])


def test_threads_of_one_user_are_not_another_s(url: str) -> None:
    with client(url, "alice") as alice, client(url, "carol") as carol:
        thread = alice.threads.create()["thread_id"]
        alice.runs.wait(thread, "omni_router", input=asking("Who discovered penicillin?"))
        assert thread in [each["thread_id"] for each in alice.threads.search()]
        assert thread not in [each["thread_id"] for each in carol.threads.search()]
        for forbidden in (carol.threads.get, carol.threads.get_state, carol.runs.list):
            with pytest.raises(httpx.HTTPStatusError):
                forbidden(thread)
        with pytest.raises(httpx.HTTPStatusError):
            carol.runs.wait(thread, "omni_router", input=asking("What did I ask?"))


def test_the_store_is_open_under_ones_own_name_alone(url: str) -> None:
    with client(url, "alice") as alice:
        alice.store.put_item(("alice", "notes"), "one", {"text": "mine"})
        for place in (("carol",), ("omni_router", "a2a"), ()):
            with pytest.raises(httpx.HTTPStatusError):
                alice.store.search_items(place)


def test_no_token_and_no_key_in_anything_the_server_keeps_or_tells(tmp_path: Path) -> None:
    secrets = [secret for account in ACCOUNTS.values() for secret in account.values()]
    with example(tmp_path / "server") as url, client(url, "alice") as alice, client(url, "bob") as bob:
        payloads: list[Any] = []
        for sdk in (alice, bob):
            thread = sdk.threads.create()["thread_id"]
            sdk.runs.wait(thread, "omni_router", input=asking("Who discovered penicillin?"))
            payloads += [sdk.runs.list(thread), sdk.threads.get_history(thread), sdk.threads.get(thread)]
        text = json.dumps(payloads, default=str)
    assert [secret for secret in secrets if secret in text] == []
    files = {path: path.read_bytes() for path in (tmp_path / "server").rglob("*") if path.is_file()}
    runs = [path for path, data in files.items() if ".langgraph_api" in str(path) and b"penicillin" in data]
    assert runs, "the server stopped, so that all it keeps is written"
    assert [(path, secret) for path, data in files.items() for secret in secrets if secret.encode() in data] == []
