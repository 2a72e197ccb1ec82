"""What fails under /v1/messages: the status, the form that Anthropic's clients read, and whether they try again."""

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from anthropic.types import ErrorResponse
from pydantic import TypeAdapter

from omni_router import Services
from omni_router._sandbox import FAULTS, Sandbox
from omni_router.errors import describe
from omni_router.server.anthropic.errors import error_body
from omni_router.server.openai.errors import failed_run
from omni_router.server.openai.guard import Limits
from tests.support.anthropic_client import QUESTION, events_of, post
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

ERROR: TypeAdapter[Any] = TypeAdapter(ErrorResponse)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of an error that has the client's form."""
    error = response.json()
    if error["error"]["type"] != "request_too_large":  # documented, and missing from the client's types
        ERROR.validate_python(error)
    assert error["type"] == "error"
    assert error["request_id"] == response.headers["request-id"]
    return response.status_code, response.json()["error"]["type"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "type_", "retried"),
    [
        ("token_401", 401, "authentication_error", False),
        ("payment_402", 402, "billing_error", False),
        ("not_found_404", 404, "not_found_error", False),
        ("rate_limited_429", 429, "rate_limit_error", True),
        ("overloaded_503", 529, "overloaded_error", True),
        ("read_timeout", 504, "timeout_error", True),
        ("refused_connection", 502, "api_error", True),
        ("bad_request_400", 400, "invalid_request_error", False),
    ],
)
def test_a_failed_run(  # noqa: PLR0913
    sandbox: Sandbox, url: str, fault: str, status: int, type_: str, *, retried: bool, stream: bool
) -> None:
    assert fault in FAULTS
    sandbox.fail(fault, times=9)
    response = post(url, model=TEXT, stream=stream)
    assert error_of(response) == (status, type_)
    assert response.headers["x-should-retry"] == str(retried).lower()
    assert response.json()["omni"]["error"]["kind"]


def test_the_client_tries_again_when_it_is_worth_it(sandbox: Sandbox, url: str) -> None:
    sandbox.fail("overloaded_503", times=1)
    with Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=1) as client:
        answer = client.messages.create(model=TEXT, max_tokens=500, messages=QUESTION)
        assert answer.content
        sandbox.fail("not_found_404", times=1)
        with pytest.raises(anthropic.NotFoundError) as failure:
            client.messages.create(model=TEXT, max_tokens=500, messages=QUESTION)
    assert (failure.value.type, failure.value.error_code) == ("not_found_error", "model_not_found")
    assert str(failure.value.request_id).startswith("req_")


def test_a_failure_within_a_stream_is_an_event_that_the_client_raises(
    sandbox: Sandbox, url: str, client: Anthropic
) -> None:
    sandbox.fail("stream_cut", times=2)
    *_, last = events_of(url, model=TEXT)
    assert last["type"] == "error"
    assert last["error"]["type"] == "overloaded_error"
    with (
        pytest.raises(anthropic.APIStatusError, match="overloaded"),
        client.messages.stream(model=TEXT, max_tokens=500, messages=QUESTION) as stream,
    ):
        stream.until_done()


@pytest.mark.parametrize(
    ("body", "status", "type_", "message"),
    [
        ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"),
        ({"model": "nowhere"}, 404, "not_found_error", "allowed are omni"),
        ({"model": "claude-some-1"}, 404, "not_found_error", "ANTHROPIC_MODEL"),
        ({"model": "omni", "omni_fallback_route": "x"}, 400, "invalid_request_error", "omni_fallback_route is 'x'"),
    ],
)
def test_a_wrong_request(url: str, body: dict[str, Any], status: int, type_: str, message: str) -> None:
    response = post(url, **body)
    assert error_of(response) == (status, type_)
    assert message in response.json()["error"]["message"]
    assert response.headers["x-should-retry"] == "false"


def test_a_long_conversation_is_named_in_the_words_that_agents_look_for() -> None:
    error = failed_run(describe("bad_request", TEXT, cause="context"), headers={}, omni={})
    body = error_body(error)
    assert body["error"]["message"].startswith("prompt is too long: ")
    assert body["error"]["type"] == "invalid_request_error"


@pytest.fixture
def guarded(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services, limits=Limits(key="s3cret", max_body=1_000)) as url:
        yield url


@pytest.mark.parametrize("place", ["api_key", "auth_token"])  # the SDK's names for x-api-key and for a bearer's token
def test_the_key_is_taken_from_either_header(guarded: str, place: str) -> None:
    address: Any = guarded.removesuffix("/v1")
    sent: Any = {place: "s3cret"}
    with Anthropic(base_url=address, **sent) as client:
        assert client.messages.create(model="omni", max_tokens=500, messages=QUESTION).content
    sent = {place: "s3cre"}
    with Anthropic(base_url=address, **sent) as client, pytest.raises(anthropic.AuthenticationError) as failure:
        client.messages.create(model="omni", max_tokens=500, messages=QUESTION)
    assert (failure.value.type, failure.value.error_code) == ("authentication_error", "invalid_api_key")


def test_a_body_that_is_too_large(guarded: str) -> None:
    headers = {"x-api-key": "s3cret"}
    response = httpx.post(f"{guarded}/messages", headers=headers, json={"messages": "x" * 2_000})
    assert error_of(response) == (413, "request_too_large")


def test_a_busy_server(services: Services) -> None:
    with openai_server(services, limits=Limits(max_concurrent=0)) as url:
        response = post(url)
    assert error_of(response) == (429, "rate_limit_error")
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("1", "true")


def test_a_path_that_is_not_served(url: str) -> None:
    versioned = {"anthropic-version": "2023-06-01"}
    response = httpx.post(f"{url}/messages/batches", headers=versioned, json={})
    assert error_of(response) == (404, "not_found_error")
    assert "code" in httpx.post(f"{url}/nowhere", json={}).json()["error"], "others read OpenAI's form"
    twice = httpx.post(f"{url}/v1/messages", headers=versioned, json={})
    assert "without it" in twice.json()["error"]["message"]
