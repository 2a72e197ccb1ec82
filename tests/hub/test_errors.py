"""What the client's failures mean: every row of the table, every fault of the sandbox, and no token anywhere."""

import asyncio
import binascii
import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    GatedRepoError,
    GenerationError,
    HfHubHTTPError,
    IncompleteGenerationError,
    InferenceTimeoutError,
    OfflineModeIsEnabled,
    OverloadedError,
    RepositoryNotFoundError,
    TextGenerationError,
    UnknownError,
    ValidationError,
)
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.graph import END, START, StateGraph
from PIL import UnidentifiedImageError
from typing_extensions import TypedDict

from omni_router._sandbox import FAULTS, SANDBOX_TOKEN, Sandbox, drawing
from omni_router.config.settings import Settings
from omni_router.errors import KINDS, BadImage, ErrorKind, SpecialistError
from omni_router.hub.client import HubInference
from omni_router.hub.errors import DETAIL_CHARS, kind_of, scrub, specialist_errors
from tests.support.error_kinds import COMMON

SETTINGS = Settings(timeout=5)
TOKEN = "hf_VerySecret123"
MODEL = "acme/painter-2"
CHAT, VISION, CAPTION = "sandbox/text-generation-1", "sandbox/image-text-to-text-1", "sandbox/image-to-text-1"
BYTES, BASE64, ADDRESS, OUTPUT = (f"sandbox/text-to-image-{number}" for number in (1, 2, 3, 4))
WEB = "https://pictures.example/flower.png"


def response(status: int, body: Any = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(
        status,
        content=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=httpx.Request("POST", "https://router.huggingface.co/v1/chat/completions"),
    )


def http(status: int, body: Any = None, **headers: str) -> HfHubHTTPError:
    return HfHubHTTPError(f"{status} of the server", response=response(status, body, **headers))


def failure_of(error: BaseException, token: str | None = TOKEN) -> SpecialistError:
    with pytest.raises(SpecialistError) as caught, specialist_errors(MODEL, token):
        raise error
    return caught.value


def failing(call: Callable[[], object]) -> SpecialistError:
    with pytest.raises(SpecialistError) as caught:
        call()
    assert caught.value.kind in KINDS
    return caught.value


# ---- the table


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "bad_request"), (401, "token"), (402, "payment"), (403, "token"), (404, "not_found")),
        *((408, "timeout"), (410, "not_found"), (413, "bad_request"), (415, "bad_request"), (418, "bad_request")),
        *((422, "bad_request"), (424, "overloaded"), (429, "rate_limited"), (500, "overloaded"), (501, "overloaded")),
        *((502, "overloaded"), (503, "overloaded"), (504, "timeout"), (520, "overloaded"), (599, "overloaded")),
    ],
)
def test_a_status_has_one_kind_whatever_the_text_says(status: int, kind: ErrorKind) -> None:
    bodies: list[Any] = [
        {"error": "401 402 404 429 timeout"},
        b"<html>503</html>",
        b"",
        [],
        None,
        "text",
        {"error": None},
    ]
    for body in bodies:
        failure = failure_of(http(status, body))
        assert (failure.kind, failure.model, failure.cause) == (kind, MODEL, f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 404, 422, 500])
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_code_model_not_supported_wins_over_the_status(status: int, *, wrapped: bool) -> None:
    body = {"message": "no provider has it", "code": "model_not_supported"}
    failure = failure_of(http(status, {"error": body} if wrapped else body))
    assert failure.kind == "not_found"
    assert failure.detail == "no provider has it"


