"""What many tests need: services on the sandbox, with a router that a test scripts."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from omni_router import _sandbox
from omni_router._sandbox import Sandbox
from omni_router.artifacts import ArtifactFolder
from omni_router.config.environment import Environment
from omni_router.config.route_file import RouteFile
from omni_router.history.file import FileHistory
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services import Services
from omni_router.services.router import choose_router
from tests.support.processes import cache_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that start servers first: they wait for other processes, and take longest."""
    items.sort(key=lambda item: item.get_closest_marker("loopback") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files, and tests/server, which shares its servers, as one."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "tests/server" if file.startswith("tests/server/") else file

    return Scheduling(config, log)


@dataclass
class ScriptedRouter:
    """A router that says what a test wants said, and keeps what it was asked."""

    says: str | Exception | None = None
    asked: list[tuple[list[Turn], list[RouteOption]]] = field(default_factory=list)

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.asked.append((list(conversation), list(routes)))
        if isinstance(self.says, Exception):
            raise self.says
        return Reply(self.says or "", 0.9)

    def choose(self, route: str | None, model: str | None = None, reason: str = "as scripted") -> None:
        self.says = json.dumps({"route": route, "model": model, "reason": reason})


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
    for name in (
        "ROUTE_CONFIG",
        "OUTPUT_DIR",
        "ROUTER",
        "ROUTER_MODEL",
        "ROUTER_PROMPT",
        "ROUTER_NEW_IDS",
        "ROUTER_URL",
        "ROUTER_API_KEY",
        "ROUTER_TIMEOUT",
        "FALLBACK_ROUTE",
        "MAX_NEW_TOKENS",
        "ENCODER",
        "CASCADE_TARGET",
        "CASCADE_SIZE",
        "CASCADE_PATH",
        "CASCADE_TEXT",
        "SANDBOX",
        "SANDBOX_LATENCY",
        "HISTORY",
        "DECISION_LOG",
        "DECISION_LOG_TEXT",
        "TRACING",
        "METRICS",
        "MCP_HOSTS",
        "API_KEY",
        "MAX_BODY",
        "MAX_CONCURRENT",
    ):
        monkeypatch.delenv(f"OMNI_{name}", raising=False)
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
        entries = [{"name": name, "description": f"about {name}", "models": given} for name, given in models.items()]
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
