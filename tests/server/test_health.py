"""`/omni/health` and `/omni/ready`: in process with scripted routers, and what an import of the app costs."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from omni_router import Settings, _sandbox, build_graph, user_message
from omni_router._sandbox import Sandbox
from omni_router.config.route_file import RouteFile
from omni_router.errors import ConfigurationError
from omni_router.routers import BaseRouter, RouteOption, Turn
from omni_router.routers.auto import AutoRouter
from omni_router.routers.semantic.head import Head
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.selection.routes import options_of_document, options_of_services
from omni_router.server import health
from omni_router.server.health import health_routes, name_of, readiness_of
from omni_router.services import Services
from omni_router.state import Candidate
from tests.support.openai_server import wait_for
from tests.support.scripted_router import ScriptedRouter

PICTURE = "https://example.com/flower.png"

pytestmark = pytest.mark.enable_socket  # the test client's event loop has a pair of sockets of its own


class SlowRouter(ScriptedRouter, BaseRouter):
    """A router that loads until `may_load` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.may_load = threading.Event()

    def load(self) -> None:
        assert self.may_load.wait(10)


def client_of(services: Services) -> TestClient:
    return TestClient(Starlette(routes=health_routes(build_graph(services).compile())))


def until(client: TestClient, status: int) -> dict[str, Any]:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        answer = client.get("/omni/ready")
        payload: dict[str, Any] = answer.json()
        if answer.status_code == status and (status != 503 or payload["fails"]):
            return payload
        time.sleep(0.02)
    raise AssertionError(payload)


def test_ready_is_503_until_the_router_is_loaded_and_says_which_it_is(services: Services) -> None:
    router = SlowRouter()
    client = client_of(replace(services, router=router))
    first = client.get("/omni/ready")
    assert (first.status_code, first.json()["ready"]) == (503, False)
    assert client.get("/omni/health").json() == {"status": "alive"}
    router.may_load.set()
    assert until(client, 200) == {"ready": True, "router": "slow", "sandbox": True, "fails": None}
    client.get("/omni/ready")
    assert len(router.asked) == 1, "it is loaded once"


def test_ready_says_whether_models_are_simulated(services: Services, sandbox: Sandbox) -> None:
    _sandbox.uninstall(sandbox)
    client = client_of(services)
    client.get("/omni/ready")
    assert until(client, 200)["sandbox"] is False


TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
ENTRIES = [
    {
        "name": "chat",
        "description": "small talk",
        "task": "text-generation",
        "examples": ["hello there", "how are you"],
    },
    {"name": "code", "description": "programs", "task": "text-generation", "learned": ["sort a list"]},
    {"name": "draw", "description": "pictures", "task": "text-to-image", "examples": ["draw a cat"]},
    {"name": "look", "description": "photos", "task": "image-text-to-text", "examples": ["what is on it?"]},
    {"name": "other", "examples": ["turn off the lights"], "learned": ["play some jazz"]},
]


def test_the_first_requests_after_ready_fit_nothing(
    services: Services, semantic: SemanticRouter, route_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they bring: a text, a text with tools, an image."""
    fitted: list[list[str | None]] = []

    class Counted(Head):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            fitted.append(self.texts)

    monkeypatch.setattr("omni_router.routers.semantic.head.Head", Counted)
    route_config.write_text(json.dumps(ENTRIES))
    services = replace(services, router=SemanticRouter(semantic.encoder))
    graph = build_graph(services).compile()
    readiness = readiness_of(graph)
    readiness.start()
    wait_for(lambda: readiness.ready, seconds=60)  # weights are loaded
    assert len(fitted) == 3
    for settings, image in ((Settings(), None), (Settings(tools=(TOOL,)), None), (Settings(), PICTURE)):
        graph.invoke({"messages": [user_message("hi", image=image)]}, context=settings)
    assert len(fitted) == 3, fitted[3:]


def test_the_first_request_after_ready_asks_the_hub_for_nothing(
    services: Services, router: ScriptedRouter, sandbox: Sandbox
) -> None:
    """The lists are there, and so is what the client asks before its first question: which agent runs it."""
    graph = build_graph(services).compile()
    readiness = readiness_of(graph)
    readiness.start()
    wait_for(lambda: readiness.ready, seconds=60)
    paths = [record.path for record in sandbox.requests]
    assert "/api/models" in paths
    router.choose("question_answering", "sandbox/text-generation-1")
    graph.invoke({"messages": [user_message("hi")]})
    assert [record.path for record in sandbox.requests[len(paths) :]] == ["/v1/chat/completions"]


def test_what_a_run_shows_a_router_is_what_an_evaluation_and_a_replay_show_it(
    services: Services, route_config: Path
) -> None:
    route_config.write_text(json.dumps(ENTRIES))
    document, routes = RouteFile(route_config).document(), services.policy.routes()
    candidates = {"chat": [Candidate(model="a/b", provider="novita", source="history", why="")]}
    shown = options_of_services(services, routes, candidates)
    assert shown == options_of_document(document, routes, candidates)
    assert shown[0].candidates == ("a/b:novita",)
    assert shown[1].examples == ("sort a list",)
    assert {option.out_of_scope_examples for option in shown} == {("turn off the lights", "play some jazz")}


def test_ready_says_what_fails_and_tries_again(
    services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "RETRY", 0.05)
    router.says = ConfigurationError("the checkpoint acme/none cannot be loaded")
    client = client_of(services)
    assert until(client, 503)["fails"] == "the checkpoint acme/none cannot be loaded"
    router.says = "{}"
    assert until(client, 200)["fails"] is None


def test_an_unforeseen_failure_is_reported_without_its_text(services: Services, router: ScriptedRouter) -> None:
    router.says = RuntimeError("hf_secret")
    failures = until(client_of(services), 503)["fails"]
    assert "RuntimeError" in failures
    assert "hf_secret" not in failures


def test_the_same_graph_is_loaded_once_for_all_its_apps(services: Services) -> None:
    graph = build_graph(services).compile()
    assert readiness_of(graph) is readiness_of(graph)


def test_of_auto_the_router_that_it_chose_is_named(router: ScriptedRouter) -> None:
    auto = AutoRouter(ScriptedRouter(), router, ScriptedRouter(), device=lambda: "cpu")
    assert name_of(auto) == "auto"
    auto.reply([Turn(role="user", content="hi")], [RouteOption("chat", "small talk")])
    assert name_of(auto) == "scripted"


def test_importing_the_app_loads_neither_torch_nor_a_client(tmp_path: Any) -> None:
    heavy = ("torch", "transformers", "huggingface_hub", "PIL", "gradio")
    code = (
        "import sys, json, langgraph.graph, omni_router.server.app;"  # the LangGraph server warns from 3 s on
        f"print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []


def test_without_its_packages_the_app_names_the_extra() -> None:
    code = "import sys; sys.modules['mcp'] = None; import omni_router.server.app"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigurationError: the server needs more packages" in answer.stderr
    assert 'pip install -e ".[server]"' in answer.stderr
