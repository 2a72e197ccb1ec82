"""Requests come out of the forms that frameworks give them, and what a person has written stays as it is."""

import pytest

from benchmarks.request_forms import FORMS, wrap
from omni_router.routers.semantic.wrapping import unwrap

REQUEST = "Draw a lighthouse."
TWO_PARAGRAPHS = "Write a function that counts islands.\n\n```python\ngrid = [[0, 1]]\n```"


@pytest.mark.parametrize("request_text", [REQUEST, TWO_PARAGRAPHS])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_request_comes_out_of_the_form(form: str, request_text: str) -> None:
    assert unwrap(wrap(form, request_text)) == request_text


def test_the_request_in_a_json_object_is_found() -> None:
    assert unwrap('{"context": ["a", "b"], "question": "Who was Ada?"}') == "Who was Ada?"


def test_the_last_of_several_examples_is_the_question() -> None:
    assert unwrap("Q: Who wrote Dracula?\nA: Bram Stoker.\n\nQ: Who wrote Emma?\nA:") == "Who wrote Emma?"


@pytest.mark.parametrize(
    "text",
    [
        "Summarize it.\n\nQuestion: Why did you leave?\nAnswer: I was tired.\n\nQuestion: And now?\nAnswer: We'll see.",
        "Translate the sentence.\nInput: I'm hungry.\nOutput:",
        "Review my pull request: the loop is gone, but a test fails.",
        "You are Cleopatra. First question: what do you think of Caesar?",
        "帮我看看这段代码哪里有问题:for i in range(3): print(i)",
        "Write an essay.\n\nBegin with a scene. Note: no headings.\n\nThanks!",
        'Generate types for it:\n\n```json\n{"type": "object", "properties": {}}\n```',
        'Write a JSON schema for a cat.\n\nI have {"properties": {"name": {}}}',
        '{"a": 1}',
        "{ not json }",
        "<document>\nSome text.\n</document>\n\nTranslate this.",
        "",
    ],
)
def test_what_a_person_has_written_stays_as_it_is(text: str) -> None:
    assert unwrap(text) == text


def test_deeply_nested_json_is_left_alone() -> None:
    text = '{"question":' * 100_000 + "}"
    assert unwrap(text) == text


def test_a_reminder_in_brackets_is_not_the_request() -> None:
    assert unwrap("Draw a boat.\n\n(remember to respond in JSON)") == "Draw a boat."
    aside = "Draw a boat.\n\n(a small one, with a red sail)"
    assert unwrap(aside) == aside
