"""Whatever JSON is sent, it is either read or refused by name: nothing of it is a crash."""

import json
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from langchain_core.messages import AIMessage

from omni_router import Settings
from omni_router.server.openai.bodies import REFUSED, ignored_names, read_as
from omni_router.server.openai.errors import ApiError
from omni_router.server.openai.memory import DecisionMemory
from omni_router.server.openai.messages import read_messages
from omni_router.server.openai.requests import ChatRequest, ImageRequest

leaves = some.one_of(
    some.none(), some.booleans(), some.integers(-3, 3), some.floats(allow_nan=False), some.text(max_size=8)
)
anything = some.recursive(
    leaves, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3)
)
short = some.text(max_size=3)


def like(**fields: Any) -> some.SearchStrategy[Any]:
    """Objects whose fields are mostly as they should be, and sometimes missing or anything."""
    return some.fixed_dictionaries({}, optional={name: field | field | anything for name, field in fields.items()})


parts = like(type=some.sampled_from(["text", "image_url", "refusal"]), text=short, image_url=like(url=short))
arguments = some.sampled_from(["{}", '{"a": 1}', "[1]", "1", "no JSON", "", "[" * 50_000, '{"a": NaN}'])
calls = like(id=short, type=short, function=like(name=short, arguments=arguments))
contents = short | some.lists(parts, max_size=2)
messages = some.one_of(
    *(
        some.builds(lambda rest, role=role: {"role": role, **rest}, fields)
        for role, fields in {
            "user": like(content=contents),
            "system": like(content=contents),
            "assistant": like(content=contents | some.none(), tool_calls=some.lists(calls, min_size=1, max_size=2)),
            "tool": like(content=contents, tool_call_id=short),
        }.items()
    ),
    like(role=short, content=contents),
)
names = some.sampled_from([*ChatRequest.model_fields, *REFUSED, "user", "else"])
bodies = some.dictionaries(names, anything, max_size=2)


def _seconds(work: Callable[[], object]) -> float:
    """Return how long this thread works, at best of three times."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()  # the machine may be busy with others
        work()
        best = min(best, time.thread_time() - began)
    return best


def _known() -> DecisionMemory:
    memory = DecisionMemory()  # one that knows nothing looks nothing up
    answer = AIMessage("yes", response_metadata={"decision": {"model": "acme/chat-1"}})
    memory.remember(answer, "yes", "is it?")
    return memory


def test_sixteen_times_the_messages_take_about_sixteen_times_the_work() -> None:
    def read(count: int) -> object:
        return read_messages([{"role": "assistant", "content": "yes"}] * count, _known())

    few, many = _seconds(lambda: read(500)), _seconds(lambda: read(8000))
    assert many < 40 * few


def test_a_long_request_is_read_once_and_not_once_for_each_answer_after_it() -> None:
    def read(count: int) -> object:
        answers = [{"role": "assistant", "content": "yes"}] * count
        return read_messages([{"role": "user", "content": "why? " * 200_000}, *answers], _known())

    alone, answered = _seconds(lambda: read(1)), _seconds(lambda: read(200))
    assert answered < 20 * alone  # the text alone takes hundreds of times what an answer takes


@pytest.mark.parametrize(
    "value", ["x" * 10**6, [["x"] * 10**5] * 10, {"a": "x" * 10**6}, json.loads("[" * 900 + "]" * 900)]
)
def test_an_error_repeats_only_the_beginning_of_a_wrong_value(value: Any) -> None:
    with pytest.raises(ApiError) as refused:
        read_messages([value], DecisionMemory())
    assert len(str(refused.value)) < 300


@given(message=messages | anything)
@settings(max_examples=1000, deadline=None)
def test_any_message_is_read_or_refused(message: Any) -> None:
    try:
        read = read_messages([message], DecisionMemory())
    except ApiError as refused:
        error = refused.body["error"]
        assert error["message"].startswith(error["param"])
        return
    assert len(read) == 1
    orjson.dumps([message.model_dump(mode="json") for message in read])


@given(body=bodies)
@settings(max_examples=500, deadline=None)
def test_any_chat_is_read_or_refused(body: Any) -> None:
    try:
        Settings(**read_as(ChatRequest, {"messages": [{}], **body}).settings())
        assert set(ignored_names(ChatRequest, body)) <= {"user", "else"}
    except ApiError as refused:
        assert refused.status == 400  # noqa: PT017 (whether it is raised is left open)


@given(body=some.dictionaries(some.sampled_from([*ImageRequest.model_fields, *REFUSED, "user"]), anything, max_size=2))
@settings(max_examples=200, deadline=None)
def test_any_request_for_a_picture_is_read_or_refused(body: Any) -> None:
    try:
        read_as(ImageRequest, {"prompt": "a fox", **body}).settings()
    except ApiError as refused:
        assert refused.status == 400  # noqa: PT017