@pytest.mark.parametrize("code", [None, 7, "", [], {}, "other_code"])
def test_a_code_nobody_knows_leaves_it_to_the_status(code: Any) -> None:
    assert failure_of(http(429, {"error": {"message": "m", "code": code}})).kind == "rate_limited"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StopIteration(), "no_provider"),
        (BadRequestError("bad", response=response(400)), "bad_request"),
        (GatedRepoError("gated", response=response(403)), "token"),
        (RepositoryNotFoundError("gone", response=response(401)), "not_found"),
        (RepositoryNotFoundError("gone", response=response(404)), "not_found"),
        (DisabledRepoError("disabled", response=response(403)), "token"),
        (InferenceTimeoutError("slow"), "timeout"),
        (OverloadedError("busy"), "overloaded"),
        (ValidationError("too long"), "bad_request"),
        *((kind("frame"), "malformed_answer") for kind in (GenerationError, UnknownError, TextGenerationError)),
        (IncompleteGenerationError("frame"), "malformed_answer"),
        (OfflineModeIsEnabled("offline"), "connection"),
        *((kind("slow"), "timeout") for kind in (httpx.ReadTimeout, httpx.ConnectTimeout, httpx.PoolTimeout)),
        *((kind("slow"), "timeout") for kind in (httpx.WriteTimeout, TimeoutError)),
        *((kind("broken"), "connection") for kind in (httpx.ConnectError, httpx.ProxyError)),
        *((kind("hung up"), "overloaded") for kind in (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)),
        *((kind("broken"), "connection") for kind in (ConnectionError, ConnectionResetError, BrokenPipeError)),
        *((kind("odd"), "malformed_answer") for kind in (httpx.DecodingError, httpx.TooManyRedirects)),
        (httpx.InvalidURL("odd"), "malformed_answer"),
        (json.JSONDecodeError("odd", "doc", 0), "malformed_answer"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), "malformed_answer"),
        (UnidentifiedImageError("odd"), "malformed_answer"),
        (binascii.Error("odd"), "malformed_answer"),
        *((kind("odd"), "malformed_answer") for kind in (KeyError, IndexError, TypeError, AttributeError, ValueError)),
        (BadImage("no picture"), "bad_image"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_every_row_of_the_table(error: Exception, kind: ErrorKind) -> None:
    failure = failure_of(error)
    assert failure.kind == kind
    assert failure.info["kind"] == kind
    assert failure.info["message"]
    assert failure.info["hint"]
    assert failure.info["cause"]
    assert MODEL in failure.info["message"] or "{model}" not in KINDS[kind].message


def test_stop_iteration_is_known_in_each_of_its_disguises() -> None:
    def generator() -> Any:
        yield next(iter(()))

    async def coroutine() -> None:
        next(iter(()))

    for raise_it in (lambda: next(generator()), lambda: asyncio.run(coroutine())):
        with pytest.raises(RuntimeError) as caught:
            raise_it()
        failure = failure_of(caught.value)
        assert (failure.kind, failure.cause) == ("no_provider", "StopIteration")


@pytest.mark.parametrize(
    "error",
    [
        *(ZeroDivisionError("bug"), RuntimeError("bug"), AssertionError("bug"), OSError(28, "disk full")),
        *(MemoryError(), NotImplementedError("bug"), KeyboardInterrupt(), SystemExit(3)),
    ],
    ids=repr,
)
def test_what_the_table_does_not_know_passes_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, specialist_errors(MODEL, TOKEN):
        raise error
    assert caught.value is error
    assert kind_of(error) is None


def test_a_specialist_error_passes_unchanged() -> None:
    error = SpecialistError("refused", model=MODEL, cause="finish_reason content_filter")
    assert failure_of(error) is error


def test_the_cause_is_kept_for_a_developer() -> None:
    error = http(503)
    assert failure_of(error).__cause__ is error


# ---- the failure that it becomes


def test_detail_is_the_servers_text_on_one_line_and_bounded() -> None:
    assert failure_of(http(400, {"error": "too\n  long"})).detail == "too long"
    assert failure_of(http(400, {"error": {"message": "inner"}})).detail == "inner"
    assert failure_of(http(400, {"message": "bare"})).detail == "bare"
    assert failure_of(http(403, b"", x_error_message="from the header")).detail == "from the header"
    assert failure_of(http(500, b"<html>page</html>")).detail == ""
    assert len(failure_of(http(400, {"error": "x" * 5000})).detail) == DETAIL_CHARS


def test_a_stream_that_nobody_read_is_not_a_second_error() -> None:
    answer = httpx.Response(503, stream=httpx.ByteStream(b"{}"), request=httpx.Request("POST", "https://x.example/"))
    assert failure_of(HfHubHTTPError("busy", response=answer)).kind == "overloaded"


@pytest.mark.parametrize(
    "message", [f"token {TOKEN} is bad", f"{TOKEN}", "other hf_AnotherOne99 here", f"x{TOKEN * 2}y"]
)
def test_no_token_is_left_in_a_failure(message: str) -> None:
    for failure in (
        failure_of(http(401, {"error": message})),
        failure_of(http(403, b"", x_error_message=message)),
        failure_of(BadImage(message)),
        failure_of(http(401, {"error": f"{'x' * (DETAIL_CHARS - 8)}{message}"})),
    ):
        for text in (str(failure), failure.detail, failure.cause, repr(failure.info)):
            assert TOKEN not in text
            assert "hf_AnotherOne99" not in text
            assert "VerySecret" not in text
            assert "hf_Very" not in text


def test_a_token_of_any_form_is_blacked_out_when_it_is_the_runs_own() -> None:
    assert scrub("a hf_oauth.with-dots.x b", "hf_oauth.with-dots.x") == "a hf_*** b"
    assert scrub("a jwt.token b", "jwt.token") == "a hf_*** b"
    assert scrub("nothing of it", TOKEN) == "nothing of it"
    assert scrub("nothing of it", None) == "nothing of it"


# ---- every fault of the sandbox, through the real client

ALWAYS: dict[str, ErrorKind] = {  # whatever the specialist
    **COMMON,
    "stream_cut": "overloaded",
    "stream_cut_at_start": "overloaded",
}
BENT: dict[str, ErrorKind] = {  # a 200 of another shape; replicate's is waited for by the client, which is a timeout
    "error_body": "malformed_answer",
    "null_content": "malformed_answer",
    "no_choices": "malformed_answer",
    "stream_error_frame": "malformed_answer",
}
HUB: dict[str, ErrorKind] = {  # on the way to who serves a model; chat with "auto" does not ask
    "no_provider": "no_provider",
    "hub_503": "overloaded",
    "hub_timeout": "timeout",
    "hub_refused_connection": "connection",
}


def chat(model: str = CHAT, provider: str | None = None) -> AIMessage:
    return HubInference().chat(model, provider, [HumanMessage("Hello")], SETTINGS)


class Talk(TypedDict):
    answer: str


def chat_streamed() -> AIMessage:
    """Chat in a graph of one node, whose tokens are listened to: LangChain streams then."""

    def node(state: Talk) -> Talk:
        return {"answer": str(chat().content)}

    graph = StateGraph(Talk).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()
    pieces: list[Any] = list(graph.stream({"answer": ""}, stream_mode="messages"))
    assert len(pieces) > 3
    return AIMessage("".join(message.content for message, _ in pieces))


def paint(model: str) -> object:
    return HubInference().text_to_image(model, None, "a cat", SETTINGS)


def describe(url: str = WEB) -> str:
    return HubInference().image_to_text(CAPTION, None, url, SETTINGS)


CALLS: dict[str, Callable[[], object]] = {
    "chat": chat,
    "chat streamed": chat_streamed,
    "picture as bytes": lambda: paint(BYTES),
    "picture as base64": lambda: paint(BASE64),
    "picture at an address": lambda: paint(ADDRESS),
    "picture as output": lambda: paint(OUTPUT),
    "caption": describe,
}
PICTURES = [name for name in CALLS if name.startswith("picture")]
FETCHED = ["picture at an address", "picture as output"]

EXPECTED: list[tuple[str, str, ErrorKind]] = [
    *((fault, call, kind) for fault, kind in ALWAYS.items() for call in CALLS),
    *(
        (fault, call, "timeout" if call == "picture as output" else kind)
        for fault, kind in BENT.items()
        for call in CALLS
    ),
    *((fault, call, kind) for fault, kind in HUB.items() for call in [*PICTURES, "caption"]),
    *(("content_filter", call, "refused") for call in ("chat", "chat streamed")),
    *(("content_filter", call, "bad_request") for call in [*PICTURES, "caption"]),  # they have no finish_reason
    *(("not_an_image", call, "malformed_answer") for call in CALLS if call not in ("caption", "chat streamed")),
    *((fault, call, "malformed_answer") for fault in ("web_404", "web_html") for call in FETCHED),
    *((fault, "caption", "bad_image") for fault in ("web_404", "web_html")),
]


def test_no_fault_of_the_sandbox_is_forgotten_here() -> None:
    catalogs = {name for name, fault in FAULTS.items() if fault.where in ("catalog", "boards")}  # no call meets those
    assert {fault for fault, _, _ in EXPECTED} == set(FAULTS) - catalogs


@pytest.mark.parametrize("call", CALLS)
def test_every_call_answers_when_nothing_is_wrong(sandbox: Sandbox, call: str) -> None:
    assert CALLS[call]()


@pytest.mark.parametrize(("fault", "call", "kind"), EXPECTED)
def test_a_fault_ends_in_its_kind(sandbox: Sandbox, fault: str, call: str, kind: ErrorKind) -> None:
    sandbox.fail(fault, times=10)
    failure = failing(CALLS[call])
    assert failure.kind == kind
    assert SANDBOX_TOKEN not in f"{failure} {failure.detail} {failure.info}"


@pytest.mark.parametrize("fault", HUB)
def test_a_chat_with_a_named_provider_asks_the_hub_for_nothing(sandbox: Sandbox, fault: str) -> None:
    """The router takes the provider with the id; a look-up would stand before every first answer of a model."""
    sandbox.fail(fault, times=10)
    assert chat(provider="together")
    assert [record.method for record in sandbox.requests] == ["POST"]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: paint("sandbox/text-to-image-8"), "no_provider"),  # no mapping
        (lambda: paint("sandbox/text-to-image-9"), "no_provider"),  # an empty one
        (lambda: paint(CHAT), "no_provider"),  # none for this task
        (lambda: paint(MODEL), "not_found"),
        (lambda: chat("sandbox/text-generation-8"), "not_found"),  # "auto" leaves it to the server
        (lambda: chat("sandbox/text-generation-9"), "not_found"),
        (lambda: chat("sandbox/text-generation-9", "together"), "not_found"),
        (lambda: chat(CHAT, "novita"), "not_found"),  # others serve it
        (lambda: chat(CHAT, "nobody"), "not_found"),
        (lambda: chat(MODEL), "not_found"),
        (lambda: chat(MODEL, "together"), "not_found"),
    ],
)
def test_a_model_that_nobody_serves_is_distinguished_from_one_that_does_not_exist(
    sandbox: Sandbox, call: Callable[[], object], kind: ErrorKind
) -> None:
    assert failing(call).kind == kind


