"""What fails under /v1: the status, the shape OpenAI's clients read, and the hint; before a stream and within it."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import openai
import pytest
from openai import OpenAI

from omni_router import Services
from omni_router._sandbox import FAULTS, Sandbox
from omni_router.errors import ConfigurationError, ErrorKind, describe, hint_for
from omni_router.hints import HTTP
from omni_router.server.openai.errors import KIND_STATUS, as_api_error, failed_run
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

QUESTION: Any = [{"role": "user", "content": "How do tides work?"}]
TOOL: Any = [{"type": "function", "function": {"name": "f"}}]


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


def post(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/chat/completions", json={"model": "omni", "messages": QUESTION, **body})


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_every_kind_of_error_has_a_status() -> None:
    assert set(KIND_STATUS) == set(get_args(ErrorKind))


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_the_hint_reaches_the_client_whatever_the_kind(kind: ErrorKind) -> None:
    response = failed_run(describe(kind, TEXT, retry_after=1.2), headers={}, omni={})
    assert hint_for(kind, HTTP) in response.body["error"]["message"]
    assert response.headers["retry-after"] == "2"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("token_401", 401, "token"),
        ("payment_402", 402, "insufficient_quota"),
        ("not_found_404", 404, "model_not_found"),
        ("rate_limited_429", 429, "rate_limit_exceeded"),
        ("overloaded_503", 503, "overloaded"),
        ("gateway_timeout_504", 504, "timeout"),
        ("refused_connection", 502, "connection"),
        ("bad_request_400", 400, "bad_request"),
        ("html_body", 502, "malformed_answer"),
    ],
)
def test_a_failure_before_the_first_token_gives_a_status(  # noqa: PLR0913
    url: str, sandbox: Sandbox, fault: str, status: int, code: str, *, stream: bool
) -> None:
    sandbox.fail(fault, times=99)
    response = post(url, stream=stream)
    assert (response.status_code, error_of(response)["code"]) == (status, code)
    assert response.headers["x-omni-route"] == "question_answering"
    assert response.json()["omni"]["attempts"]
    assert response.headers["x-should-retry"] == ("true" if status in (429, 502, 503, 504) else "false")
    assert response.headers.get("retry-after") == ("2" if status == 429 else None)


def test_openais_client_raises_its_own_errors(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("payment_402")
    with OpenAI(base_url=url, api_key="none") as client:
        with pytest.raises(openai.APIStatusError, match="Add credit") as caught:
            client.chat.completions.create(model="omni", messages=QUESTION)
        assert caught.value.code == "insufficient_quota"
        with pytest.raises(openai.NotFoundError, match="omni/question_answering"):
            client.chat.completions.create(model="omni/cooking", messages=QUESTION)


def test_without_a_token_the_answer_is_401_and_says_what_to_set(
    services: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    router.choose("question_answering", TEXT)
    monkeypatch.setattr(type(services.inference), "token", lambda _: None)
    with openai_server(services) as url:
        response = post(url)
    assert response.status_code == 401
    assert "On the server, set HF_TOKEN" in error_of(response)["message"]


@pytest.mark.parametrize("fault", ["stream_cut", "stream_error_frame", "content_filter"])
def test_a_failure_within_a_stream_is_a_frame_after_which_it_ends(url: str, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault)
    frames = post(url, stream=True).text.strip().split("\n\n")
    last = json.loads(frames[-1].removeprefix("data: "))
    assert last["error"]["message"]
    assert last["omni"]["attempts"][0]["partial"]
    assert len(frames) > 3, "what had arrived was passed on"
    assert "[DONE]" not in frames[-1]


def test_openais_client_raises_a_failure_within_a_stream(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("stream_cut")
    with OpenAI(base_url=url, api_key="none") as client:
        stream = client.chat.completions.create(model="omni", messages=QUESTION, stream=True)
        with pytest.raises(openai.APIError, match="could not answer right now"):
            list(stream)


def test_a_refused_request_is_400_with_the_code_content_filter(url: str, sandbox: Sandbox) -> None:
    sandbox.fail("content_filter")
    response = post(url)
    assert (response.status_code, error_of(response)["code"]) == (400, "content_filter")


def test_a_request_that_no_route_fits_is_422(url: str, router: ScriptedRouter) -> None:
    router.choose("other")
    response = post(url, stream=True, omni_fallback_route="none")
    assert (response.status_code, error_of(response)["code"]) == (422, "no_route")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"messages": [', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"messages": "\\ud800"}', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "not an object"),
        (b"", "not valid JSON"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(url: str, body: bytes, message: str) -> None:
    answer = httpx.post(f"{url}/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert message in error_of(answer)["message"]


def test_a_body_that_a_web_page_could_send_unasked_is_415(url: str) -> None:
    answer = httpx.post(f"{url}/chat/completions", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("model", ["gpt-4", "omni/", "omni/cooking", "a/b/c", "", "org/name:Two Words"])
def test_a_model_of_another_form_is_404_as_openai_has_it(url: str, model: str) -> None:
    response = post(url, model=model)
    assert (response.status_code, error_of(response)["code"], error_of(response)["param"]) == (
        404,
        "model_not_found",
        "model",
    )
    assert "omni" in error_of(response)["message"]


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"n": 2}, "n", "n is 2: allowed is 1; send the request several times"),
        ({"logprobs": True}, "logprobs", "allowed is False"),
        ({"frequency_penalty": 3}, "frequency_penalty", "less than or equal to 2"),
        ({"top_k": "many"}, "top_k", "valid integer"),
        ({"logit_bias": [1]}, "logit_bias", "valid dictionary"),
        ({"functions": [{"name": "f"}]}, "functions", "send them as `tools`"),
        ({"function_call": "auto"}, "function_call", "send `tools`"),
        ({"audio": {"voice": "alloy"}}, "audio", "not served"),
        ({"web_search_options": {}}, "web_search_options", "not served"),
        ({"modalities": ["text", "audio"]}, "modalities", "['text']"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "hot"}, "temperature", "'hot'"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": None}, "messages", "valid list"),
        ({"messages": ["hi"]}, "messages[0]", "role and content"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role", "system, developer, user"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "a string, or a list"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
            "text and image_url",
        ),
        ({"messages": [{"role": "tool", "content": "1"}]}, "messages[0].tool_call_id", "id of the tool call"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type", "'function'"),
        ({"stop": 3}, "stop", "valid string"),
        ({"tool_choice": "maybe"}, "tool_choice", "'auto'"),
        ({"omni_fallback_route": "cooking"}, "omni_fallback_route", "none, casual_conversation, "),
        ({"omni_fallback_route": 3}, "omni_fallback_route", "question_answering"),
        ({"omni_prefer": "cheap"}, "omni_prefer", "one of best, balanced, cheapest, fastest, or a number"),
        ({"omni_prefer": True}, "omni_prefer", "omni_prefer is True"),
        ({"tools": TOOL, "tool_choice": {"type": "function"}}, "tool_choice", '"function": {"name": "..."}}'),
        ({"tools": TOOL, "tool_choice": {"name": "f"}}, "tool_choice", "allowed are auto, none, required, and {"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]},
            "tools[0].function.parameters",
            "a valid dictionary",
        ),
        ({"omni_only": 7}, "omni_only", "a list of patterns like org/*"),
        ({"omni_bill_to": 7}, "omni_bill_to", "allowed is"),
        ({"omni_only": [7]}, "omni_only", "a list of patterns like org/*"),
        ({"omni_max_price": -1}, "omni_max_price", "US dollars for a million tokens"),
        ({"reasoning_effort": "deep"}, "reasoning_effort", "'minimal', 'low', 'medium'"),
        ({"omni_fallback": "cooking"}, "omni_fallback", "Allowed are omni_route, omni_fallback_route"),
    ],
)
def test_a_value_that_is_not_served_is_named_with_what_is(
    url: str, body: dict[str, Any], param: str, says: str
) -> None:
    response = post(url, **body)
    assert response.status_code == 400
    assert error_of(response)["param"] == param
    assert says in error_of(response)["message"]


LONG = "a" * 100_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": QUESTION, f"omni_{LONG}": 1}),
        ("/chat/completions", {"messages": QUESTION, "logit_bias": {LONG: "x"}}),
        ("/decisions", {"state": "x", "questions": {LONG: {"type": "choice"}}}),
        ("/responses", {"input": "x", "tool_choice": {"type": "function", "name": LONG}}),
    ],
)
def test_a_name_that_a_client_chooses_is_not_repeated_whole(url: str, path: str, body: Any) -> None:
    response = httpx.post(f"{url}{path}", json=body)
    assert response.status_code == 400
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    "messages", [[{"role": "assistant", "content": "Hello."}], [{"role": "system", "content": " "}]], ids=str
)
def test_without_a_request_there_is_nothing_to_answer(url: str, messages: list[Any]) -> None:
    response = post(url, messages=messages)
    assert response.status_code == 400
    assert "nothing to answer" in error_of(response)["message"]


def test_what_the_server_has_to_correct_goes_to_its_log_and_not_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    for error in (ConfigurationError("/home/ada/route_config.json is broken"), KeyError("/home/ada")):
        api_error = as_api_error(error)
        assert api_error.status == 500
        assert "ada" not in json.dumps(api_error.body)
    assert "ada" in caplog.text


def test_no_answer_or_failure_holds_a_token(url: str, sandbox: Sandbox, services: Services) -> None:
    for fault in (name for name, fault in FAULTS.items() if fault.status >= 400 and fault.where == "specialist"):
        sandbox.fail(fault)
        for stream in (False, True):
            response = post(url, stream=stream)
            assert str(services.inference.token()) not in response.text + str(response.headers)
