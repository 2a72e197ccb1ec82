"""`omni-router serve` as a process of its own: what it says, its clients, and how it ends."""

import asyncio
import contextlib
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from openai import OpenAI
from pydantic import BaseModel

from omni_router.cli import main
from omni_router.server.shutdown import ShutdownMiddleware
from tests.support.api_server import serving
from tests.support.openai_server import wait_for

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

MESSAGES: Any = [{"role": "user", "content": "Who discovered penicillin?"}]
SECRET = "my-secret-words"
LINE = "POST /v1/chat/completions  question_answering  sandbox/"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder, "--sandbox") as (url, _):
        yield url


def test_hugging_faces_client_chats_at_once_and_in_pieces(url: str) -> None:
    with InferenceClient(base_url=url, api_key="none") as client:
        response = client.chat_completion(MESSAGES, model="omni", max_tokens=50, seed=1, stop=["END"], temperature=0.5)
        assert str(response.choices[0].message.content).startswith("[sandbox]")
        pieces: Any = list(client.chat_completion(MESSAGES, stream=True, stream_options={"include_usage": True}))
        assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices).startswith("[sandbox]")
        assert pieces[-1].usage.total_tokens > 0
        assert client.chat.completions.create(model="omni/summarization", messages=MESSAGES).choices


def test_hugging_faces_async_client_chats_in_pieces(url: str) -> None:
    async def chat() -> str:
        async with AsyncInferenceClient(base_url=url, api_key="none") as client:
            stream = await client.chat_completion(MESSAGES, stream=True)
            return "".join([piece.choices[0].delta.content or "" async for piece in stream])

    assert asyncio.run(chat()).startswith("[sandbox]")


def test_openais_client_is_routed_by_the_real_router(url: str) -> None:
    with OpenAI(base_url=url, api_key="none") as client:
        response = client.chat.completions.with_raw_response.create(model="omni", messages=MESSAGES)
    assert response.headers["x-omni-route"] == "question_answering"


def test_the_router_is_loaded_before_anybody_asks(url: str) -> None:
    ready = url.removesuffix("/v1") + "/omni/ready"
    wait_for(lambda: httpx.get(ready).status_code == 200, seconds=120)
    assert httpx.get(ready).json()["router"] == "semantic"


def test_the_sandbox_plays_a_tool_loop_and_gives_an_object(url: str) -> None:
    weather = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": weather}}]
    thread: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    with OpenAI(base_url=url, api_key="none") as client:
        first = client.chat.completions.create(model="omni", messages=thread, tools=tools)
        message = first.choices[0].message
        assert message.tool_calls is not None
        thread += [
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain, 12 degrees"},
        ]
        second: Any = client.chat.completions.create(model="omni", messages=thread, tools=tools)
        assert "rain, 12 degrees" in second.choices[0].message.content
        assert second.model == first.model
        assert second.omni["reason"] == "the tool loop stays with its model"
        parsed = client.chat.completions.parse(model="omni", messages=thread[:1], response_format=Weather)
        assert isinstance(parsed.choices[0].message.parsed, Weather)


class Weather(BaseModel):
    city: str
    degrees: int


def test_the_line_to_try_works_as_it_is_printed(url: str, folder: Path) -> None:
    [command] = re.findall(r"curl .*?}'$", (folder / "serve.log").read_text(), re.DOTALL | re.MULTILINE)
    result = subprocess.run(shlex.split(command.replace("\\\n", " ")), capture_output=True, check=True, timeout=60)
    assert b"[sandbox]" in result.stdout


