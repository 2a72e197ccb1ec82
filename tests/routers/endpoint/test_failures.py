"""What the endpoint router asks, and what becomes of everything a server can do instead of answering."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.routers.endpoint.fallback import FallbackRouter
from omni_router.routers.endpoint.router import EndpointRouter, estimated_tokens, reply_schema
from omni_router.routers.prompt import json_prompt, trained_prompt
from omni_router.services.router import choose_router
from tests.support.scripted_router import ScriptedRouter
from tests.support.tiny_checkpoint import TINY_ROUTES

KEY = "secret-0123456789"
URL = "http://router.test:8000"
GOOD = '{"route": "code_generation", "model": null, "reason": "code"}'
TALK = [Turn(role="user", content="Write a haiku in Rust")]
SECOND = Reply("from semantic", 0.9)

Answer = Callable[[httpx.Request], httpx.Response]


def says(content: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"choices": [{"message": {"role": "assistant", "content": content}}]})


class Server:
    """A server whose answers a test sets, and that keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.asked]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Second(ScriptedRouter):
    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        super().reply(conversation, routes)
        return SECOND


def endpoint(server: Answer, **options: Any) -> EndpointRouter:
    return EndpointRouter(URL, "sandbox/router", transport=httpx.MockTransport(server), key=KEY, **options)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def both(answer: Answer, clock: Clock, **options: Any) -> tuple[Server, FallbackRouter]:
    server = Server(answer)
    return server, FallbackRouter(endpoint(server, **options), Second(), clock=clock)


def drip(_: httpx.Request) -> httpx.Response:
    def drops() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.05)
            yield b" "

    return httpx.Response(200, content=drops())


def cut(request: httpx.Request) -> httpx.Response:
    def half() -> Iterator[bytes]:
        yield b'{"choices": [{"mess'
        raise httpx.RemoteProtocolError("peer closed connection", request=request)

    return httpx.Response(200, content=half())


