"""What `omni-router serve` does around /v1: a line for each request, `GET /`, other paths, pages of other origins."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.cli.root import parse
from omni_router.server.request_log import to_stderr
from tests.support.openai_server import TEXT, openai_server, wait_for
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

SECRET = "my-secret-words"
QUESTION: Any = [{"role": "user", "content": f"How do tides work? {SECRET}"}]
PAGE = "https://chat.example"


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def url(services: Services, router: ScriptedRouter, log: list[str]) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services, cors=[PAGE], log=log) as url:
        yield url


def post(url: str, **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {SECRET}"}
    payload = {"messages": QUESTION, **body}
    return httpx.post(f"{url}/chat/completions?key={SECRET}", json=payload, headers=headers)


def one_line(log: list[str]) -> str:
    wait_for(lambda: log)
    [line] = log
    return line


# ---- a line for each request


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_line_without_what_was_asked(url: str, log: list[str], *, stream: bool) -> None:
    assert post(url, stream=stream).status_code == 200
    line = one_line(log)
    assert re.fullmatch(rf"POST /v1/chat/completions  question_answering  {TEXT}  200  \d+\.\d\d s", line)


def test_the_line_of_a_stream_comes_at_its_end(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, log: list[str]
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.chunk_delay = 0.05
    with openai_server(services, log=log) as url:
        body = {"messages": QUESTION, "stream": True}
        with httpx.stream("POST", f"{url}/chat/completions", json=body) as response:
            lines = response.iter_lines()
            assert next(lines).startswith("data: ")
            assert log == []
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert "  200  " in one_line(log)


@pytest.mark.parametrize(
    ("fault", "stream", "ends"),
    [("payment_402", False, r"402  \S+ s  insufficient_quota"), ("stream_cut", True, r"200  \S+ s  overloaded")],
)
def test_a_failure_is_named_also_where_the_status_does_not_show_it(  # noqa: PLR0913
    url: str, sandbox: Sandbox, log: list[str], fault: str, ends: str, *, stream: bool
) -> None:
    sandbox.fail(fault)
    post(url, stream=stream)
    assert re.search(f"question_answering  {TEXT}  {ends}$", one_line(log))


def test_who_hangs_up_is_a_line_too(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, log: list[str]
) -> None:
    router.choose("question_answering", TEXT)
    sandbox.chunk_delay = 0.5
    with openai_server(services, log=log) as url:
        body = {"messages": QUESTION, "stream": True}
        with httpx.stream("POST", f"{url}/chat/completions", json=body) as response:
            next(response.iter_lines())
        assert one_line(log).endswith("the client disconnected")


def test_a_path_cannot_break_the_line_and_probes_have_none(url: str, log: list[str]) -> None:
    base = url.removesuffix("/v1")
    for path in ("health", "ready", "metrics"):
        httpx.get(f"{base}/omni/{path}")
    httpx.get(f"{url}/models%0A%1b[2J")
    assert re.fullmatch(r"GET /v1/models%0A%1B%5B2J  -  -  404  \S+ s", one_line(log))


def test_a_broken_stderr_does_not_fail_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    to_stderr("GET /")


# ---- what is here, and base URLs without /v1


def test_the_root_says_what_is_here(url: str) -> None:
    payload = httpx.get(url.removesuffix("/v1")).json()
    assert payload["name"] == "omni-router"
    assert payload["base_url"] == url
    assert {"POST /v1/chat/completions", "GET /v1/models", "GET /omni/ready"} <= set(payload["paths"])


def test_a_base_url_without_v1_is_answered_with_the_right_one(url: str) -> None:
    with OpenAI(base_url=url.removesuffix("/v1"), api_key="none") as client:
        with pytest.raises(openai.NotFoundError, match=re.escape(f"use base_url {url}")) as caught:
            client.chat.completions.create(model="omni", messages=QUESTION)
        assert caught.value.code == "unknown_url"
        with pytest.raises(openai.NotFoundError, match=re.escape(f"use base_url {url}")):
            client.models.list()
        with pytest.raises(openai.NotFoundError, match=re.escape(f"use base_url {url}")):
            client.responses.create(model="omni", input="How do tides work?")


# ---- pages of other origins


def test_a_page_that_was_named_may_call_and_read_the_decision(url: str) -> None:
    asks = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-omni-fallback-route,x-stainless-lang",
    }
    preflight = httpx.options(f"{url}/chat/completions", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert preflight.headers["access-control-allow-headers"] == asks["access-control-request-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answer = httpx.post(f"{url}/chat/completions", json={"messages": QUESTION}, headers={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {name for name in answer.headers if name.startswith("x-omni-")} <= set(exposed)
    assert "x-omni-ignored" in exposed


@pytest.mark.parametrize("origin", ["https://other.example", "http://chat.example", "null", None])
def test_others_get_no_cors_headers(url: str, origin: str | None) -> None:
    headers = {"origin": origin} if origin else {}
    asks = {**headers, "access-control-request-method": "POST"}
    for answer in (
        httpx.options(f"{url}/chat/completions", headers=asks),
        httpx.post(f"{url}/chat/completions", json={"messages": QUESTION}, headers=headers),
    ):
        assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_without_the_flag_no_page_may_call(services: Services) -> None:
    with openai_server(services) as url:
        preflight = httpx.options(f"{url}/models", headers={"origin": PAGE, "access-control-request-method": "GET"})
    assert (preflight.status_code, preflight.json()["error"]["code"]) == (403, "foreign_origin")
    assert "--cors" in preflight.json()["error"]["message"]
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("https://Chat.Example/", "https://chat.example"),
        ("https://chat.example:443", "https://chat.example"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_do(value: str, origin: str) -> None:
    ctx = parse(["serve", "--cors", value, "--cors", "http://127.0.0.1:1"])
    assert ctx.params["cors"] == (origin, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    "value", ["*", "null", "", "chat.example", "ftp://a", "https://a/b", "https://a?b", "https://u@a", "https://a:x"]
)
def test_what_cannot_be_an_origin_is_named(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--cors", value]) == 2
    assert f"{value!r} is not an origin, such as https://chat.example" in capsys.readouterr().err
