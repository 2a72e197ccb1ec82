"""What many tests need: services on the sandbox, with a router that a test scripts, and nothing of the developer's."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router._sandbox import Sandbox
from omni_router.artifacts import ArtifactFolder
from omni_router.config.environment import VARIABLES, Environment
from omni_router.config.route_file import RouteFile
from omni_router.history.file import FileHistory
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services import Services
from omni_router.services.router import choose_router
from tests.support.processes import cache_folder
from tests.support.scripted_router import ScriptedRouter


@pytest.fixture(scope="session", autouse=True)
def embeddings(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Name the file in which all processes keep embeddings, and let the processes that tests start use it too."""
    file = pytestconfig.cache.mkdir("embeddings") / "embeddings.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.processes.embeddings_file", file)
        yield file


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test reads the developer's own token, login, policy or folder, or leaves a sandbox to the next."""
    for name in (
        "HF_TOKEN",
        "HF_API_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLORTERM",
        "COLUMNS",
    ):
        monkeypatch.delenv(name, raising=False)
    for variable in VARIABLES:
        for name in (variable.name, *variable.aliases):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMNI_EVIDENCE", "off")  # tests of the choice by evidence switch it on
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setenv("OMNI_CACHE_DIR", str(cache_folder(tmp_path)))
    monkeypatch.chdir(tmp_path)
    yield
    while _sandbox.active():  # of a command that was given --sandbox: it stays for the life of a process
        _sandbox.uninstall()


@pytest.fixture
def router() -> ScriptedRouter:
    return ScriptedRouter()


@pytest.fixture
def route_config(tmp_path: Path) -> Path:
    return tmp_path / "route_config.json"


@pytest.fixture
def write_policy(route_config: Path) -> Callable[..., Path]:
    """Write a policy of routes given as name=models."""

    def write(**models: list[Any]) -> Path:
        entries = [{"name": name, "description": f"about {name}", "models": ids} for name, ids in models.items()]
        route_config.write_text(json.dumps(entries))
        return route_config

    return write


@pytest.fixture
def services(sandbox: Sandbox, router: ScriptedRouter, route_config: Path, tmp_path: Path) -> Services:
    """The real services on the sandbox, but for the router."""
    file = RouteFile(route_config)
    return Services(
        router=router,
        policy=file,
        history=FileHistory(file),
        catalog=HubCatalog(),
        inference=HubInference(),
        artifacts=ArtifactFolder(tmp_path / "outputs"),
    )


@pytest.fixture(scope="session")
def semantic(embeddings: Path) -> SemanticRouter:
    """Return the real embedded router, which every command of this process uses too: it takes seconds to load."""
    router = choose_router(replace(Environment.read(router="semantic"), cache_dir=embeddings.parent))
    assert isinstance(router, SemanticRouter)
    return router
