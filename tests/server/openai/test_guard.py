"""The key, the size of a body, and how many requests run at once."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from starlette.applications import Starlette

from omni_router import Services, build_graph
from omni_router._sandbox import Sandbox
from omni_router.errors import ConfigurationError
from omni_router.server import app as server_app
from omni_router.server import serve
from omni_router.server.openai.guard import Limits
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
KEY = "open sesame"


POSTED = ("chat/completions", "responses", "images/generations", "embeddings", "route")


@pytest.fixture(autouse=True)
def chosen(router: ScriptedRouter) -> None:
    router.choose("question_answering", TEXT)


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer \xff"])
def test_without_the_key_every_path_is_401(services: Services, monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    monkeypatch.setenv("OMNI_API_KEY", KEY)
    with openai_server(services) as url:
        for path in (*POSTED, "models", "models/omni", "anything"):
            method = "GET" if path.startswith("models") else "POST"
            response = httpx.request(method, f"{url}/{path}", headers=[(b"authorization", sent.encode())])
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
            assert response.headers["www-authenticate"] == "Bearer"


def test_with_the_key_it_answers(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_API_KEY", " s3cret\n")
    with openai_server(services) as url:
        with OpenAI(base_url=url, api_key="s3cret") as client:
            assert client.chat.completions.create(model="omni", messages=QUESTION).choices
        with OpenAI(base_url=url, api_key="other") as client, pytest.raises(openai.AuthenticationError, match="key"):
            client.chat.completions.create(model="omni", messages=QUESTION)


@pytest.mark.parametrize("make_app", [server_app.make_app, serve.make_app])
def test_the_key_comes_from_the_variables_of_the_app(make_app: Callable[..., Starlette], services: Services) -> None:
    app = make_app(build_graph(services).compile(), variables={"OMNI_API_KEY": KEY})

    async def status(**headers: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/v1/models", headers=headers)).status_code

    assert asyncio.run(status()) == 401
    assert asyncio.run(status(authorization=f"Bearer {KEY}")) == 200


def test_a_body_that_says_it_is_too_large_is_413(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_MAX_BODY", "1000")
    with openai_server(services) as url:
        response = httpx.post(f"{url}/chat/completions", json={"messages": [{"role": "user", "content": "x" * 1000}]})
        assert response.status_code == 413
        assert "1000 bytes that OMNI_MAX_BODY allows" in response.json()["error"]["message"]
        assert httpx.post(f"{url}/route", json={"messages": QUESTION}).status_code == 200


def test_a_chunked_body_is_counted_as_it_comes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_MAX_BODY", "1000")
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while len(sent) < 100_000:
            sent.append(1)
            yield b" " * 4096

    with openai_server(services) as url:
        try:
            status = httpx.post(
                f"{url}/chat/completions", content=endless(), headers={"content-type": "application/json"}
            ).status_code
        except httpx.TransportError:  # it was still writing when the server hung up
            status = 413
        assert status == 413
        assert len(sent) < 10_000, "the server did not read on"
        small = httpx.post(
            f"{url}/route", content=iter([b'{"messages": [', b'{"role": "user", "content": "hi"}]}']),
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert small.status_code == 200


def test_openais_client_reads_the_413_of_a_body_of_30_megabytes(services: Services) -> None:
    huge: Any = [{"role": "user", "content": "x" * 30_000_000}]
    with openai_server(services) as url, OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        with pytest.raises(openai.APIStatusError, match="20000000 bytes") as caught:
            client.chat.completions.create(model="omni", messages=huge)
        assert caught.value.status_code == 413


def test_one_more_than_allowed_is_429_until_a_place_is_free(
    services: Services, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_MAX_CONCURRENT", "2")
    sandbox.latency = 1.5

    async def three(url: str) -> list[int]:
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"messages": QUESTION, "stream": True}
            responses = await asyncio.gather(*(client.post(f"{url}/chat/completions", json=body) for _ in range(3)))
            busy = next(each for each in responses if each.status_code == 429)
            assert busy.headers["retry-after"] == "1"
            assert busy.json()["error"]["code"] == "rate_limit_exceeded"
            return sorted(each.status_code for each in responses)

    with openai_server(services) as url:
        assert asyncio.run(three(url)) == [200, 200, 429]
        assert httpx.get(f"{url}/models").status_code == 200, "the places are free again"


def test_openais_client_waits_for_a_place_by_itself(
    services: Services, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_MAX_CONCURRENT", "1")
    sandbox.latency = 0.3

    async def both(url: str) -> int:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=5) as client:
            responses = await asyncio.gather(
                *(client.chat.completions.create(model="omni", messages=QUESTION) for _ in range(2))
            )
            return len(responses)

    with openai_server(services) as url:
        assert asyncio.run(both(url)) == 2


def request_line(url: str, *more: str) -> tuple[tuple[str, int], bytes]:
    """Return the address of a server, and the beginning of a chat request to it, with further headers."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    lines = ("POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more)
    return (host, int(port)), "".join(f"{line}\r\n" for line in lines).encode()


