"""A server of models, and services whose policy declares it."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from omni_router.artifacts import ArtifactFolder
from omni_router.config.route_file import RouteFile
from omni_router.history.file import FileHistory
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.own_models.joined_catalog import JoinedCatalog
from omni_router.own_models.joined_inference import JoinedInference
from omni_router.own_models.specialists import OwnModels
from omni_router.services import Services
from tests.support.model_server import ModelServer, model_server
from tests.support.scripted_router import ScriptedRouter

Declare = Callable[..., Services]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


def write(path: Path, server: ModelServer, every: Mapping[str, Any], **provider: Any) -> None:
    declared = {"name": "local", "address": server.url, **provider}
    entries = [
        {"name": "*", "providers": [declared], **every},
        {"name": "code_generation", "description": "write code"},
        {"name": "image_understanding", "description": "questions about an image"},
    ]
    path.write_text(json.dumps(entries))


@pytest.fixture
def declare(server: ModelServer, router: ScriptedRouter, route_config: Path, tmp_path: Path) -> Declare:
    """Write a policy that declares the server, with more keys of its entry and of `*`, and return services."""

    def declared(every: Mapping[str, Any] | None = None, **provider: Any) -> Services:
        write(route_config, server, every or {}, **provider)
        file, hub = RouteFile(route_config), HubCatalog()
        own = OwnModels(file.providers)
        return Services(
            router=router,
            policy=file,
            history=FileHistory(file),
            catalog=JoinedCatalog(hub, own),
            inference=JoinedInference(HubInference(hub=hub), own),
            artifacts=ArtifactFolder(tmp_path / "outputs"),
        )

    return declared