def test_a_picture_that_breaks_off_is_a_malformed_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = drawing.draw
    monkeypatch.setattr(drawing, "draw", lambda *args: real(*args)[:400])
    for model in (BYTES, BASE64, ADDRESS):
        assert failing(partial(paint, model)).kind == "malformed_answer"


def test_a_slow_specialist_is_given_up_after_the_settings_timeout(sandbox: Sandbox) -> None:
    sandbox.latency = 5
    failure = failing(lambda: HubInference().chat(CHAT, None, [HumanMessage("Hello")], Settings(timeout=0.05)))
    assert failure.kind == "timeout"


def test_a_bad_picture_ends_the_call_before_the_specialist_is_asked(sandbox: Sandbox) -> None:
    for url in ("data:image/png;base64,ÄÖ", "data:image/png;base64,AAAA", "file:///etc/passwd"):
        assert failing(partial(describe, url)).kind == "bad_image"
    assert [record for record in sandbox.requests if record.method == "POST"] == []


def test_every_kind_that_ends_a_call_says_what_to_do_next(sandbox: Sandbox) -> None:
    failure = failing(lambda: paint("sandbox/text-to-image-9"))
    assert "No inference provider serves sandbox/text-to-image-9" in failure.info["message"]
    assert "token" in failure.info["hint"]
    assert "another model" in failure.info["hint"]