def answer_on(connection: socket.socket) -> str:
    """Read until the server hangs up."""
    return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_bodies_that_never_end_take_no_place_and_are_ended(services: Services, framing: str) -> None:
    limits = Limits(max_concurrent=2, body_seconds=2)
    with openai_server(services, limits=limits) as url, ExitStack() as open_ones:
        address, head = request_line(url, framing)
        slow = [open_ones.enter_context(socket.create_connection(address, timeout=30)) for _ in range(4)]
        for connection in slow:
            connection.sendall(head + b"\r\n")
        assert httpx.post(f"{url}/route", json={"messages": QUESTION}).status_code == 200, "the places are free"
        for connection in slow:
            response = answer_on(connection)
            assert response.startswith("HTTP/1.1 408 ")
            assert "was not complete within 2 seconds" in response


def test_who_fills_the_memory_with_unfinished_bodies_is_429(services: Services) -> None:
    limits = Limits(max_concurrent=1, max_body=1000)
    with openai_server(services, limits=limits) as url, ExitStack() as open_ones:
        address, head = request_line(url, "Content-Length: 1000")
        first, second = (open_ones.enter_context(socket.create_connection(address, timeout=30)) for _ in range(2))
        first.sendall(head + b"\r\n" + b" " * 600)
        assert httpx.post(f"{url}/route", json={"messages": QUESTION}).status_code == 200, "these fit in"
        second.sendall(head + b"\r\n" + b" " * 600)
        assert answer_on(second).startswith("HTTP/1.1 429 ")


def test_headers_without_end_are_not_taken(services: Services) -> None:
    with openai_server(services) as url:
        address, head = request_line(url)
        with socket.create_connection(address, timeout=30) as connection:
            sent = 0
            with suppress(ConnectionError):
                connection.sendall(head)
                while sent < 50_000_000:
                    connection.sendall(b"x-more: " + b"x" * 8192 + b"\r\n")
                    sent += 8202
            assert sent < 50_000_000, "the server hung up"
        assert httpx.get(f"{url}/models").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example", "localhost@evil", ""])
def test_a_name_of_somewhere_else_is_refused_by_a_server_without_a_key(services: Services, host: str) -> None:
    with openai_server(services) as url:
        response = httpx.get(f"{url}/models", headers={"host": host})
        assert (response.status_code, response.json()["error"]["code"]) == (421, "unknown_host")
        assert "OMNI_HOSTS" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "[::1]:8080", "127.0.0.1", "10.0.0.7:8080", "agents.example"]
)
def test_names_of_this_machine_addresses_and_what_was_named_are_served(
    services: Services, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OMNI_HOSTS", "other.example, agents.example")
    with openai_server(services) as url:
        assert httpx.get(f"{url}/models", headers={"host": host}).status_code == 200


def test_a_page_of_elsewhere_cannot_even_send_what_needs_no_preflight(services: Services) -> None:
    with openai_server(services, cors=["https://chat.example"]) as url:
        for origin in ("https://evil.example", "null", "http://10.0.0.7", "http://localhost.evil.example"):
            headers = {"origin": origin, "content-type": "text/plain"}
            response = httpx.post(f"{url}/chat/completions", content=b"{}", headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin"), origin
        for origin in ("https://chat.example", "http://localhost:5173", "http://127.0.0.1", url.removesuffix("/v1")):
            assert httpx.get(f"{url}/models", headers={"origin": origin}).status_code == 200, origin


def test_a_client_that_sends_half_a_body_and_goes_does_no_harm(services: Services) -> None:
    with openai_server(services) as url:
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         b"Content-Length: 100\r\n\r\n{")  # fmt: skip
        assert httpx.get(f"{url}/models").status_code == 200


@pytest.mark.parametrize("name", ["OMNI_MAX_BODY", "OMNI_MAX_CONCURRENT"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "\u0663"])
def test_a_limit_that_is_none_is_reported_at_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Limits.read({name: value})


@pytest.mark.parametrize("key", ["sesam öffne dich", "  ", "\n", "a\nb", "a\x00b", "ключ"])
def test_a_key_that_no_header_holds_is_reported_at_the_start_without_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="OMNI_API_KEY") as caught:
        Limits.read({"OMNI_API_KEY": key})
    assert not key.strip() or key not in str(caught.value)


def test_the_key_is_in_no_repr() -> None:
    assert "s3cret" not in repr(Limits.read({"OMNI_API_KEY": "s3cret"}))
    assert Limits.read({"OMNI_API_KEY": ""}).key is None
