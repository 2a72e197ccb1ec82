"""Whatever a provider answers, a call gives an answer or a SpecialistError, and never ends a run with a traceback."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from langchain_core.messages import HumanMessage

from omni_router._sandbox import Sandbox
from omni_router.config.settings import Settings
from omni_router.errors import KINDS, SpecialistError
from omni_router.history.cooldowns import next_cooldowns
from omni_router.history.protocol import UsageRecord
from omni_router.hub.client import HubInference
from omni_router.hub.errors import LONGEST_WAIT, specialist_errors
from omni_router.hub.listing import read_chat_model
from tests.support.foreign_model import Foreign, foreign_model

SETTINGS = Settings(timeout=5)
CHAT, CAPTION = "sandbox/text-generation-1", "sandbox/image-to-text-1"
BYTES, BASE64, ADDRESS = (f"sandbox/text-to-image-{number}" for number in (1, 2, 3))
DEEP = b"[" * 200_000


@pytest.fixture
def foreign(sandbox: Sandbox) -> Iterator[Foreign]:
    with foreign_model(sandbox) as model:
        yield model


def chat() -> object:
    return HubInference().chat(CHAT, None, [HumanMessage("Hello")], SETTINGS)


def chat_streamed() -> object:
    from tests.hub.test_errors import chat_streamed as streamed

    return streamed()


def paint(model: str) -> object:
    return HubInference().text_to_image(model, None, "a cat", SETTINGS)


def describe() -> object:
    return HubInference().image_to_text(CAPTION, None, "https://pictures.example/flower.png", SETTINGS)


CALLS: dict[str, Callable[[], object]] = {
    "chat": chat,
    "bytes": lambda: paint(BYTES),
    "base64": lambda: paint(BASE64),
    "address": lambda: paint(ADDRESS),
    "caption": describe,
}

numbers = some.sampled_from([0, -1, True, 10**30, 10**400, 1e308, math.inf, math.nan])
leaves = some.none() | numbers | some.text(max_size=4) | some.sampled_from(["stop", "assistant", "AAAA", "http://["])
names = some.sampled_from(["choices", "message", "content", "error", "data", "b64_json", "images", "url", "tool_calls"])
anything = some.recursive(
    leaves, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(names, inner, max_size=3), max_leaves=8
)


def like(**fields: Any) -> some.SearchStrategy[Any]:
    """Objects whose fields are mostly as they should be, and sometimes missing or anything."""
    return some.fixed_dictionaries({}, optional={name: field | field | anything for name, field in fields.items()})


functions = like(name=some.just("f"), arguments=some.sampled_from(["{}", "[1]", "no JSON", "[" * 50_000]))
tool_calls = some.lists(like(id=some.just("1"), type=some.just("function"), function=functions), max_size=2)
assistant_message = like(role=some.just("assistant"), content=some.just("hi"), tool_calls=tool_calls)
choices = some.lists(
    like(index=some.just(0), message=assistant_message, delta=assistant_message, finish_reason=some.just("stop")),
    max_size=2,
)
usages = like(prompt_tokens=numbers, completion_tokens=numbers, total_tokens=numbers)
images = some.lists(like(b64_json=leaves, url=leaves), max_size=2)
answers = like(id=some.just("1"), choices=choices, usage=usages, data=images, images=images) | anything
bodies = answers.map(lambda data: json.dumps(data).encode()) | some.binary(max_size=20)


@pytest.mark.parametrize("name", CALLS)
def test_any_body_is_an_answer_or_a_failure_of_the_specialist(name: str, foreign: Foreign) -> None:
    @given(body=bodies, status=some.sampled_from([200, 200, 200, 400, 503]))
    @example(DEEP, 200)
    @example(DEEP, 400)
    @example(b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}", 400)
    @example(b'{"choices": ' + DEEP, 200)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(body: bytes, status: int) -> None:
        foreign.answer = lambda: httpx.Response(status, content=body, headers={"content-type": "application/json"})
        try:
            CALLS[name]()
        except SpecialistError as failure:
            assert failure.kind in KINDS  # noqa: PT017 (an answer is right, too)

    check()


@pytest.mark.parametrize(
    "frame", [b"data: " + DEEP, b'data: {"choices": ' + DEEP, b"data: [1]", b'data: {"choices": 7}']
)
def test_any_frame_of_a_stream_is_an_answer_or_a_failure_of_the_specialist(frame: bytes, foreign: Foreign) -> None:
    content = frame + b"\n\ndata: [DONE]\n\n"
    foreign.answer = lambda: httpx.Response(200, content=content, headers={"content-type": "text/event-stream"})
    with pytest.raises(SpecialistError) as caught:
        chat_streamed()
    assert caught.value.kind == "malformed_answer"


@pytest.mark.parametrize("name", CALLS)
def test_brackets_without_end_are_a_malformed_answer(name: str, foreign: Foreign) -> None:
    foreign.answer = lambda: httpx.Response(200, content=DEEP, headers={"content-type": "application/json"})
    with pytest.raises(SpecialistError) as caught:
        CALLS[name]()
    assert caught.value.kind == "malformed_answer"


# ---- how long a server asks to wait


def wait_named_by(headers: dict[str, str]) -> float | None:
    response = httpx.Response(429, headers=headers, request=httpx.Request("POST", "https://router.huggingface.co/"))
    with pytest.raises(SpecialistError) as caught, specialist_errors("acme/chat-1"):
        raise HfHubHTTPError("too many requests", response=response)
    wait = caught.value.retry_after
    at = "2026-01-01T00:00:00Z"
    use = UsageRecord(route="code", model="acme/chat-1", at=at, reason="", outcome="rate_limited", retry_after=wait)
    assert next_cooldowns([], use)
    return wait


digits = some.text("0123456789", min_size=1, max_size=5000)
dates = some.datetimes(timezones=some.just(timezone.utc)).map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} ")
zones = some.sampled_from(["GMT", "-0000", "+9999", "-99999999999999", ""])
ascii_text = some.text(some.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(
    retry_after=digits | some.builds("".join, some.tuples(dates, zones)) | ascii_text | some.just("9" * 400),
    limit=some.builds('"api";r=0;t={}'.format, digits) | ascii_text,
)
@example("9" * 400, "")
@example("Wed, 01 Jan 99999999999999999999 00:00:00 GMT", "")
@example("Wed, 01 Jan 2025 00:00:00 -0000", "")
@example("", f'"api";r=0;t={"9" * 5000}')
@example("", f'"api";r=0;t={"9" * 400}')
@settings(max_examples=500, deadline=None)
def test_any_word_on_how_long_to_wait_is_a_wait_or_ignored(retry_after: str, limit: str) -> None:
    wait = wait_named_by({"retry-after": retry_after, "ratelimit": limit})
    assert wait is None or 0 <= wait <= LONGEST_WAIT


def test_a_wait_is_read_from_seconds_dates_and_limits() -> None:
    assert wait_named_by({"retry-after": "7"}) == 7
    soon = datetime.now(timezone.utc) + timedelta(seconds=60)
    assert 0 < (wait_named_by({"retry-after": f"{soon:%a, %d %b %Y %H:%M:%S} GMT"}) or 0) <= 60
    assert 0 < (wait_named_by({"retry-after": f"{soon:%a, %d %b %Y %H:%M:%S} -0000"}) or 0) <= 60
    assert wait_named_by({"ratelimit": '"api";r=0;t=55'}) == 55
    assert wait_named_by({"ratelimit": '"api";r=3;t=55'}) is None
    assert wait_named_by({"retry-after": "9" * 400}) is None


# ---- what the Hub lists


@given(
    card=like(
        id=some.just("acme/chat-1"),
        architecture=like(input_modalities=some.lists(leaves, max_size=2)),
        providers=some.lists(
            like(
                provider=some.just("acme"),
                status=some.just("live"),
                context_length=numbers,
                pricing=like(input=numbers, output=numbers),
                supports_tools=leaves,
            ),
            max_size=2,
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_any_card_of_a_chat_model_is_read(card: dict[str, Any]) -> None:
    if not isinstance(card.get("id"), str):
        return
    for offer in read_chat_model(card)["providers"]:
        for number in (offer["context_length"], offer["input_price"], offer["output_price"]):
            assert number is None or (0 <= number < 10**12 and not isinstance(number, bool))
