"""With `only: ["local/*"]` nothing leaves this machine: the Hub is not asked for anything in such a turn.

There is no sandbox here. Whatever looks a name up or connects elsewhere is noted, and gets no answer.
"""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from omni_router import Settings, build_graph
from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.hub.requirements import Requirements
from omni_router.own_models.joined_catalog import JoinedCatalog
from omni_router.selection.warm_up import warm_up
from omni_router.services import Services
from tests.own_models.conftest import Declare, write
from tests.support.calls import FORMS, Call, ask
from tests.support.model_server import SMALL, ModelServer
from tests.support.pictures import DOT
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID = "local/llama3.2-3b"
LOCAL = Settings(only=("local/*",))
HERE = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch, router: ScriptedRouter) -> list[str]:
    """Note which hosts are looked up or connected to, but this machine."""
    router.choose("code_generation")
    hosts: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def guarded_look_up(host: Any, *others: Any, **named: Any) -> Any:
        if host not in HERE:
            hosts.append(str(host))
            raise socket.gaierror("there is no network in this test")
        return look_up(host, *others, **named)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in HERE:
            hosts.append(str(address[0]))
            raise OSError("there is no network in this test")
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setenv("HF_TOKEN", "hf_realtoken")
    monkeypatch.setenv("OMNI_EVIDENCE", "on")
    return hosts


@pytest.fixture
def services(declare: Declare, router: ScriptedRouter, route_config: Path) -> Services:
    """The services that an environment opens, evidence included, but for the router."""
    declare()
    opened = Services.from_environment(Environment.read(route_config=route_config))
    assert opened.evidence is not None
    return replace(opened, router=router)


def test_the_guard_sees_what_leaves(services: Services, left: list[str]) -> None:
    build_graph(services).compile().invoke(ask("Hello"))
    assert "huggingface.co" in left
    assert "router.huggingface.co" in left


@pytest.mark.parametrize("call", FORMS)
def test_a_run_is_kept_here(services: Services, left: list[str], call: Call, server: ModelServer) -> None:
    result = call(build_graph(services).compile(), ask("Hello"), LOCAL)
    assert (result["decision"]["model"], result["error"]) == (ID, None)
    assert "it is switched off" not in result["decision"]["reason"]
    assert server.chats()
    assert left == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(only=("local/*",), model=ID), None),
        (Settings(only=("local/*",), route="code_generation"), None),
        (Settings(only=("LOCAL/*",)), None),
        (Settings(only=("local/*",), model="acme/chat-7b"), "`only` and `never` allow no known provider of acme"),
        (Settings(only=("local/other",)), "`only` and `never` allow no known provider of"),
        (Settings(only=("local/*",), model="local/other"), "local/other is not served at the address"),
    ],
)
def test_whatever_else_a_run_wants(
    services: Services, left: list[str], settings: Settings, message: str | None
) -> None:
    error = build_graph(services).compile().invoke(ask("Hello"), context=settings)["error"]
    assert (error is None) if message is None else error["message"].startswith(message)
    assert left == []


def test_no_other_model_is_tried_elsewhere_when_all_here_fail(
    services: Services, left: list[str], server: ModelServer
) -> None:
    server.box.fail("overloaded", times=9)
    result = build_graph(services).compile().invoke(ask("Hello"), context=LOCAL)
    assert {attempt["model"].partition("/")[0] for attempt in result["attempts"]} == {"local"}
    assert len(result["attempts"]) > 1
    assert left == []


def test_no_image_is_described_elsewhere(services: Services, left: list[str], router: ScriptedRouter) -> None:
    router.choose("image_understanding")
    error = build_graph(services).compile().invoke(ask("What is it?", DOT), context=LOCAL)["error"]
    assert error["kind"] == "no_model"
    assert left == []


def test_a_model_of_the_history_is_not_looked_up(services: Services, left: list[str], route_config: Path) -> None:
    entries = json.loads(route_config.read_text())
    entries[1]["models"] = [{"id": "acme/chat-7b", "uses": 9, "successes": 9}]
    route_config.write_text(json.dumps(entries))
    result = build_graph(services).compile().invoke(ask("Hello"), context=LOCAL)
    assert result["decision"]["model"] == ID
    assert left == []


