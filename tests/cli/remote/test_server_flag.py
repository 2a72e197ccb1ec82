"""`--server URL`: what a server answers is shown as an answer of this process is, and nothing of a router is loaded."""

import importlib.util
import io
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router._sandbox.drawing import draw
from omni_router.cli import main
from omni_router.config.route_file import RouteFile
from omni_router.decisions.recent import RecentDecisions
from omni_router.hub.evidence import HubEvidence
from omni_router.server.openai.guard import Limits
from omni_router.storage.sqlite import DiskCache
from tests.cli.test_start_up import run
from tests.support.json_server import json_server
from tests.support.openai_server import EYES, PAINTER, TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

Capture = pytest.CaptureFixture[str]
NEEDS_MATPLOTLIB = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="without matplotlib")
KEY = "the-key-of-the-server"
QUESTION = "How do tides work?"


@pytest.fixture
def url(services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with a key, which the variables name."""
    router.choose("question_answering", TEXT)
    monkeypatch.setenv("OMNI_API_KEY", KEY)
    with openai_server(replace(services, decision_log=RecentDecisions()), limits=Limits(KEY)) as url:
        address = url.removesuffix("/v1")
        monkeypatch.setenv("OMNI_SERVER", address)
        yield address


def shown(capsys: Capture, *argv: str, status: int = 0) -> str:
    assert main(argv) == status, capsys.readouterr()
    printed = capsys.readouterr()
    return printed.out + printed.err


def as_json(capsys: Capture, *argv: str, status: int = 0) -> Any:
    assert main([*argv, "--json"]) == status
    return json.loads(capsys.readouterr().out)


# ---- answers


def test_an_answer_is_shown_as_one_of_this_process(url: str, capsys: Capture) -> None:
    printed = shown(capsys, "--prompt", QUESTION)
    labels = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
    assert labels == ["route", "model", "reason", "answer", "attempt", "id"]
    assert printed.count("Simulated answer of sandbox/text-generation-1") == 1


def test_json_has_the_fields_of_a_run_in_this_process(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, router: ScriptedRouter
) -> None:
    there = as_json(capsys, "--prompt", QUESTION)
    monkeypatch.delenv("OMNI_SERVER")
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda *_, **__: router)
    here = as_json(capsys, "--prompt", QUESTION)
    assert list(there) == list(here)
    assert {key: there[key] for key in ("answer", "route", "model", "error", "artifacts", "task")} == {
        key: here[key] for key in ("answer", "route", "model", "error", "artifacts", "task")
    }


def test_the_flag_takes_the_base_url_of_openais_clients(url: str, capsys: Capture, monkeypatch: Any) -> None:
    monkeypatch.delenv("OMNI_SERVER")
    assert as_json(capsys, "--prompt", QUESTION, "--server", f"{url}/v1/")["route"] == "question_answering"


def test_flags_of_a_run_reach_the_server(url: str, capsys: Capture) -> None:
    flags = ("--route", "code_generation", "--model", "sandbox/text-generation-3", "--max-new-tokens", "20")
    more = ("--temperature", "0.1", "--prefer", "cheapest", "--only", "sandbox/*", "--max-price", "9")
    result = as_json(capsys, "--prompt", QUESTION, *flags, *more)
    assert (result["route"], result["model"]) == ("code_generation", "sandbox/text-generation-3")
    assert result["prefer"] == "cheapest"
    assert main(["--prompt", QUESTION, "--route", "cooking"]) == 2
    assert "omni_route is 'cooking': allowed are casual_conversation, " in capsys.readouterr().err


def test_only_routing_calls_no_model(url: str, capsys: Capture) -> None:
    result = as_json(capsys, "--prompt", QUESTION, "--skip-specialists")
    assert (result["route"], result["answer"], result["attempts"]) == ("question_answering", None, [])
    assert "  route    question_answering" in shown(capsys, "--prompt", QUESTION, "--skip-specialists")


def test_a_generated_image_is_saved_here(url: str, capsys: Capture, router: ScriptedRouter, tmp_path: Path) -> None:
    router.choose("image_generation", PAINTER)
    for flags in ((), ("--json",)):
        printed = shown(capsys, "--prompt", "Draw a fox", "--output-dir", str(tmp_path / "here"), *flags)
        assert "base64" not in printed
    files = sorted((tmp_path / "here").iterdir())
    assert [file.read_bytes()[:4] for file in files] == [b"\x89PNG"] * 2
    assert json.loads(printed)["artifacts"][0]["path"] in map(str, files)
    assert json.loads(printed)["answer"] == f"The image is saved as {json.loads(printed)['artifacts'][0]['path']}."


def test_a_local_image_is_sent_with_the_request(
    url: str, capsys: Capture, router: ScriptedRouter, tmp_path: Path
) -> None:
    (tmp_path / "fox.png").write_bytes(draw("a fox", "a fox", 64, 64))
    router.choose("image_understanding", EYES)
    result = as_json(capsys, "--prompt", "What is it?", "--image-url", "fox.png")
    assert (result["route"], result["model"]) == ("image_understanding", EYES)
    assert main(["--prompt", "What is it?", "--image-url", "no.png"]) == 2


def test_a_failed_run_ends_with_its_kind_and_status_1(url: str, capsys: Capture) -> None:
    result = as_json(capsys, "--prompt", "[[sandbox:token_401]] hello", status=1)
    assert (result["error"]["kind"], result["answer"], len(result["attempts"])) == ("token", None, 1)
    assert "  error    token: " in shown(capsys, "--prompt", "[[sandbox:token_401]] hello", status=1)


def test_an_answer_that_breaks_off_ends_with_status_1(url: str, capsys: Capture) -> None:
    printed = shown(capsys, "--prompt", "[[sandbox:cut]] hello", status=1)
    assert "  error    " in printed


# ---- the other actions


def test_routes_and_models_are_those_of_the_server(url: str, capsys: Capture) -> None:
    main(["--prompt", QUESTION])
    capsys.readouterr()
    routes = {route["name"]: route for route in as_json(capsys, "--list-routes")}
    assert routes["question_answering"]["models"][0]["id"] == TEXT
    assert list(routes["question_answering"]) == ["name", "task", "description", "models", "parameters"]
    assert f"Routes of {url}" in shown(capsys, "--list-routes")
    models = as_json(capsys, "--list-models", "question_answering")
    assert (models[0]["id"], models[0]["place"]) == (TEXT, 1)
    assert "Models served for task text-to-image" in shown(capsys, "--list-models", "text-to-image")
    assert "takes a task (text-generation, " in shown(capsys, "--list-models", "cooking", status=2)


LIMITS = {"prefer": "cheapest", "never": ["*:fireworks-ai"], "max_price": 2.5}


@pytest.fixture
def ranked(services: Services, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A server that ranks by boards, with a policy of its own."""
    sandbox.list_more()
    monkeypatch.setenv("OMNI_EVIDENCE", "on")
    monkeypatch.delenv("COLUMNS", raising=False)
    policy, evidence = RouteFile(tmp_path / "policy.json"), HubEvidence(DiskCache(tmp_path / "boards.sqlite"))
    with openai_server(replace(services, policy=policy, evidence=evidence)) as url:
        yield url.removesuffix("/v1")


@pytest.mark.parametrize("limits", [{}, LIMITS])
def test_a_ranking_of_the_server_is_printed_like_one_of_this_process(
    limits: Any, ranked: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps([{"name": "code_generation", "description": "code", **limits}]))
    listing, here = ("--list-models", "code_generation"), ("--route-config", str(policy))
    local = shown(capsys, *listing, *here)
    assert "number 2; " in local
    assert shown(capsys, *listing, "--server", ranked) == local
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        local = shown(capsys, *listing, *here)
        assert "\nWhy\n  1. sandbox/" in local
        assert shown(capsys, *listing, "--server", ranked) == local


@NEEDS_MATPLOTLIB
def test_a_ranking_of_the_server_is_drawn(ranked: str, capsys: Capture, tmp_path: Path) -> None:
    plot = tmp_path / "served.svg"
    shown(capsys, "--list-models", "code_generation", "--plot", str(plot), "--server", ranked)
    assert "chosen: sandbox/text-generation-2" in plot.read_text()
    task = shown(capsys, "--list-models", "text-generation", "--plot", str(plot), "--server", ranked, status=2)
    assert "--plot needs a route, such as --list-routes shows, not a task such as text-generation" in task


@pytest.mark.parametrize("flags", [("--prefer", "best"), ("--only", "acme/*"), ("--max-price", "1")])
def test_a_listing_of_the_server_is_not_that_of_other_preferences(url: str, capsys: Capture, flags: Any) -> None:
    printed = shown(capsys, "--list-models", "question_answering", *flags, status=2)
    assert f"--list-models cannot be used with {flags[0]} and a server (OMNI_SERVER is set)" in printed


def test_a_decision_of_the_server_is_explained_and_rated(url: str, capsys: Capture, services: Services) -> None:
    first = as_json(capsys, "--prompt", QUESTION)["id"]
    last = as_json(capsys, "--prompt", QUESTION)["id"]
    assert as_json(capsys, "--why")["id"] == last
    assert as_json(capsys, "--why", first[:8])["id"] == first
    assert "  call 1   sandbox/text-generation-1" in shown(capsys, "--why", first)
    assert "counts as bad for question_answering" in shown(capsys, "--feedback", first, "bad")
    rating = as_json(capsys, "--feedback", last, "good")
    assert list(rating) == ["id", "verdict", "route", "model", "should_be", "kept_in", "example_of"]
    assert rating["kept_in"] == "the history of the server", "no path of that machine"
    assert services.history.models("question_answering")[0]["bad"] == 1
    assert "a verdict must be good, bad or a route" in shown(capsys, "--feedback", last, "great", status=2)
    assert "This server knows no decision 'ffff'" in shown(capsys, "--why", "ffff", status=2)


def test_a_chat_on_a_server(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, router: ScriptedRouter, services: Services
) -> None:
    router.choose("question_answering")
    lines = [QUESTION, "/another", "/why", "/good", "/route code_generation", "And code?", "/models", "/foo"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    printed = shown(capsys, "chat", "--session", "c.json", status=1)
    first, second, _ = [line.split(" | ")[1] for line in printed.splitlines() if " | " in line]
    assert (first.split()[0], second.split()[0]) == (TEXT, "sandbox/text-generation-2")
    assert "the request is now an example of question_answering" in printed
    assert QUESTION.rstrip() in services.history.examples("question_answering")
    assert "Models served for route code_generation" in printed
    assert "there is no command /foo" in printed
    kept = json.loads(Path("c.json").read_text())["messages"]
    assert [message["role"] for message in kept] == ["user", "assistant"] * 2
    assert kept[1]["decision"]["model"] == "sandbox/text-generation-2"


def test_a_drawing_can_be_drawn_by_another_model(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, router: ScriptedRouter
) -> None:
    router.choose("image_generation")
    monkeypatch.setattr("sys.stdin", io.StringIO("Draw a fox\n/another\n"))
    printed = shown(capsys, "chat")
    assert printed.count("  saved    outputs/") == 2
    assert "[image_generation | sandbox/text-to-image-2 " in printed
    assert "base64" not in printed


# ---- what has to be corrected


@pytest.mark.parametrize(
    "argv", [("--check",), ("--replay", "x"), ("--history-export", "x"), ("--history-import", "x")]
)
def test_what_works_on_this_machine_alone_refuses_the_flag_by_name(url: str, capsys: Capture, argv: Any) -> None:
    assert f"{argv[0]} cannot be used with --server" in shown(capsys, *argv, "--server", url, status=2)


def test_the_variable_alone_does_not_change_what_works_on_this_machine(url: str, capsys: Capture) -> None:
    assert main(["--check"]) == 0
    assert main(["--history-export", "x"]) == 0


@pytest.mark.parametrize("flags", [("--sandbox",), ("--router", "semantic"), ("--hf-token", "x"), ("--timeout", "3")])
def test_flags_of_the_server_are_refused_by_name(url: str, capsys: Capture, flags: Any) -> None:
    for argv in (("--prompt", "x"), ("chat",)):
        printed = shown(capsys, *argv, *flags, "--server", url, status=2)
        assert f"{flags[0]} cannot be used with --server: that server has its own" in printed
    assert f"{flags[0]} cannot be used with a server (OMNI_SERVER is set)" in shown(
        capsys, "--prompt", "x", *flags, status=2
    )


def test_another_needs_the_chat(url: str, capsys: Capture) -> None:
    assert "omni-router chat has /another" in shown(capsys, "--prompt", "x", "--another", status=2)


@pytest.mark.parametrize("argv", [("--prompt", "x"), ("--list-routes",), ("chat",)])
def test_a_missing_or_wrong_key_says_what_to_set(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, argv: Any
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    monkeypatch.setenv("OMNI_API_KEY", "wrong")
    printed = shown(capsys, *argv, status=2)
    assert f"the server at {url} requires a key, and OMNI_API_KEY is wrong" in printed
    assert "wrong-key" not in printed
    monkeypatch.setenv("OMNI_API_KEY", "")
    assert "requires a key, and OMNI_API_KEY is not set" in shown(capsys, *argv, status=2)


@pytest.mark.parametrize("argv", [("--prompt", "x"), ("--list-models", "text-generation"), ("chat",)])
def test_no_server_says_how_to_start_one(capsys: Capture, argv: Any) -> None:
    printed = shown(capsys, *argv, "--server", "http://127.0.0.1:9", status=2)
    assert "no server answers at http://127.0.0.1:9 (Connection refused): start one with omni-router serve" in printed


@pytest.mark.parametrize("argv", [("--prompt", "my secret"), ("--list-routes",), ("chat",)])
@pytest.mark.parametrize("answers", [{}, {"/omni/health": {"object": "list"}, "/omni/routes": {"object": "list"}}])
def test_a_server_of_somebody_else_is_named_and_gets_neither_prompt_nor_key(
    capsys: Capture, argv: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_API_KEY", KEY)
    requests: list[str] = []
    with json_server(answers, requests) as address:
        printed = shown(capsys, *argv, "--server", address, status=2)
    assert f"{address} answers, but is not an omni-router server" in printed
    assert requests
    assert "my secret" not in str(requests)
    assert KEY not in str(requests)


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "answers, but is not an omni-router server"),
        (b"", "takes connections, but did not answer within 0.2 seconds"),
    ],
)
def test_a_server_that_does_not_speak_http_is_named(
    capsys: Capture, greeting: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.cli.remote.client.ALIVE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system takes connections for it
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=_greet, args=(server, greeting))
        thread.start()
        printed = shown(capsys, "--prompt", "x", "--server", address, status=2)
        thread.join()
    assert f"{address} {says}" in printed


def _greet(server: socket.socket, greeting: bytes) -> None:
    """Greet a client, and wait until it hangs up."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(greeting)
        while connection.recv(1024):
            pass


@pytest.mark.parametrize("argv", [("--server", "http://ada:secret@example.org"), ()])
def test_a_password_in_an_address_is_not_repeated(capsys: Capture, argv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_SERVER", "http://ada:secret@example.org")
    printed = shown(capsys, "--prompt", "x", *argv, status=2)
    assert "the address of a server without a user name in it" in printed
    assert "'http://...@example.org'" in printed
    assert "secret" not in printed


def test_an_address_with_https_needs_a_server_that_speaks_tls(capsys: Capture) -> None:
    with json_server({}) as address:
        secure = address.replace("http", "https")
        printed = shown(capsys, "--prompt", "x", "--server", secure, status=2)
    assert f"{secure} cannot be trusted, or does not speak TLS (" in printed
    assert "SSL_CERT_FILE" in printed


def test_the_token_of_hugging_face_is_never_sent(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OMNI_API_KEY", KEY)
    requests: list[str] = []
    with json_server({"/omni/health": {"status": "alive"}, "/v1/route": {"reason": "x"}}, requests) as address:
        assert main(["--prompt", "x", "--skip-specialists", "--server", address]) == 1
    assert "hf_secret" not in str(requests)
    assert KEY in str(requests)


# ---- start


def test_neither_router_nor_langgraph_is_imported(url: str, tmp_path: Path) -> None:
    heavy = {"langgraph", "langchain_core", "huggingface_hub", "pydantic", "httpx", "numpy", "onnxruntime", "PIL"}
    for argv in (
        ("--prompt", QUESTION),
        ("--list-routes",),
        ("--why",),
        ("--list-models", "text-generation"),
        ("chat",),
    ):
        modules = set(run(tmp_path, *argv, scripted=False)["modules"])
        assert heavy & modules == set()
        assert not any(name.startswith(("omni_router.routers.semantic", "omni_router.nodes")) for name in modules)