# ---- tokens


def test_without_a_token_nothing_is_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubInference, "token", lambda _: None)
    for call in (chat, lambda: paint(BYTES), describe):
        failure = failing(call)
        assert failure.kind == "token"
        assert "HF_TOKEN" in failure.info["hint"]
    assert sandbox.requests == []


@pytest.mark.parametrize("token", ["sk-of-a-provider", "abc", "Bearer hf_x"])
def test_a_token_that_is_not_of_the_hub_is_sent_to_nobody(sandbox: Sandbox, token: str) -> None:
    failure = failing(lambda: HubInference(token).text_to_image(BYTES, None, "a cat", SETTINGS))
    assert failure.kind == "token"
    assert token not in f"{failure} {failure.info}"
    assert sandbox.requests == []


def test_a_wrong_token_is_reported_as_such(sandbox: Sandbox) -> None:
    failure = failing(lambda: HubInference("hf_wrong").chat(CHAT, None, [HumanMessage("Hello")], SETTINGS))
    assert (failure.kind, failure.cause) == ("token", "HTTP 401")


class Listener(BaseCallbackHandler):
    """Keeps whatever LangChain hands to tracers."""

    raise_error = True

    def __init__(self) -> None:
        self.heard: dict[str, str] = {}

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: uuid.UUID, **kwargs: Any
    ) -> None:
        self.heard["start"] = repr((serialized, messages, kwargs))

    def on_llm_end(self, response: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        self.heard["end"] = repr((response, kwargs))

    def on_llm_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        self.heard["error"] = repr((error, str(error), kwargs))


@pytest.mark.parametrize("fault", [None, "token_401", "error_body"])
def test_the_token_is_in_nothing_that_langchain_hands_to_a_tracer(sandbox: Sandbox, fault: str | None) -> None:
    listener = Listener()
    if fault:
        sandbox.fail(fault)

    def call() -> None:
        try:
            HubInference(TOKEN).chat(CHAT, None, [HumanMessage("Hello")], SETTINGS)
        except SpecialistError:
            assert fault

    with set_config_context(RunnableConfig(callbacks=[listener])) as context:
        context.run(call)
    assert set(listener.heard) == {"start", "error" if fault else "end"}
    assert "Hello" in listener.heard["start"]
    assert TOKEN not in "".join(listener.heard.values())
    assert {record.token for record in sandbox.requests} == {TOKEN}
