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


STATEMENT = "The tram will not run on Sunday. Two buses replace it, every ten minutes from the old market."
STATEMENT_ZH = "有轨电车周日停运。两条公交线路代替它,每十分钟一班,从老市场出发,到河边的体育馆为止。"


@pytest.mark.parametrize(
    ("request_text", "material"),
    [
        ("Translate the following text into Dutch.", STATEMENT),
        ("Fasse den folgenden Text zusammen.", STATEMENT),
        ("Riscrivi il testo seguente in modo più allegro.", STATEMENT),
        ("请根据以下内容写一则新闻。", STATEMENT_ZH),
        ("次の文章を要約してください。", STATEMENT_ZH),
    ],
)
@pytest.mark.parametrize("between", [" ", "\n"])
def test_a_sentence_that_points_at_a_text_divides_it_from_the_request(
    request_text: str, material: str, between: str
) -> None:
    assert reading(f"{request_text}{between}{material}") == request_text


@pytest.mark.parametrize(
    ("material", "request_text"),
    [
        (STATEMENT, "Summarize the text above."),
        (STATEMENT, "Übersetze den obigen Text."),
        (STATEMENT_ZH, "用一句话概括以上内容。"),
        (STATEMENT_ZH, "総じて、この文章を要約してください。"),
    ],
)
def test_the_last_sentence_may_be_the_request(material: str, request_text: str) -> None:
    assert reading(f"{material} {request_text}") == request_text


@pytest.mark.parametrize(
    "text",
    [
        "Solve the following problem. A train leaves at nine with 40 people, and half of them get off. How many stay?",
        "解答以下应用题。小明有十二个苹果,送给妹妹三个,又买了八个,一共有多少个苹果?",
        "Write a story about a lighthouse keeper. He has not spoken for years. One day a letter arrives.",
    ],
)
def test_a_problem_or_a_story_is_read_whole(text: str) -> None:
    assert reading(text) == text


@pytest.mark.parametrize(
    ("lead", "question"),
    [
        ("Answer the following question:", "who was the first person to sail around the world alone?"),
        ("Beantworte die folgende Frage:", "wer hat als Erster allein die Welt umsegelt?"),
        ("请回答以下问题：", "谁最先独自驾船环游世界？那一年他多大年纪？"),
    ],
)
def test_what_only_announces_a_question_is_not_read(lead: str, question: str) -> None:
    assert reading(f"{lead} {question}") == question


@pytest.mark.parametrize(
    "record",
    [
        "Ana: where do we meet?\nLeo: at the station\nAna: when?\nLeo: at six, bring the code for the door",
        "甲：周末去爬山吗？\n乙：好啊，几点？\n甲：七点，老地方。",
        "city,people,area\nLyon,522000,47\nNice,342000,72\nNantes,320000,65",
    ],
)
@pytest.mark.parametrize("request_text", ["What did they agree on?", "请总结以上内容。"])
def test_a_conversation_or_a_table_is_material(record: str, request_text: str) -> None:
    assert reading(f"{record}\n{request_text}") == request_text
    assert reading(f"{request_text}\n{record}") == request_text
