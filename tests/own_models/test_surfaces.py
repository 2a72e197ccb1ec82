"""What the commands show of the providers of a policy: --check, --list-models, doctor."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.cli.serve import _print_notes
from omni_router.config.environment import Environment
from tests.own_models.conftest import Declare, write
from tests.support.dev_server import free_port
from tests.support.model_server import SEEING, SMALL, ModelServer
from tests.support.openai_server import openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ID = "local/llama3.2-3b"
Capture = pytest.CaptureFixture[str]
Findings = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def policy(tmp_path: Path, server: ModelServer) -> Path:
    path = tmp_path / "policy.json"
    write(path, server, {})
    return path


@pytest.fixture
def findings(sandbox: Sandbox, policy: Path, server: ModelServer, capsys: Capture) -> Findings:
    """Return what `--check` finds of providers and of routes that are kept to them."""

    def found(every: dict[str, Any] | None = None, **provider: Any) -> list[dict[str, Any]]:
        write(policy, server, every or {}, **provider)
        main(["--check", "--json", "--route-config", str(policy)])
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        words = ("provider", "only")
        return [row for row in rows if any(word in row["finding"] for word in words)]

    return found


# --- --check ---------------------------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_a_provider_that_lists_its_models(findings: Findings) -> None:
    assert findings() == []


def test_an_address_that_does_not_answer_is_a_problem(findings: Findings) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    (found,) = findings(address=address)
    assert (found["level"], found["route"]) == ("problem", None)
    assert found["finding"] == f"the provider local at {address} did not list its models"


def test_a_key_that_is_not_set_is_a_problem(findings: Findings) -> None:
    (found,) = findings(key_env="MY_SERVER_KEY")
    assert found["level"] == "problem"
    assert "the variable MY_SERVER_KEY, which holds its key, is not set" in found["finding"]


def test_a_provider_without_models_is_noted(findings: Findings, server: ModelServer) -> None:
    server.listed = []
    (found,) = findings()
    assert (found["level"], found["finding"]) == ("note", f"the provider local at {server.url} has no models")


def test_a_list_that_is_cut_is_noted(findings: Findings, server: ModelServer) -> None:
    server.listed = [{"id": f"model-{number}"} for number in range(10_000)]
    (found,) = findings()
    assert found["level"] == "note"
    assert found["finding"].endswith("lists many models, of which the first 200 are used")


def test_a_fault_in_its_declaration_is_a_problem(findings: Findings) -> None:
    found = findings(address="nowhere")
    assert found[0]["finding"].startswith("provider 'local' serves no model: its \"address\" is not")


def test_a_kept_route_without_models_is_a_problem(findings: Findings) -> None:
    found = findings({"only": ["local/*"]}, models=[SMALL])
    assert [(each["level"], each["route"]) for each in found] == [("problem", "image_understanding")]
    assert found[0]["finding"] == "`only` keeps it to models of your own, and none of them is served for its task"


def test_a_kept_route_and_a_router_elsewhere_are_noted(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    every = {"only": ["local/*"]}
    models = [SMALL, {"id": SEEING, "images": True}]
    monkeypatch.setenv("OMNI_ROUTER_URL", "http://127.0.0.1:9/v1")
    assert findings(every, models=models) == []
    monkeypatch.setenv("OMNI_ROUTER_URL", "https://router.example.org/v1")
    found = findings(every, models=models)
    assert [(each["level"], each["route"]) for each in found] == [
        ("note", "code_generation"),
        ("note", "image_understanding"),
    ]
    assert "the router at OMNI_ROUTER_URL reads its requests" in found[0]["finding"]


# --- --list-models ---------------------------------------------------------------------------------------------------


def test_models_are_listed_under_the_name_of_their_provider(sandbox: Sandbox, policy: Path, capsys: Capture) -> None:
    assert main(["--list-models", "code_generation", "--json", "--route-config", str(policy)]) == 0
    first, *others = json.loads(capsys.readouterr().out)
    assert (first["id"], first["providers"][0]["provider"], first["provider"]) == (ID, "local", "local")
    assert first["providers"][0]["input_price"] == 0.0
    assert "sandbox/text-generation-1" in [model["id"] for model in others]


def test_a_kept_route_lists_them_alone(sandbox: Sandbox, policy: Path, server: ModelServer, capsys: Capture) -> None:
    write(policy, server, {"only": ["local/*"]})
    assert main(["--list-models", "code_generation", "--route-config", str(policy)]) == 0
    captured = capsys.readouterr()
    assert ID in captured.out
    assert "sandbox/text-generation-1" not in captured.out
    assert "so the Hub was not asked" in captured.err


def test_what_could_not_be_listed_is_said(sandbox: Sandbox, policy: Path, server: ModelServer, capsys: Capture) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    write(policy, server, {}, address=address)
    assert main(["--list-models", "code_generation", "--route-config", str(policy)]) == 0
    assert f"could not load the models at {address}" in capsys.readouterr().err


# --- --list-routes ---------------------------------------------------------------------------------------------------


def test_providers_are_shown_with_the_routes(policy: Path, server: ModelServer, capsys: Capture) -> None:
    argv = ["--list-routes", "--route-config", str(policy)]
    main(argv)
    assert f"provider local  {server.url}: the models that it lists" in capsys.readouterr().out
    write(policy, server, {}, models=[SMALL], key_env="MY_SERVER_KEY")
    main(argv)
    assert f"provider local  {server.url}, key in MY_SERVER_KEY: {SMALL}" in capsys.readouterr().out
    write(policy, server, {}, address="nowhere")
    main(argv)
    assert "provider local  cannot be used as it is declared" in capsys.readouterr().out
    assert server.received == []


# --- doctor ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def examined(
    sandbox: Sandbox, policy: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, Any]]:
    """Return what doctor finds of the provider, and leave all other checks out."""
    monkeypatch.setattr("omni_router.doctor.checks.CHECKS", ())

    def result() -> dict[str, Any]:
        main(["doctor", "--json", "--route-config", str(policy)])
        (check,) = json.loads(capsys.readouterr().out)["checks"]
        assert check["name"] == "local"
        return dict(check)

    return result


def test_doctor_asks_a_provider_for_its_models_and_a_chat(
    examined: Callable[[], dict[str, Any]], server: ModelServer
) -> None:
    check = examined()
    assert check["status"] == "ok"
    assert check["summary"] == f"2 models are listed, 2 can be called; {ID} has answered"
    (chat,) = server.chats()
    assert (chat.body["max_tokens"], chat.body["stream"]) == (16, True)


def test_doctor_reports_a_provider_that_fails(examined: Callable[[], dict[str, Any]], server: ModelServer) -> None:
    server.box.fail("overloaded")
    check = examined()
    assert (check["status"], check["cost"]) == ("failed", 0)
    assert check["summary"].startswith(f"{ID}: overloaded: local at {server.url}: HTTP 5")


def test_doctor_reports_a_missing_key_and_a_silent_address(
    examined: Callable[[], dict[str, Any]], server: ModelServer, policy: Path
) -> None:
    write(policy, server, {}, key_env="MY_SERVER_KEY")
    assert examined()["summary"] == "the variable MY_SERVER_KEY, which holds its key, is not set"
    write(policy, server, {}, address=f"http://127.0.0.1:{free_port()}/v1")
    assert examined()["summary"] == "local did not list its models (ConnectError)"
    write(policy, server, {}, address="https://models.example.org/v1")
    assert examined()["status"] == "skipped"


# --- /v1 -------------------------------------------------------------------------------------------------------------


def test_a_server_without_a_token_says_what_it_can_call(policy: Path, capsys: Capture) -> None:
    _print_notes(Environment.read(route_config=policy), None)
    assert "only models of the policy's own providers can be called" in capsys.readouterr().err


def test_clients_of_v1_see_and_name_them(
    sandbox: Sandbox, declare: Declare, router: ScriptedRouter, server: ModelServer
) -> None:
    router.choose("code_generation")
    with openai_server(declare()) as url, OpenAI(base_url=url, api_key="none") as client:
        assert ID in [model.id for model in client.models.list()]
        answer = client.chat.completions.create(model=ID, messages=[{"role": "user", "content": "Hello"}])
        assert answer.model == ID
        kept = client.chat.completions.create(
            model="omni", messages=[{"role": "user", "content": "Hello"}], extra_headers={"x-omni-only": "local/*"}
        )
        assert kept.model == ID
    assert [chat.body["model"] for chat in server.chats()] == [SMALL, SMALL]
