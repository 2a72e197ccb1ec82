"""Commands against a real `omni-router serve` with a key, in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import serving
from tests.support.cli_process import on_terminal
from tests.support.openai_server import wait_for
from tests.support.processes import ROOT, child_environment

pytestmark = pytest.mark.loopback

KEY = "the-key-of-the-server"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    with serving(folder, "--sandbox", OMNI_API_KEY=KEY, OMNI_SANDBOX_LATENCY="2") as (url, _):
        monkeypatch.setenv("OMNI_API_KEY", KEY)
        monkeypatch.setenv("OMNI_SERVER", url)
        yield url


def command(*args: str) -> list[str]:
    return [sys.executable, str(ROOT / "omni_router_dev.py"), *args]


def test_a_script_chats_and_explains(server: str, tmp_path: Path) -> None:
    variables = child_environment(tmp_path, OMNI_SERVER=server, OMNI_API_KEY=KEY)
    lines = "Tell me a joke about computers\n/why\n/good\n"
    chat = subprocess.run(
        command("chat"), cwd=tmp_path, env=variables, input=lines, capture_output=True, text=True, check=False
    )
    assert (chat.returncode, chat.stderr) == (0, "")
    assert "you wrote “Tell me a joke about computers”" in chat.stdout
    assert "saved in the history of the server" in chat.stdout
    why = subprocess.run(command("--why", "--json"), cwd=tmp_path, env=variables, capture_output=True, check=True)
    assert json.loads(why.stdout)["route"] == "casual_conversation"
    assert not (tmp_path / "route_config.json").exists(), "the history is the server's"


def test_ctrl_c_cancels_the_run_on_the_server_and_the_chat_goes_on(server: str, tmp_path: Path) -> None:
    log = tmp_path / "server" / "serve.log"
    with on_terminal(command("chat"), tmp_path, columns=100) as (screen, process):
        screen.until("> ")
        screen.type("Tell me a joke about computers\r")
        screen.until("choosing a route and a model")
        time.sleep(0.5)  # the request is on its way then, and the model is silent for two seconds
        process.send_signal(signal.SIGINT)
        screen.until("[cancelled; the conversation is as it was before]")
        wait_for(lambda: "POST /v1/chat/completions" in log.read_text())
        screen.type("Tell me another joke\r")
        screen.until("you wrote “Tell me another joke”")
        screen.until("> ", 3)
        screen.type("\x04")
        screen.until()
        assert process.wait() == 0
    cancelled, answered = [line for line in log.read_text().splitlines() if "POST /v1/chat" in line]
    assert " 499 " in cancelled
    assert " 200 " in answered
