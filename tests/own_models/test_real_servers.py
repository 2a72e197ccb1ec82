"""Servers that others wrote: `transformers serve` with a tiny checkpoint, and our own `serve` behind a router."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from omni_router import Services, Settings, build_graph
from omni_router.config.environment import Environment
from tests.support.api_server import serving
from tests.support.calls import ask
from tests.support.chat_server import transformers_serve
from tests.support.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES, build_tiny_checkpoint

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

LOCAL = Settings(only=("local/*",), route="code_generation", max_new_tokens=12)


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Serve a tiny checkpoint, and return the address and the name of its model."""
    folder = tmp_path_factory.mktemp("served")
    checkpoint = build_tiny_checkpoint(folder, TINY_ROUTES, TINY_PAIRS)
    with transformers_serve(checkpoint, tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url, str(checkpoint)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve our own API on a sandbox, in a process of its own."""
    with serving(tmp_path_factory.mktemp("ours"), "--sandbox", "--router", "semantic") as (url, _):
        yield url


def services_for(path: Path, **provider: Any) -> Services:
    star = {"name": "*", "providers": [{"name": "local", **provider}]}
    path.write_text(json.dumps([star, {"name": "code_generation", "description": "write code"}]))
    return Services.from_environment(Environment.read(route_config=path))


def test_transformers_serve_streams_an_answer(transformers: tuple[str, str], route_config: Path) -> None:
    url, name = transformers
    graph = build_graph(services_for(route_config, address=url, models=[name])).compile()
    events: list[Any] = list(graph.stream(ask("Draw a red fox"), context=LOCAL, stream_mode=["messages", "values"]))
    chunks = [
        data[0] for mode, data in events if mode == "messages" and isinstance(data[0], AIMessageChunk) and data[0].text
    ]
    result = events[-1][1]
    assert result["error"] is None
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks) == result["messages"][-1].text
    assert result["attempts"][0]["model"].startswith("local/")


def test_transformers_serve_answers_at_once(transformers: tuple[str, str], route_config: Path) -> None:
    url, name = transformers
    result = (
        build_graph(services_for(route_config, address=url, models=[name]))
        .compile()
        .invoke(ask("Draw a red fox"), context=LOCAL)
    )
    assert result["error"] is None
    assert result["messages"][-1].text


def test_a_model_that_transformers_does_not_have(transformers: tuple[str, str], route_config: Path) -> None:
    url, _ = transformers
    result = (
        build_graph(services_for(route_config, address=url, models=["acme/none"]))
        .compile()
        .invoke(ask("Draw a red fox"), context=LOCAL)
    )
    assert result["attempts"][0]["outcome"] != "answered"
    assert f"local at {url}/v1: HTTP" in result["error"]["message"]


def test_a_router_may_stand_behind_another(ours: str, route_config: Path) -> None:
    services = services_for(route_config, address=ours, models=["omni"], tools=True)
    add = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    settings = LOCAL.model_copy(update={"max_new_tokens": None})
    result = build_graph(services).compile().invoke(ask("How do tides work?"), context=settings)
    assert (result["decision"]["model"], result["error"]) == ("local/omni", None)
    assert result["attempts"][0]["usage"]["output_tokens"] > 0
    with_tools = settings.model_copy(update={"tools": (add,)})
    result = build_graph(services).compile().invoke(ask("Add 2 and 3"), context=with_tools)
    assert result["messages"][-1].tool_calls


def test_all_that_a_server_lists_is_listed_here(ours: str, route_config: Path) -> None:
    listing = services_for(route_config, address=ours).catalog.models(["text-generation"])["text-generation"]
    assert {"local/omni", "local/sandbox-text-generation-1"} <= {model.id for model in listing}
