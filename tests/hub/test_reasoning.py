"""Models that reason, called with the real client: what arrives, what is sent back, and how much room they get."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langchain_huggingface.chat_models import huggingface as library

from omni_router import Settings
from omni_router._sandbox import Reasoning, Sandbox
from omni_router.errors import SpecialistError
from omni_router.hub import chat_call
from omni_router.hub.answer_limits import MAX_ANSWER_TOKENS
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.hub.reasoning import ReasoningMemory, ThinkTags
from omni_router.messages import for_specialist, reasoning_of
from tests.support.streaming import streamed_chunks

FIRST, SECOND, PLAIN = (f"sandbox/text-generation-{number}" for number in (5, 6, 1))
HELLO: list[AnyMessage] = [HumanMessage("How do tides work?")]
CALL: dict[str, Any] = {"name": "weather", "args": {}, "id": "1", "type": "tool_call"}
RESULT = ToolMessage("rain", tool_call_id="1")


def chat(model: str = FIRST, messages: list[AnyMessage] = HELLO, **settings: Any) -> AIMessage:
    return HubInference().chat(model, None, messages, Settings(**settings))


def calling(model: str = FIRST, reasoning: str = "The tool knows.") -> AIMessage:
    return AIMessage(
        "",
        tool_calls=[CALL],
        additional_kwargs={"reasoning_content": reasoning},
        response_metadata={"decision": {"model": model}},
    )


@pytest.fixture
def bodies(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of chats as they arrive at the sandbox."""
    arrived: list[dict[str, Any]] = []
    handle: Callable[[httpx.Request], httpx.Response] = sandbox.transport.handle_request

    def keep(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            arrived.append(json.loads(request.read()))
        return handle(request)

    monkeypatch.setattr(sandbox.transport, "handle_request", keep)
    return arrived


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What langchain-huggingface knows of the first model."""
    known: dict[str, Any] = {"reasoning_output": True, "max_input_tokens": 100_000, "max_output_tokens": 16_384}
    monkeypatch.setitem(library._MODEL_PROFILES, FIRST, known)
    chat_call._template.cache_clear()
    return known


@pytest.fixture(autouse=True)
def no_templates(sandbox: Sandbox) -> None:
    """Profiles of earlier tests are forgotten."""
    assert sandbox.models()[FIRST].reasoning
    chat_call._template.cache_clear()


# ---- what arrives


@pytest.mark.parametrize("model", [FIRST, SECOND])
def test_reasoning_is_a_content_block_of_its_own_and_no_part_of_the_text(model: str) -> None:
    answer = chat(model)
    reasoning, text = answer.content_blocks
    assert reasoning["type"] == "reasoning"
    assert reasoning["reasoning"].startswith(f"[sandbox] Simulated reasoning of {model}")
    assert text == {"type": "text", "text": answer.text}
    assert "step-" not in answer.text


@pytest.mark.parametrize("model", [FIRST, SECOND])
def test_a_stream_has_the_same_reasoning_in_blocks_before_the_text(model: str) -> None:
    chunks = streamed_chunks(HubInference(), model, HELLO)
    kinds = [block["type"] for chunk in chunks for block in chunk.content_blocks]
    assert kinds.index("text") == kinds.count("reasoning") > 3
    whole: AIMessageChunk = sum(chunks[1:], chunks[0])
    plain = chat(model)
    assert (whole.text, reasoning_of(whole)) == (plain.text, reasoning_of(plain))
    assert whole.usage_metadata == plain.usage_metadata


def test_the_tokens_of_reasoning_are_in_the_usage() -> None:
    usage = chat(reasoning_effort="low").usage_metadata
    assert usage is not None
    assert usage["output_token_details"] == {"reasoning": 12}
    assert usage["output_tokens"] > 12


def test_a_model_that_does_not_reason_answers_as_before() -> None:
    answer = chat(PLAIN)
    assert [block["type"] for block in answer.content_blocks] == ["text"]
    assert answer.usage_metadata is not None
    assert "output_token_details" not in answer.usage_metadata


@pytest.mark.parametrize("effort", ["high", "none"])
def test_reasoning_that_a_provider_leaves_in_the_content_is_taken_out(sandbox: Sandbox, effort: Any) -> None:
    beside = chat(reasoning_effort=effort)
    sandbox.set_reasoning(FIRST, Reasoning("content"))
    plain = chat(reasoning_effort=effort)
    chunks = streamed_chunks(HubInference(), FIRST, HELLO, Settings(reasoning_effort=effort))
    whole: AIMessageChunk = sum(chunks[1:], chunks[0])
    assert plain.text == whole.text == beside.text
    assert reasoning_of(plain).strip() == reasoning_of(whole).strip() == reasoning_of(beside).strip()
    assert "think>" not in str([chunk.content for chunk in chunks])


def test_reasoning_in_the_content_that_is_cut_is_no_answer(sandbox: Sandbox) -> None:
    sandbox.set_reasoning(FIRST, Reasoning("content", default_limit=10))
    for call in (chat, lambda: streamed_chunks(HubInference(), FIRST, HELLO)):
        with pytest.raises(SpecialistError, match="while the model was reasoning"):
            call()


@given(
    some.sampled_from(["", " ", "\n"]),
    some.text("ab<>/think\n ", max_size=30),
    some.text("ab<>/think\n ", max_size=30),
    some.lists(some.integers(0, 80), max_size=12),
)
def test_tags_are_found_wherever_a_content_is_cut_into_pieces(
    blanks: str, reasoning: str, answer: str, cuts: list[int]
) -> None:
    assume("</think>" not in reasoning)
    content = f"{blanks}<think>{reasoning}</think>{answer}"
    assert split(content, cuts) == (reasoning, answer.lstrip())
    assume(not answer.lstrip().startswith("<think>"))
    assert split(answer, cuts) == ("", answer)


def split(content: str, cuts: list[int]) -> tuple[str, str]:
    places = [0, *sorted(cuts), len(content)]
    tags = ThinkTags()
    pieces = [tags.split(content[start:end]) for start, end in pairwise(places)]
    found = [*pieces, tags.rest()]
    return "".join(reasoning for reasoning, _ in found), "".join(text for _, text in found)


@pytest.mark.parametrize("content", ["<think>one </thi", "<thi", "  ", "a <think>b</think>"])
def test_what_was_held_back_is_not_lost(content: str) -> None:
    reasoning, text = split(content, [2, 5])
    assert f"{'<think>' * bool(reasoning)}{reasoning}{text}" == content


# ---- an answer that is none


@pytest.mark.parametrize("call", [chat, lambda: streamed_chunks(HubInference(), FIRST, HELLO)])
def test_an_answer_cut_before_its_first_word_is_none(sandbox: Sandbox, call: Callable[[], object]) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(default_limit=10))
    with pytest.raises(SpecialistError) as caught:
        call()
    assert (caught.value.kind, caught.value.cause) == ("malformed_answer", "finish_reason length")
    assert "the limit of 10 tokens was reached while the model was reasoning" in str(caught.value)
    assert caught.value.partial is None, "no token of an answer was shown"


@pytest.mark.parametrize(("content", "reason", "stop", "accepted"), [
    ("", "stop", (), False), (" \n", "stop", (), False), ("", "length", (), False), ("", "length", ("x",), False),
    ("\n", "length", (), False), ("", None, (), False), ("", "stop", ("x",), True), ("So", "length", (), True),
])  # fmt: skip
def test_what_counts_as_an_answer(content: str, reason: str | None, stop: tuple[str, ...], *, accepted: bool) -> None:
    message = AIMessage(content, response_metadata={"finish_reason": reason})
    with nullcontext() if accepted else pytest.raises(SpecialistError, match="no answer that can be read"):
        chat_call.check_answer(message, FIRST, Settings(stop=stop))


def test_an_answer_cut_after_its_first_word_is_one() -> None:
    answer = chat(max_new_tokens=18)
    assert answer.response_metadata["finish_reason"] == "length"
    assert len(answer.text.split()) == 2


def test_a_stop_sequence_of_the_caller_may_empty_an_answer() -> None:
    assert chat(PLAIN, stop=("[sandbox]",)).text == ""


# ---- what is sent


def test_effort_is_sent_and_left_out_where_it_is_refused(sandbox: Sandbox, bodies: list[dict[str, Any]]) -> None:
    sandbox.fail("bad_request_400")
    answer = chat(reasoning_effort="high", extra_body={"top_k": 3})
    assert [body.get("reasoning_effort") for body in bodies] == ["high", None]
    assert answer.response_metadata["ignored"] == ["top_k", "reasoning_effort"]


def test_effort_is_not_sent_to_a_model_that_is_known_not_to_reason(
    profile: dict[str, Any], bodies: list[dict[str, Any]]
) -> None:
    profile["reasoning_output"] = False
    chat(reasoning_effort="high")
    assert "reasoning_effort" not in bodies[0]


def test_an_effort_in_the_extra_body_wins(bodies: list[dict[str, Any]]) -> None:
    chat(reasoning_effort="high", extra_body={"reasoning_effort": "max"})
    assert bodies[0]["reasoning_effort"] == "max"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_the_models_own_reasoning_goes_back_with_tool_calls_in_the_field_in_which_it_came(
    sandbox: Sandbox, bodies: list[dict[str, Any]], field: str
) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(field, back="demanded"))
    inference = HubInference()
    inference.chat(FIRST, None, HELLO, Settings())
    answer = inference.chat(FIRST, None, [*HELLO, calling(), RESULT], Settings())
    assert "rain" in answer.text
    assert bodies[1]["messages"][1][field] == "The tool knows."


def test_other_messages_and_other_models_get_none_back(bodies: list[dict[str, Any]]) -> None:
    answered = AIMessage("So.", additional_kwargs={"reasoning_content": "Hm."})
    chat(messages=[*HELLO, answered, *HELLO, calling(SECOND), RESULT])
    chat(SECOND, [*HELLO, calling(SECOND), RESULT])
    sent = [["reasoning_content" in message for message in body["messages"]] for body in bodies]
    assert sent == [[False] * 5, [False, True, False]]


def test_a_model_that_refuses_its_reasoning_is_asked_without_and_from_then_on_at_once(
    sandbox: Sandbox, bodies: list[dict[str, Any]]
) -> None:
    inference = HubInference()
    for back in ("refused", "refused", "demanded", "demanded"):  # it may be served otherwise some day
        sandbox.set_reasoning(FIRST, Reasoning(back=back))
        assert "rain" in inference.chat(FIRST, None, [*HELLO, calling(), RESULT], Settings()).text
    sent = ["reasoning_content" in body["messages"][1] for body in bodies]
    assert sent == [True, False, False, False, True, True]


def test_a_provider_that_refuses_both_effort_and_reasoning_is_asked_three_times(
    sandbox: Sandbox, bodies: list[dict[str, Any]]
) -> None:
    sandbox.fail("bad_request_400")
    sandbox.set_reasoning(FIRST, Reasoning(back="refused"))
    answer = chat(messages=[*HELLO, calling(), RESULT], reasoning_effort="low")
    assert answer.response_metadata["ignored"] == ["reasoning_effort"]
    sent = [("reasoning_effort" in body, "reasoning_content" in body["messages"][1]) for body in bodies]
    assert sent == [(True, True), (False, True), (False, False)]


def test_content_blocks_of_other_programs_are_passed_back_too(bodies: list[dict[str, Any]]) -> None:
    message = AIMessage([{"type": "reasoning", "reasoning": "The tool knows."}, CALL], tool_calls=[CALL])
    [_, written, _] = for_specialist([*HELLO, message, RESULT], images=False)
    chat(messages=[*HELLO, written, RESULT])
    assert bodies[0]["messages"][1]["reasoning_content"] == "The tool knows."
    assert not bodies[0]["messages"][1].get("content")


# ---- the room for an answer


def test_a_model_known_to_reason_is_given_what_it_writes_at_most(
    profile: dict[str, Any], sandbox: Sandbox, bodies: list[dict[str, Any]]
) -> None:
    sandbox.set_reasoning(FIRST, Reasoning(default_limit=10))  # the provider's own default would eat the answer
    assert chat().response_metadata["finish_reason"] == "stop"
    assert bodies[0]["max_tokens"] == profile["max_output_tokens"]


def test_it_gets_no_more_than_is_left_of_the_context_at_that_provider(
    profile: dict[str, Any], bodies: list[dict[str, Any]]
) -> None:
    profile["max_output_tokens"] = 100_000
    lengths = {None: 9_000, "together": 200_000}
    inference = HubInference(context_length=lambda _, provider: lengths[provider])
    for provider in lengths:
        inference.chat(FIRST, provider, HELLO, Settings())
    assert 8_000 < bodies[0]["max_tokens"] < 9_000
    assert bodies[1]["max_tokens"] == MAX_ANSWER_TOKENS


def test_where_hardly_any_room_is_left_the_provider_sets_the_limit(
    profile: dict[str, Any], bodies: list[dict[str, Any]]
) -> None:
    assert profile["reasoning_output"]
    long = [HumanMessage("tides " * 2_000)]
    HubInference(context_length=lambda *_: 6_500).chat(FIRST, None, long, Settings())
    assert "max_tokens" not in bodies[0]


def test_the_callers_limit_is_sent_as_it_is(profile: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    chat(max_new_tokens=profile["max_output_tokens"] * 2)
    assert bodies[0]["max_tokens"] == profile["max_output_tokens"] * 2


def test_a_model_that_was_seen_to_reason_gets_room_without_a_profile(bodies: list[dict[str, Any]]) -> None:
    inference = HubInference(context_length=lambda *_: 20_000)
    for _ in range(2):
        inference.chat(FIRST, None, HELLO, Settings())
        inference.chat(PLAIN, None, HELLO, Settings())
    limits: list[Any] = [body.get("max_tokens") for body in bodies]
    assert limits[0] is limits[1] is limits[3] is None
    assert 19_000 < limits[2] < 20_000


def test_a_provider_that_refuses_the_room_is_left_to_its_own_default(
    profile: dict[str, Any], sandbox: Sandbox, bodies: list[dict[str, Any]]
) -> None:
    sandbox.fail("bad_request_400")
    answer = chat()
    assert [body.get("max_tokens") for body in bodies] == [profile["max_output_tokens"], None]
    assert answer.response_metadata.get("ignored", []) == [], "the caller has set nothing"


def test_the_catalog_knows_the_context_of_a_model_at_each_provider(sandbox: Sandbox) -> None:
    catalog = HubCatalog(lambda: sandbox.token)
    assert catalog.context_length("sandbox/text-generation-2", None) == 262_144
    assert catalog.context_length("sandbox/text-generation-2", "novita") == 262_144
    assert catalog.context_length("sandbox/text-generation-2", "together") is None
    assert catalog.context_length("acme/unknown", None) is None


def test_what_was_seen_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.hub.reasoning.MAX_MODELS", 2)
    memory = ReasoningMemory()
    for model in ("a/1", "a/2", "a/3"):
        memory.note_field(model, "reasoning")
        memory.note_second_way(model)
    assert [memory.reasons(model) for model in ("a/1", "a/2", "a/3")] == [False, False, True]
    assert [memory.ways_back(model)[0] for model in ("a/1", "a/3")] == ["reasoning_content", None]