def test_the_python_of_the_page_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "how-to" / "openai-api.md").read_text()
    blocks = re.findall(r"^```python notest\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for block in blocks:
        exec(block.replace("http://127.0.0.1:8080/v1", url), {})  # noqa: S102
    printed = capsys.readouterr().out
    assert printed.count("Simulated answer") == len(blocks)
    assert "sandbox/feature-extraction-1 64" in printed


def test_a_line_is_written_for_each_request_and_nothing_of_what_is_in_it(url: str, folder: Path) -> None:
    body = {"model": "omni/question_answering", "messages": [{"role": "user", "content": f"Why {SECRET}?"}]}
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = httpx.post(f"{url}/chat/completions?key={SECRET}", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200
    log = (folder / "serve.log").read_text()
    assert LINE in log
    assert SECRET not in log


def test_pictures_and_history_are_kept_in_the_folder(url: str, folder: Path) -> None:
    payload = httpx.post(f"{url}/images/generations", json={"prompt": "a fox"}, timeout=60).json()
    assert (folder / "outputs" / payload["omni"]["artifacts"][0]["path"]).exists()
    assert "image_generation" in (folder / "outputs" / "sandbox" / "route_config.json").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_when_the_answer_under_way_is_sent(tmp_path: Path, number: int) -> None:
    with serving(tmp_path, "--sandbox", OMNI_SANDBOX_LATENCY="2") as (url, process):
        body = {"model": "omni/question_answering", "messages": MESSAGES, "stream": True}  # no router has to load
        with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=60) as response:
            process.send_signal(number)
            assert response.read().endswith(b"data: [DONE]\n\n")
        assert process.wait(timeout=30) == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_a_second_ctrl_c_ends_it_at_once_though_a_model_is_still_called(tmp_path: Path) -> None:
    with serving(tmp_path, "--sandbox", OMNI_SANDBOX_LATENCY="100") as (url, process):
        body = {"model": "omni/question_answering", "messages": MESSAGES}
        asking = threading.Thread(target=_ask_in_vain, args=(f"{url}/chat/completions", body))
        asking.start()
        time.sleep(3)  # until the model is called
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(1)
        assert process.wait(timeout=15) == 130
        asking.join()
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def _ask_in_vain(url: str, body: dict[str, Any]) -> None:
    with contextlib.suppress(httpx.TransportError):
        httpx.post(url, json=body, timeout=90)


def test_an_answer_that_takes_longer_than_the_grace_ends_with_an_error() -> None:
    """As uvicorn does it: the task of the request is cancelled."""
    sent: list[Any] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async def keep(message: Any) -> None:
        sent.append(message)

    async def nothing() -> Any:
        raise AssertionError("nothing more is read")

    async def cut() -> None:
        task = asyncio.create_task(ShutdownMiddleware(slow)({"type": "http", "headers": []}, nothing, keep))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(cut())
    assert sent[0]["status"] == 503
    assert b"shutting_down" in sent[1]["body"]


def test_with_a_key_it_serves_other_machines_and_says_how_and_is_quiet_when_it_is_to_be(tmp_path: Path) -> None:
    flags = ("--sandbox", "--quiet", "--host", "0.0.0.0")  # noqa: S104
    with serving(tmp_path, *flags, OMNI_API_KEY="s3cret") as (url, _):
        here = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert httpx.get(f"{here}/models").status_code == 401
        headers = {"authorization": "Bearer s3cret", "host": "elsewhere.example"}
        assert httpx.get(f"{here}/models", headers=headers).status_code == 200
        body = {"model": "omni/question_answering", "messages": MESSAGES}
        assert httpx.post(f"{here}/chat/completions", json=body, headers=headers, timeout=60).status_code == 200
    log = (tmp_path / "serve.log").read_text()
    assert "Bearer '$OMNI_API_KEY" in log
    assert LINE not in log
    assert "s3cret" not in log


def test_without_a_hugging_face_token_it_starts_and_says_what_works(tmp_path: Path) -> None:
    policy = [{"name": "law", "description": "contracts", "models": ["acme/counsel-70b"]}]
    (tmp_path / "route_config.json").write_text(json.dumps(policy))
    variables = {"HF_ENDPOINT": "http://127.0.0.1:9"}  # nothing listens there, and nothing else is to be asked
    with serving(tmp_path, **variables) as (url, _):
        response = httpx.post(f"{url}/chat/completions", json={"model": "omni/law", "messages": MESSAGES}, timeout=60)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "token")
    assert "no Hugging Face token" in (tmp_path / "serve.log").read_text()


def test_without_a_key_another_host_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--sandbox", "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "set OMNI_API_KEY" in capsys.readouterr().err


def test_a_port_in_use_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert main(["serve", "--sandbox", "--router", "semantic", "--port", str(port)]) == 2
    captured = capsys.readouterr()
    assert f"cannot listen on 127.0.0.1, port {port}" in captured.err
    assert "--port" in captured.err
    assert "listens on" not in captured.out


@pytest.mark.parametrize("flags", [["--port", "65536"], ["--port", "-1"], ["--router", "best"], ["--workers", "2"]])
def test_a_flag_that_cannot_be_meant_is_status_2(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *flags]) == 2
    assert "Usage: omni-router serve" in capsys.readouterr().err


def test_a_missing_package_is_reported_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--sandbox"]) == 2
    assert 'pip install -e ".[api]"' in capsys.readouterr().err


def test_a_limit_that_is_none_is_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OMNI_MAX_BODY", "lots")
    assert main(["serve", "--sandbox"]) == 2
    assert "OMNI_MAX_BODY must be a whole number of at least 1, not 'lots'" in capsys.readouterr().err


def test_help_names_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in ("OMNI_API_KEY", "OMNI_MAX_BODY", "OMNI_MAX_CONCURRENT", "--host"))
