"""Requests in the forms that frameworks give them: as their documentation and source describe these, in other words."""

import pytest

from omni_router.routers.semantic.wrapping import unwrap

REQUEST = "Draw a lighthouse."
TWO_PARAGRAPHS = "Write a function that counts islands.\n\n```python\ngrid = [[0, 1]]\n```"
CONTEXT = "The harbour was extended in 1856.\n\nBees orient themselves by the sun."

FORMS = {
    "fields": "[[ ## context ## ]]\n{context}\n\n[[ ## question ## ]]\n{request}\n\nFill `[[ ## answer ## ]]`.",
    "a single field": "[[ ## question ## ]]\n{request}\n\nStart with the field `[[ ## answer ## ]]` and end there.",
    "a task with criteria": (
        "Current Task: {request}\n\nThese are the criteria for your final answer: complete.\n"
        "Return the content itself, not a summary.\n\nProvide your complete response:"
    ),
    "a task, criteria and context": (
        "Current Task: {request}\n\nCriteria for the answer: short\n\nThis is the context you have:\n{context}\n\n"
        "Provide your response:"
    ),
    "context between rulers": (
        "Context information is below.\n----------\n{context}\n----------\nGiven the context, answer the query.\n"
        "Query: {request}\nAnswer: "
    ),
    "context without a mark": (
        "Use this to answer the question at the end.\n\n{context}\n\nQuestion: {request}\nHelpful Answer:"
    ),
    "a loop of thoughts": (
        "Answer the questions. Tools:\n\nsearch: looks something up\n\nQuestion: the input\nThought: think\n"
        "Action: one of [search]\nObservation: its result\nFinal Answer: the answer\n\nBegin!\n\n"
        "Question: {request}\nThought:"
    ),
    "speakers": "A talk between a human and an AI.\n\nHuman: hi\nAI: Hello!\nHuman: {request}\nAI:",
    "rules, context in a tag, and then the user": (
        "### Task:\nRespond to the query with the context.\n\n### Guidelines:\n- Cite sources.\n\n"
        "<context>\n{context}\n</context>\n\n{request}"
    ),
    "a tag": "<documents>\n{context}\n</documents>\n<user_query>\n{request}\n</user_query>",
    "a task in a tag": (
        "<task>\n{request}\n</task>\n\n<environment_details>\n# Open Tabs\nmain.py\n</environment_details>"
    ),
    "headings": (
        "# Role\nYou are an expert.\n\n# Context\n{context}\n\n# Task\n{request}\n\n# Output format\nMarkdown."
    ),
    "an instruction": "Below is an instruction. Write a response.\n\n### Instruction:\n{request}\n\n### Response:",
    "an announced task": "There are tables below.\n-----\n{context}\n-----\nDo the following task: {request}",
    "a short task": "New task:\n{request}",
    "chat markup": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    ),
    "Spanish": "Responde con el contexto.\n\nContexto:\n{context}\n\nPregunta: {request}\nRespuesta:",
    "French": "Utilisez le contexte.\n\n{context}\n\nQuestion: {request}\nRéponse:",
    "Russian": "Отвечай по контексту.\n\nКонтекст:\n{context}\n\nВопрос: {request}\nОтвет:",
    "Chinese": "请根据已知信息回答。\n\n已知信息：\n{context}\n\n问题：{request}\n回答：",
    "Japanese": "文脈だけを使ってください。\n\n文脈:\n{context}\n\n質問: {request}\n回答:",
    "Korean": "다음 문맥을 사용하세요.\n\n문맥: {context}\n\n질문: {request}\n답변:",
}


@pytest.mark.parametrize("request_text", [REQUEST, TWO_PARAGRAPHS])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_request_comes_out_of_the_form(form: str, request_text: str) -> None:
    assert unwrap(form.format(request=request_text, context=CONTEXT)) == request_text


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