def test_a_whole_policy_is_kept_here(
    declare: Declare, left: list[str], router: ScriptedRouter, route_config: Path
) -> None:
    declare({"only": ["local/*"]})
    services = replace(Services.from_environment(Environment.read(route_config=route_config)), router=router)
    warm_up(services)
    result = build_graph(services).compile().invoke(ask("Hello"))
    assert (result["decision"]["model"], result["error"]) == (ID, None)
    assert left == []


def test_a_tool_loop_is_kept_here(declare: Declare, left: list[str], router: ScriptedRouter) -> None:
    add = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    settings = LOCAL.model_copy(update={"tools": (add,)})
    graph = build_graph(declare(models=[SMALL], tools=True)).compile()
    first = graph.invoke(ask("Add 2 and 3"), context=settings)
    call = first["messages"][-1].tool_calls[0]
    messages = [*first["messages"], ToolMessage("5", tool_call_id=call["id"])]
    second = graph.invoke({"messages": messages}, context=settings)
    assert (second["decision"]["model"], second["error"]) == (ID, None)
    assert left == []


def test_local_is_never_a_name_of_the_hub(left: list[str], route_config: Path, router: ScriptedRouter) -> None:
    """Also where no provider is declared, or its declaration cannot be read."""
    for providers in ([], [{"name": "local", "address": "nowhere"}]):
        write_all = [{"name": "*", "providers": providers}, {"name": "code_generation", "description": "write code"}]
        route_config.write_text(json.dumps(write_all))
        services = replace(Services.from_environment(Environment.read(route_config=route_config)), router=router)
        result = build_graph(services).compile().invoke(ask("Hello"), context=LOCAL)
        assert result["error"]["kind"] == "no_model"
    assert left == []


def test_a_route_is_kept_here_once_it_is_chosen(
    declare: Declare, left: list[str], route_config: Path, router: ScriptedRouter
) -> None:
    """Other routes of the policy may still have the Hub's lists fetched, in which nothing of a request is."""
    declare()
    entries = json.loads(route_config.read_text())
    entries[1]["only"] = ["local/*"]
    route_config.write_text(json.dumps(entries))
    services = replace(Services.from_environment(Environment.read(route_config=route_config)), router=router)
    result = build_graph(services).compile().invoke(ask("Hello"))
    assert result["decision"]["model"] == ID
    assert left == []  # the only route for texts is kept here


def test_the_command_line_keeps_a_prompt_here(
    left: list[str], server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.json"
    write(policy, server, {})
    argv = ["--prompt", "Write a loop", "--router", "semantic", "--route-config", str(policy), "--json"]
    assert main([*argv, "--only", "local/*"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == ID
    assert left == []


def test_without_a_token_a_prompt_goes_to_models_of_ones_own(
    left: list[str],
    server: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    policy = tmp_path / "policy.json"
    write(policy, server, {})
    assert main(["--prompt", "Hi", "--router", "semantic", "--route-config", str(policy), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["answer"]
    assert "only models of the policy's own providers are called" in captured.err
    assert left == []


@pytest.mark.parametrize("flag", ["--list-models", "--check"])
def test_commands_ask_only_here(
    left: list[str], server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    policy = tmp_path / "policy.json"
    write(policy, server, {"only": ["local/*"]})
    value = ["code_generation"] if flag == "--list-models" else []
    main([flag, *value, "--route-config", str(policy)])
    assert capsys.readouterr().out
    assert left == []


def test_the_hub_is_not_asked_about_a_model_that_only_excludes(services: Services, left: list[str]) -> None:
    """Also by a catalog for all requests, as a server's is before a run has its limits."""
    checked = services.catalog.check("acme/chat-7b", None, "text-generation", Requirements(only=(("local/*",),)))
    assert checked.gate == "allowed"
    assert left == []


def test_a_catalog_is_kept_by_what_all_its_requests_allow(services: Services) -> None:
    assert isinstance(services.catalog, JoinedCatalog)
    here, anywhere = Requirements(only=(("local/*",),)), Requirements(only=(("local/*", "acme/*"),))
    assert services.catalog.within([here]) is not services.catalog
    assert services.catalog.within([here, anywhere]) is services.catalog
    assert services.catalog.within([]) is services.catalog
    assert services.catalog.within([Requirements(only=(("*:local",),))]) is services.catalog
