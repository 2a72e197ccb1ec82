"""The endpoint router against a real server, `transformers serve` with a checkpoint that was trained here."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.errors import EndpointFailed
from omni_router.history.label_file import TABLE
from omni_router.routers import Proposal, Turn, parse_reply
from omni_router.routers.endpoint.router import EndpointRouter
from tests.support.chat_server import transformers_serve
from tests.support.dev_server import free_port
from tests.support.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES, build_tiny_checkpoint, expected_reply

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

PATIENCE = 60.0  # seconds: the default is for a server with a GPU, and CI machines have two busy cores
# What the graph offers for a prompt without a picture, with the candidates that the sandbox's catalog lists.
OFFERED = [
    replace(route, candidates=tuple(f"{route.candidates[0][:-1]}{n}" for n in (1, 2, 3))) for route in TINY_ROUTES[:3]
]
PAIRS = {prompt: answer for prompt, answer in TINY_PAIRS.items() if answer[0] != "image_understanding"}
FOX = "Draw a red fox"


def ask(text: str) -> list[Turn]:
    return [Turn(role="user", content=text)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_checkpoint(tmp_path_factory.mktemp("served"), OFFERED, PAIRS)


@pytest.fixture(scope="module")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(checkpoint, tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps([{"name": route.name, "description": route.description} for route in TINY_ROUTES]))
    monkeypatch.setenv("OMNI_ROUTER_TIMEOUT", f"{PATIENCE:g}")
    yield ["--router", "endpoint", "--route-config", str(policy), "--sandbox", "--json"]
    while _sandbox.active():
        _sandbox.uninstall()


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/"])
def test_a_real_server_answers_with_the_contract(server: str, checkpoint: Path, base: str) -> None:
    router = EndpointRouter(server + base, str(checkpoint), timeout=PATIENCE)
    for prompt, answer in list(PAIRS.items())[:: 1 if base == "/v1" else 5]:
        reply = router.reply(ask(prompt), OFFERED)
        assert reply.text == expected_reply(answer)
        assert parse_reply(reply.text) == Proposal(*answer)
        assert reply.confidence is None


def test_one_connection_serves_many_requests(server: str, checkpoint: Path) -> None:
    opened = []

    class Counted(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.extensions["trace"] = lambda name, _: opened.append(name) if "connect_tcp.started" in name else None
            return super().handle_request(request)

    router = EndpointRouter(server, str(checkpoint), timeout=PATIENCE, transport=Counted())
    for prompt in list(PAIRS)[:4]:
        router.reply(ask(prompt), OFFERED)
    assert len(opened) == 1


def test_a_real_server_that_is_asked_for_another_model_refuses(server: str) -> None:
    with pytest.raises(EndpointFailed, match="HTTP 400") as caught:
        EndpointRouter(server, "sandbox/another", timeout=PATIENCE).reply(ask(FOX), OFFERED)
    assert caught.value.fault == "refused"


def test_the_command_routes_and_answers_by_a_real_server(
    server: str, checkpoint: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--router-url", f"{server}/v1", "--router-model", str(checkpoint)]
    for prompt, (route, model, reason) in list(PAIRS.items())[:7:3]:
        assert main(["--prompt", prompt, *flags, *where]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["route"], result["model"], result["reason"]) == (route, model, reason)
        assert (result["source"], result["error"]) == ("router", None)


def test_the_command_answers_by_semantic_when_nobody_listens(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["--prompt", "Draw a picture of a red fox", *flags, "--router-url", url]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["route"] == "image_generation"
    [line] = [line for line in shown.err.splitlines() if "endpoint" in line]
    assert line.startswith(f"[router] routing with semantic, because the endpoint {url} failed: no answer was received")


@pytest.mark.parametrize("router", ["cascade", "auto"])
def test_the_cascade_asks_a_real_server_and_keeps_what_it_says(
    router: str, server: str, checkpoint: Path, flags: list[str], unsure: pytest.CaptureFixture[str]
) -> None:
    where = ["--router", router, "--router-url", f"{server}/v1", "--router-model", str(checkpoint)]
    assert main(["--prompt", FOX, *flags, *where]) == 0
    result = json.loads(unsure.readouterr().out)
    assert (result["route"], result["model"], result["reason"]) == PAIRS[FOX]
    assert lessons(flags) == [("image_generation", FOX)]


def test_the_cascade_learns_nothing_when_nobody_listens(flags: list[str], unsure: pytest.CaptureFixture[str]) -> None:
    where = ["--router", "cascade", "--router-url", f"http://127.0.0.1:{free_port()}"]
    assert main(["--prompt", "Draw a picture of a red fox", *flags, *where]) == 0
    shown = unsure.readouterr()
    assert json.loads(shown.out)["route"] == "image_generation"
    assert "Traceback" not in shown.err
    assert len([line for line in shown.err.splitlines() if "endpoint" in line]) == 1
    assert lessons(flags) == []


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """Let the cascade ask the large router whatever the small one makes of a request."""
    monkeypatch.setenv("OMNI_CASCADE_TARGET", "1")
    monkeypatch.setenv("OMNI_CASCADE_TEXT", "1")
    return capsys


def lessons(flags: list[str]) -> list[tuple[str, str]]:
    policy = Path(flags[flags.index("--route-config") + 1])
    path = policy.with_name(f".{policy.name}.lessons")
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT route, text FROM {TABLE}").fetchall()  # noqa: S608


def test_a_server_that_accepts_and_is_silent_costs_the_time_limit(unused_listener: str) -> None:
    with pytest.raises(EndpointFailed, match=r"did not answer within 0\.3 s"):
        EndpointRouter(unused_listener, "sandbox/router", timeout=0.3).reply(ask(FOX), OFFERED)


@pytest.fixture
def unused_listener() -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
