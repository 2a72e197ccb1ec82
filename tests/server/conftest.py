"""One dev server for all tests of this folder, with what langgraph.json mounts in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.support.dev_server import dev_server


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="package")
def url(folder: Path) -> Iterator[str]:
    with dev_server(folder) as url:
        yield url


@pytest.fixture
def sdk(url: str) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=url) as sdk:
        yield sdk