def late(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("timed out", request=request)


def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused", request=request)


OUTAGES: dict[str, tuple[Answer, str]] = {
    "late": (late, "it did not answer within 0.2 s"),
    "drop by drop": (drip, "it did not answer within 0.2 s"),
    "refused": (refused, "no answer was received (ConnectError)"),
    "500": (lambda _: httpx.Response(500, text="CUDA out of memory"), "it answered HTTP 500"),
    "503": (lambda _: httpx.Response(503), "it answered HTTP 503"),
    "429": (lambda _: httpx.Response(429), "it answered HTTP 429"),
    "redirect": (lambda _: httpx.Response(302, headers={"location": "http://else.test"}), "it answered HTTP 302"),
    "HTML": (lambda _: httpx.Response(200, text="<html>Log in</html>"), "its answer is not a chat completion"),
    "empty": (lambda _: httpx.Response(200), "its answer is not a chat completion"),
    "another schema": (lambda _: httpx.Response(200, json={"choices": []}), "its answer is not a chat completion"),
    "a list": (lambda _: httpx.Response(200, json=[1]), "its answer is not a chat completion"),
    "cut": (cut, "no answer was received (RemoteProtocolError)"),
    "bad gzip": (lambda _: broken_gzip(), "no answer was received (DecodingError)"),
    "endless": (lambda _: httpx.Response(200, content=b" " * 2_000_000), "its answer is too long for a reply"),
}


def broken_gzip() -> httpx.Response:
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_costs_one_wait_and_one_line(name: str, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    answer, why = OUTAGES[name]
    server, router = both(answer, clock, timeout=0.2)
    with caplog.at_level(logging.INFO):
        assert [router.reply(TALK, TINY_ROUTES) for _ in range(3)] == [SECOND] * 3
    assert len(server.asked) == (2 if name == "cut" else 1)  # a cut connection is tried anew, once
    [line] = [record.getMessage() for record in caplog.records if record.name == "omni_router"]
    assert f"routing with semantic, because the endpoint {URL} failed: {why}; it will be tried again in 5 s" in line


def test_the_rest_grows_and_ends_with_the_first_answer(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    server, router = both(refused, clock)
    times = []
    with caplog.at_level(logging.INFO):
        for clock.now in range(1500):
            before = len(server.asked)
            router.reply(TALK, TINY_ROUTES)
            times += [clock.now] * (len(server.asked) - before)
        server.answer = lambda _: says(GOOD)
        clock.now = 2000.0
        assert router.reply(TALK, TINY_ROUTES) == Reply(GOOD)
    assert times == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215]
    assert [record.levelname for record in caplog.records if record.name == "omni_router"] == ["WARNING", "INFO"]


def test_while_one_thread_asks_whether_it_is_back_others_do_not_wait(clock: Clock) -> None:
    server, router = both(refused, clock)
    router.reply(TALK, TINY_ROUTES)
    clock.now = 6.0
    go_on = threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        go_on.wait(10)
        return refused(request)

    server.answer = hang
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(router.reply, TALK, TINY_ROUTES)
        while len(server.asked) < 2:
            time.sleep(0.01)
        assert router.reply(TALK, TINY_ROUTES) == SECOND
        go_on.set()
        assert probe.result() == SECOND
    assert len(server.asked) == 2


NONSENSE = ["I cannot help with that.", "", None, '{"route": "cooking"}', '{"model": "a/b"}', [{"type": "text"}]]


@pytest.mark.parametrize("content", NONSENSE)
def test_nonsense_falls_through_and_rests_only_when_it_goes_on(
    content: object, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server, router = both(lambda _: says(content), clock)
    with caplog.at_level(logging.INFO):
        assert [router.reply(TALK, TINY_ROUTES) for _ in range(5)] == [SECOND] * 5
    assert len(server.asked) == 3
    lines = [record.getMessage() for record in caplog.records if record.name == "omni_router"]
    assert [line.rpartition("; ")[2] for line in lines] == [
        "it will be tried again with the next request",
        "it will be tried again in 5 s, later if it keeps failing",
    ]


def test_one_odd_reply_does_not_cost_the_next_request_its_router(clock: Clock) -> None:
    server, router = both(lambda _: says("hm"), clock)
    assert router.reply(TALK, TINY_ROUTES) == SECOND
    server.answer = lambda _: says(GOOD)
    assert router.reply(TALK, TINY_ROUTES) == Reply(GOOD)


@pytest.mark.parametrize(
    "content", [GOOD, f"<think>hm</think>{GOOD}", "{'route': 'Code_Generation'}", '{"route":"OTHER"}']
)
def test_replies_are_read_as_those_of_arch(content: str) -> None:
    assert endpoint(lambda _: says(content)).reply(TALK, TINY_ROUTES) == Reply(content)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_is_an_error_on_first_use_and_one_line_afterwards(
    status: int, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    echo = lambda request: httpx.Response(status, text=f"no:\n {request.headers['authorization']} " + "x" * 999)  # noqa: E731
    server, router = both(echo, clock)
    with pytest.raises(ConfigurationError, match="OMNI_ROUTER_API_KEY") as caught:
        router.reply(TALK, TINY_ROUTES)
    assert f"HTTP {status}: no: Bearer *** x" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(str(caught.value)) < 600
    with caplog.at_level(logging.DEBUG, "omni_router"):
        assert [router.reply(TALK, TINY_ROUTES) for _ in range(3)] == [SECOND] * 3
    assert len(server.asked) == 2
    assert len([record for record in caplog.records if record.name == "omni_router"]) == 1
    assert KEY not in caplog.text


@pytest.mark.parametrize("before", [lambda _: says(GOOD), refused], ids=["answered", "was down"])
def test_a_key_that_stops_working_stops_nothing(before: Answer, clock: Clock) -> None:
    server, router = both(before, clock)
    router.reply(TALK, TINY_ROUTES)
    server.answer, clock.now = lambda _: httpx.Response(401), 10.0
    assert router.reply(TALK, TINY_ROUTES) == SECOND


def test_the_request_is_greedy_bounded_and_names_what_is_on_offer() -> None:
    server = Server(lambda _: says(GOOD))
    endpoint(server).reply(TALK, TINY_ROUTES)
    [body] = server.bodies
    assert body.pop("messages") == [{"role": "user", "content": json_prompt(TALK, TINY_ROUTES)}]
    schema = body.pop("response_format")
    assert schema == {
        "type": "json_schema",
        "json_schema": {"name": "choice", "strict": True, "schema": reply_schema(TINY_ROUTES, "json")},
    }
    assert body == {"model": "sandbox/router", "temperature": 0, "frequency_penalty": 0, "max_tokens": 128}
    assert str(server.asked[0].url) == f"{URL}/v1/chat/completions"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_schema_goes_with_the_prompt_form() -> None:
    names = [route.name for route in TINY_ROUTES] + ["other"]
    models = ["sandbox/text-generation-1", "sandbox/text-to-image-1", "sandbox/image-text-to-text-1", None]
    assert reply_schema(TINY_ROUTES, "json") == {
        "type": "object",
        "properties": {
            "route": {"type": "string", "enum": names},
            "model": {"type": ["string", "null"], "enum": models},
            "reason": {"type": "string"},
        },
        "required": ["route", "model", "reason"],
        "additionalProperties": False,
    }
    server = Server(lambda _: says("{'route': 'code_generation'}"))
    endpoint(server, prompt="trained").reply(TALK, TINY_ROUTES)
    [body] = server.bodies
    assert body["messages"][0]["content"] == trained_prompt(TALK, TINY_ROUTES)
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["route"]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_schema_is_asked_without_it_from_then_on(status: int) -> None:
    strict = Server(lambda request: httpx.Response(status) if b"response_format" in request.content else says(GOOD))
    router = endpoint(strict)
    assert [router.reply(TALK, TINY_ROUTES).text for _ in range(3)] == [GOOD] * 3
    assert ["response_format" in body for body in strict.bodies] == [True, False, False, False]


def test_a_request_that_is_refused_without_schema_too_says_nothing_of_the_schema(clock: Clock) -> None:
    server, router = both(lambda _: httpx.Response(400, text="too long: Write a haiku"), clock)
    assert router.reply(TALK, TINY_ROUTES) == SECOND
    server.answer = lambda _: says(GOOD)
    assert router.reply(TALK, TINY_ROUTES) == Reply(GOOD)
    assert ["response_format" in body for body in server.bodies] == [True, False, True]


def test_the_conversation_is_cut_to_the_budget_and_can_always_be_sent() -> None:
    server = Server(lambda _: says(GOOD))
    for unit in ("word ", "\u4e2d", "\U0001f98a", "\ud800"):
        endpoint(server).reply([Turn(role="user", content=unit * 100_000)], TINY_ROUTES)
    prompts = [body["messages"][0]["content"] for body in server.bodies]
    assert max(map(estimated_tokens, prompts)) <= 4096
    assert min(map(len, prompts)) > 3000
    assert not any("\ud800" in prompt for prompt in prompts)


def test_a_stale_connection_is_replaced_unnoticed() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        if len(server.asked) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return says(GOOD)

    server = Server(answer)
    assert endpoint(server).reply(TALK, TINY_ROUTES) == Reply(GOOD)


BAD_URLS = [
    "",
    "localhost:8000",
    "ftp://a.test",
    "http://",
    "http://u:pass@a.test",
    "http://a.test/?key=pass",
    "http://a:b",
    "http://a..b",
    "http://xn--a.test",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_cannot_be_used_is_named_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--router-url") as caught:
        EndpointRouter(url, "m")
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("base", ["/x/v1", "/x/v1/", "/x", "/x/v1/chat/completions"])
def test_a_base_with_a_path_keeps_it(base: str) -> None:
    server = Server(lambda _: says(GOOD))
    EndpointRouter(URL + base, "m", transport=httpx.MockTransport(server)).reply(TALK, TINY_ROUTES)
    assert server.asked[0].url.path == "/x/v1/chat/completions"
    assert "authorization" not in server.asked[0].headers


def test_a_whole_address_need_not_have_v1() -> None:
    server = Server(lambda _: says(GOOD))
    url = f"{URL}/openai/chat/completions"
    EndpointRouter(url, "m", transport=httpx.MockTransport(server)).reply(TALK, TINY_ROUTES)
    assert server.asked[0].url.path == "/openai/chat/completions"


@pytest.mark.parametrize("key", ["a\nb", "a b", "schl\u00fcssel"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="OMNI_ROUTER_API_KEY") as caught:
        EndpointRouter(URL, "m", key=key)
    assert key not in str(caught.value)


def test_the_environment_chooses_it_once_and_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ROUTER_URL", URL)
    monkeypatch.setenv("OMNI_ROUTER_API_KEY", KEY)
    environment = Environment.read(router="endpoint")
    router = choose_router(environment)
    assert isinstance(router, FallbackRouter)
    assert choose_router(Environment.read(router="endpoint")) is router
    assert environment.router_timeout == 2
    assert KEY not in repr(environment)


def test_what_is_missing_or_wrong_ends_with_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["--prompt", "hi", "--router", "endpoint", "--sandbox"]
    assert main(args) == 2
    assert "set --router-url or OMNI_ROUTER_URL" in capsys.readouterr().err
    assert main([*args, "--router-url", "localhost:8000"]) == 2
    assert "is not http(s)://" in capsys.readouterr().err
    for wrong in ("soon", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("OMNI_ROUTER_TIMEOUT", wrong)
        assert main([*args, "--router-url", URL]) == 2
        assert (
            f"OMNI_ROUTER_TIMEOUT must be a number of seconds greater than 0, not {wrong!r}" in capsys.readouterr().err
        )


def test_importing_it_loads_neither_langgraph_nor_torch() -> None:
    code = (
        "import sys, omni_router.routers.endpoint.router, omni_router.routers.endpoint.fallback\n"
        "print(sorted({'torch', 'transformers', 'langchain_core', 'langgraph', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
