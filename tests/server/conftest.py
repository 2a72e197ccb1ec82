"""Three dev servers for all tests of this folder, with what langgraph.json mounts in them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.support.dev_server import dev_server
from tests.support.processes import ROOT


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="package")
def url(folder: Path) -> Iterator[str]:
    with dev_server(folder) as url:
        yield url


@pytest.fixture(scope="package")
def configured_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configured")


@pytest.fixture(scope="package")
def configured(configured_folder: Path) -> Iterator[str]:
    """Serve with a name, a key, a limit on bodies, and an origin added to http.cors; models take a second."""
    config = json.loads((ROOT / "langgraph.json").read_text())
    config["http"]["cors"]["allow_origins"].append("https://chat.example")
    (configured_folder / "langgraph.json").write_text(json.dumps(config))
    variables = {"OMNI_HOSTS": "agents.example.com", "OMNI_API_KEY": "s3cret", "OMNI_MAX_BODY": "100000"}
    with dev_server(configured_folder, **variables, OMNI_SANDBOX_LATENCY="1") as url:
        yield url


@pytest.fixture(scope="package")
def slow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="package")
def slow(slow_folder: Path) -> Iterator[str]:
    """Serve with history in the server's own store, and metrics; models take two seconds."""
    variables = {"OMNI_HISTORY": "store", "OMNI_METRICS": "1", "OMNI_SANDBOX_LATENCY": "2"}
    with dev_server(slow_folder, **variables) as url:
        yield url


@pytest.fixture
def sdk(url: str) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=url) as sdk:
        yield sdk
