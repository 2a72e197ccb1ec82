"""What counts as a sign that an answer was not good, and what does not."""

# ruff: noqa: RUF001 (marks and letters of other scripts)

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from omni_router.decisions.objections import PHRASES, is_objection
from omni_router.decisions.signals import (
    DESCRIPTIONS,
    asks_again,
    describe_signals,
    signals_of_answer,
    signals_of_failure,
    signals_of_reply,
)
from omni_router.error_kinds import CUT_AT_START, EMPTY, describe
from omni_router.routers.semantic.router import SemanticRouter

QUESTION = "How do I undo the last git commit?"
BROKEN_CALL: Any = {"id": "1", "name": "f", "args": '{"city": "Os', "error": None, "type": "invalid_tool_call"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("kind", "cause", "signals"),
    [
        ("malformed_answer", EMPTY, ["empty"]),
        ("malformed_answer", CUT_AT_START, ["cut"]),
        ("refused", "finish_reason content_filter", ["refused"]),
        ("malformed_answer", "JSONDecodeError", []),  # the provider's fault, not the model's
        ("overloaded", "HTTP 503", []),
        ("timeout", "ReadTimeout", []),
    ],
)
def test_a_failure_counts_where_the_model_had_its_say(kind: Any, cause: str, signals: list[str]) -> None:
    error = {**describe(kind), "cause": cause}
    assert signals_of_failure(error) == signals  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "form", "is_broken"),
    [
        (AIMessage("{"), SCHEMA, True),
        (AIMessage("Here it is: {}"), {"type": "json_object"}, True),
        (AIMessage("[" * 100_000), SCHEMA, True),
        (AIMessage('{"a": 1}'), SCHEMA, False),
        (AIMessage("{"), None, False),
        (AIMessage("{"), {"type": "text"}, False),
        (AIMessage("{", response_metadata={"finish_reason": "length"}), SCHEMA, False),  # the limit broke it
        (AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": {}}]), SCHEMA, False),
        (AIMessage("", invalid_tool_calls=[BROKEN_CALL]), None, True),  # the tool has a schema, too
        (AIMessage("", invalid_tool_calls=[BROKEN_CALL], response_metadata={"finish_reason": "length"}), None, False),
    ],
)
def test_json_that_was_asked_for_has_to_be_json(answer: AIMessage, form: Any, *, is_broken: bool) -> None:
    assert signals_of_answer(answer, [HumanMessage("x")], form) == (["broken_json"] if is_broken else [])


def call(city: str = "Oslo", id_: str = "1") -> AIMessage:
    return AIMessage("", tool_calls=[{"id": id_, "name": "weather", "args": {"city": city}}])


@pytest.mark.parametrize(
    ("before", "answer", "is_repeated"),
    [
        ([call(), ToolMessage("Rain.", tool_call_id="1")], call(id_="2"), True),
        ([call(), ToolMessage("Rain.", tool_call_id="1")], call("Rome", "2"), False),
        ([call(), ToolMessage("Down.", tool_call_id="1", status="error")], call(id_="2"), False),  # tried again
        ([call(), ToolMessage("Rain.", tool_call_id="1"), HumanMessage("And now?")], call(id_="2"), False),
        ([], call(), False),
    ],
)
def test_a_tool_that_has_answered_need_not_be_called_again(
    before: list[AnyMessage], answer: AIMessage, *, is_repeated: bool
) -> None:
    signals = signals_of_answer(answer, [HumanMessage("Is it raining?"), *before], None)
    assert signals == (["same_tool_call"] if is_repeated else [])


@pytest.mark.parametrize(
    ("reply", "request_before", "again"),
    [
        (QUESTION, QUESTION, True),
        ("how do i undo the  last git commit", QUESTION, True),
        ("How do I undo the last git commmit?", QUESTION, True),
        ("How do I undo the last git push?", QUESTION, False),
        ("What is 12 times 7, please?", "What is 13 times 7, please?", False),
        ("go on", "go on", False),
        ("继续", "继续", False),
        ("为什么天空是蓝色的？", "为什么天空是蓝色的？", True),
        ("Translate: " + "a long text. " * 100, "Summarize: " + "a long text. " * 100, False),
        ("Summarize: " + "a long text. " * 100, "Summarize: " + "a long text. " * 100, True),
        ("", "", False),
    ],
)
def test_a_question_comes_again_in_nearly_the_same_words(reply: str, request_before: str, *, again: bool) -> None:
    assert asks_again(reply, request_before) is again


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        ("How can I undo my last commit in git?", True),
        ("How do I undo the last git push?", False),
        ("What does HEAD mean there?", False),
    ],
)
def test_the_router_s_own_embedding_knows_the_question_in_other_words(
    semantic: SemanticRouter, reply: str, *, again: bool
) -> None:
    assert asks_again(reply, QUESTION, semantic.likeness) is again


def test_no_embedding_is_asked_where_the_words_have_little_in_common() -> None:
    def likeness(_first: str, _second: str) -> float:
        raise AssertionError("it was asked")

    assert not asks_again("What does HEAD mean there, and where is it?", QUESTION, likeness)
    assert not asks_again("Name four rivers of Norway", QUESTION, likeness)
    assert asks_again("How do I undo the last git commit", QUESTION, likeness)


def test_the_words_decide_where_an_embedding_does_not_know() -> None:
    assert asks_again("How do I undo the last git commmit?", QUESTION, lambda *_: None)


@pytest.mark.parametrize(
    "reply",
    [
        "That's wrong.",
        "That’s wrong, 7 is prime",
        "no, that is wrong because of the sign",
        "WRONG",
        "Wrong! Look again.",
        "Nein, das stimmt nicht.",
        "c'est faux !",
        "No, eso está mal",
        "Нет, это неправильно",
        "不对，应该是三",
        "それは違います。",
        "틀렸어요",
        "ไม่ถูกต้อง",
        "هذا خطأ",
        "Bu yanlış.",
    ],
)
def test_objections_are_known_in_several_languages(reply: str) -> None:
    assert is_objection(reply)
    assert signals_of_reply(reply, QUESTION) == ["objection"]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "no",
        "Wrong turn: what is this film about?",
        "What is wrong with this code?",
        "Thanks, that is right.",
        "不对称加密是什么？",  # asymmetric encryption
        "Incorrectly spelled words, list some",
        "Fout is a Dutch word. What does it mean?",
        "Translate: that is wrong",
    ],
)
def test_other_messages_are_no_objections(reply: str) -> None:
    assert not is_objection(reply)


def test_each_phrase_of_the_list_can_be_met() -> None:
    for phrase in (phrase for phrases in PHRASES.values() for phrase in phrases):
        assert phrase == phrase.casefold()
        assert is_objection(phrase)


def test_the_work_does_not_grow_with_the_square_of_a_message() -> None:
    long = "wrong " * 200_000
    assert not signals_of_reply(long, long[:-1] + "x")


def test_signals_are_described_without_a_word_of_the_conversation() -> None:
    assert describe_signals(["empty", "objection"]) == "the answer was empty; the user said that it was wrong"
    assert "of_a_newer_version" in describe_signals(json.loads('["of_a_newer_version"]'))
    assert len(set(DESCRIPTIONS.values())) == len(DESCRIPTIONS)
