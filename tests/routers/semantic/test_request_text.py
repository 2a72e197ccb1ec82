import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from omni_router.routers.semantic.request_text import reading, split_request

MAIL = (
    "Hi all,\n\nthe kitchen on the third floor will be closed from 4 to 8 March. Please use the one below.\n\n"
    "Thanks for your patience,\nTomasz"
)
ARTICLE = (
    "The ferry between the islands has run for a hundred years, but this winter may be its last. The operator says "
    "that fuel costs have doubled. A decision is expected after the election."
)
CODE = """\
import csv

def total(path):
    with open(path) as file:
        rows = list(csv.reader(file))
    return sum(float(row[2]) for row in rows)

print(total("sales.csv"))
print(total("returns.csv"))"""
LONG_ORDER = (
    "Write an essay of 900 words on whether cities should ban cars. Begin with a concrete scene. Discuss two "
    "objections. The readers are commuters. Close with a question that stays open."
)


@pytest.mark.parametrize(
    "request_text",
    [
        "Translate this into Italian.",
        "Draw a cover illustration for this.",
        "Fasse den Text zusammen.",
        "¿Puedes traducirlo al francés?",
        "Quels sont les points essentiels de ce texte ?",
        "请翻译成英文。",
        "次の文章を要約してください。",
        "이 글을 번역해 주세요.",
        "สรุปข้อความนี้",
        "Bu metni özetle",
        "Кратко перескажи этот текст.",
        "ترجم هذا النص إلى الفرنسية",
        "Proszę, przetłumacz to.",
        "Vertaal dit naar het Engels.",
        "Riassumi questo testo.",
        "Escreva um poema sobre isto.",
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "{request}\n\n{material}",
        '{request}\n"""\n{material}\n"""',
        "<document>\n{material}\n</document>\n\n{request}",
    ],
)
def test_the_request_is_read_and_the_material_is_not(form: str, request_text: str) -> None:
    assert reading(form.format(request=request_text, material=ARTICLE)) == request_text


def test_the_request_may_stand_below_what_was_pasted() -> None:
    assert reading(f"{ARTICLE}\n\nRewrite this as a pirate would say it.") == "Rewrite this as a pirate would say it."


def test_quoted_lines_are_material() -> None:
    quoted = "\n".join(f"> {line}" for line in MAIL.splitlines())
    request = split_request(f"{quoted}\n\nWrite a friendly answer, please.")
    assert request.instruction == "Write a friendly answer, please."
    assert request.material.startswith("Hi all,")


def test_a_mail_with_its_headers_is_material_even_if_it_asks_for_something_itself() -> None:
    mail = "From: Dana\nSubject: Can you send me the report?\nCould you call me back?"
    assert reading(f"Make this sound friendlier.\n\n{mail}") == "Make this sound friendlier."


def test_a_colon_divides_a_request_from_material_in_the_same_paragraph() -> None:
    assert reading(f"Rewrite in the style of a sea captain: {ARTICLE}") == "Rewrite in the style of a sea captain:"


def test_a_request_before_and_one_after_the_material_are_both_read() -> None:
    text = f"I have a question about this text.\n\n```\n{ARTICLE}\n```\n\nWho wants the ferry to go on?"
    assert reading(text) == "I have a question about this text.\nWho wants the ferry to go on?"


@pytest.mark.parametrize("form", ["{request}\n\n{code}", "{request}\n```python\n{code}\n```", "{code}\n\n{request}"])
def test_of_code_the_first_characters_are_read_since_the_request_may_not_name_it(form: str) -> None:
    read = reading(form.format(request="Why does this fail?", code=CODE))
    assert read.startswith("Why does this fail?\nimport csv")
    assert len(read) < len(CODE)


@pytest.mark.parametrize(
    "text",
    [
        LONG_ORDER,
        "draw a cat wearing a space suit",
        "Review my pull request: it is small.",
        "First line of a poem,\nsecond line of a poem.",
        ARTICLE,
        "x",
        "-----",
        "```",
        "?!",
    ],
)
def test_a_text_of_one_kind_is_read_whole_however_long_it_is(text: str) -> None:
    assert reading(text) == text


def test_a_long_text_costs_no_more_than_its_ends() -> None:
    assert reading(f"Translate this into Dutch.\n\n{ARTICLE * 20_000}") == "Translate this into Dutch."


@given(some.text(alphabet=some.sampled_from("ab ?:>\n`<>/-#请。\t\"'[]")))
@settings(max_examples=300, deadline=None)
def test_whatever_the_text_something_of_it_is_read(text: str) -> None:
    assert bool(reading(text)) == bool(text.strip())
