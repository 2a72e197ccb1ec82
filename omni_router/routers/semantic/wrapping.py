"""The user's own words in a text that a framework has written around them.

Agent frameworks and retrieval chains fill templates: a frame that speaks about "the question", pasted context, the
request behind a label or in a tag, and a label that waits for the answer. The marks are recognised by their form
(labels, headings, tags, rulers) and by the words on them, not by the framework.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["free", "request", "input", "material", "answer"]

REQUEST = frozenset(
    "question query task request instruction instructions frage aufgabe anfrage demande requête consigne tâche pregunta consulta "
    "tarea domanda richiesta compito pergunta tarefa vraag opdracht taak pytanie zadanie вопрос запрос задача задание soru görev "
    "سؤال السؤال مهمة المهمة".split()
)
INPUT = frozenset("user human input prompt benutzer nutzer utilisateur usuario utente usuário gebruiker kullanıcı".split())
MATERIAL = frozenset(
    "context document documents passage passages source sources reference references background history conversation knowledge "
    "information memory memories excerpt excerpts environment kontext contexte contexto contesto контекст kontekst bağlam سياق السياق "
    "documentos documenti dokumente dokumenty документы".split()
)
ANSWER = frozenset(
    "answer response reply respond ai assistant bot output outputs format criteria thought action observation guidelines tools "
    "example examples rules antwort réponse respuesta risposta resposta antwoord odpowiedź ответ cevap yanıt الإجابة إجابة".split()
)
REPLIED = frozenset("a answer response reply ai assistant bot antwort réponse respuesta risposta resposta ответ".split())
# Words of languages that are written without blanks: a label holds one of them.
REQUEST_STEMS = ("问题", "問題", "提问", "任务", "任務", "质问", "質問", "タスク", "질문", "요청", "คำถาม")
MATERIAL_STEMS = ("已知信息", "上下文", "参考", "參考", "資料", "资料", "背景", "文脈", "맥락", "문맥", "บริบท")
ANSWER_STEMS = ("回答", "答案", "答：", "답변", "대답", "คำตอบ")
MOST_WORDS: dict[Kind, int] = {"request": 6, "input": 3, "material": 12, "answer": 12}
CLOSING = frozenset("answer response reply respond output format".split())
ANNOUNCERS = frozenset("the this following first next new current".split())
CHAT_MARKS = (
    ("<|im_start|>user", "<|im_end|>"),
    ("<|start_header_id|>user<|end_header_id|>", "<|eot_id|>"),
    ("<start_of_turn>user", "<end_of_turn>"),
    ("<|user|>", "<|"),
    ("[INST]", "[/INST]"),
)
LETTERS: dict[str, Kind] = {"q": "request", "a": "answer"}
MOST_STEM_LABEL = 9  # characters of a label without blanks between its words
MOST_FRAME = 300  # characters of a sentence that ends with a label
MOST_LABEL = 90  # characters of a label
RULERS = frozenset("-=_*#~")
FENCES = ("```", "~~~")


@dataclass
class Section:
    """A part of a text under one mark."""

    kind: Kind
    name: frozenset[str] = frozenset()  # the words of its mark
    in_markup: bool = False  # a tag or a field, and not a label that a person may write as well
    is_heading: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands under the mark."""
        return "\n".join(self.lines).strip()


def unwrap(text: str) -> str:
    """Return the request in a filled template, and any other text as it is."""
    text = _newest_of_chat(text)
    request = _of_json(text)
    if request:
        return request
    if "\n" not in text.strip():
        return text
    sections = [section for section in _sections(text) if section.lines or section.kind == "answer"]
    place = _open_request(sections)
    if place is not None and _is_form(sections, place):
        return _without_closing(sections[place].text) or text
    if place is None or any(section.in_markup for section in sections[place + 1 :]):
        return _below_material(sections) or text
    return text


def _is_form(sections: Sequence[Section], place: int) -> bool:
    """Check whether the request at a place was put there by a template, and is not part of what a person wrote."""
    request, before = sections[place], sections[:place]
    if any(section.in_markup and section.kind == "material" for section in sections[place + 1 :]):
        return request.in_markup  # what stands below retrieved material is newer than a label above it
    frame = [section.text for section in before if section.kind == "free"]
    if request.in_markup or not any(frame) or _speaks_of_request(" ".join(frame)):
        return True
    others = [section for section in sections if section.kind in ("material", "answer")]
    return len(others) > 0 and (request.is_heading or request.kind == "request")


def _below_material(sections: Sequence[Section]) -> str:
    """Return the last paragraph below material in a tag, if a frame stands above it: there the user speaks."""
    tags = [place for place, section in enumerate(sections) if section.kind == "material" and section.in_markup]
    if not tags or tags[-1] == 0 or tags[-1] + 1 == len(sections):
        return ""
    last = sections[-1]
    if last.kind == "answer":  # rules for the answer, in which the last paragraph is none
        paragraphs = last.text.split("\n\n")
        return paragraphs[-1] if len(paragraphs) > 1 else ""
    return last.text


def names_material(line: str) -> bool:
    """Check whether a line, such as a label, speaks of pasted material."""
    return _kind(line.strip().rstrip(":：")) == "material"


def _open_request(sections: Sequence[Section]) -> int | None:
    """Return the place of the last request without an answer; a question goes before an input."""
    kinds: tuple[Kind, Kind] = ("request", "input")
    for kind in kinds:
        for place in range(len(sections) - 1, -1, -1):
            if sections[place].kind == kind and sections[place].text and not _is_answered(sections[place + 1 :]):
                return place
    return None


def _is_answered(following: Sequence[Section]) -> bool:
    if not following or following[0].kind != "answer":
        return False
    return following[0].name <= REPLIED and following[0].text != ""


def _speaks_of_request(frame: str) -> bool:
    return bool(_words(frame) & (REQUEST | ANSWER)) or _holds(frame, REQUEST_STEMS + ANSWER_STEMS)


def _without_closing(text: str) -> str:
    """Drop the name of the speaker who is to answer, and last paragraphs that speak of the answer."""
    head, _, last = text.rpartition("\n")
    if head and last.rstrip().endswith((":", "：")) and len(last.split()) <= 2:  # noqa: PLR2004 (a name)
        text = head.strip()
    paragraphs = text.split("\n\n")
    while len(paragraphs) > 1 and _words(paragraphs[-1]) & CLOSING:
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _newest_of_chat(text: str) -> str:
    """Return the newest message of a user in the marks of a chat template, or the text without any."""
    for start, end in CHAT_MARKS:
        if start in text:
            return text.rpartition(start)[2].partition(end)[0].strip() or text
    return text


def _of_json(text: str) -> str:
    """Return the request in a JSON object, if a key of it says so."""
    if not (text.startswith("{") and text.endswith("}")):
        return ""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    for key, value in fields.items():
        if _kind(key) == "request" and isinstance(value, str):
            return value
    return ""


# ---- marks


def _sections(text: str) -> list[Section]:
    """Cut a text at its marks; nothing inside of a code block or a tag is a mark."""
    sections = [Section("free")]
    until = ""  # the line that ends the code block or the tag
    letters = any(line.lstrip().casefold().startswith("q:") for line in text.splitlines())
    for line in text.splitlines():
        stripped = line.strip()
        current = sections[-1]
        if until:
            if stripped == until or (until in FENCES and stripped.startswith(until)):
                until = ""
                if current.in_markup:
                    sections.append(Section("free"))
                    continue
            current.lines.append(line)
        elif stripped.startswith(FENCES):
            until = stripped[:3]
            current.lines.append(line)
        elif (tag := _tag(stripped)) is not None:
            sections.append(tag[0])
            until = tag[1]
        elif _is_ruler(stripped):
            if current.lines:
                sections.append(Section("free"))
        elif (mark := _mark(line, letters=letters)) is not None:
            sections.append(mark)
        elif stripped or current.lines:
            current.lines.append(line)
    return sections


def _tag(line: str) -> tuple[Section, str] | None:
    """Read the start of a tag of a known kind, alone on its line: its section, and the line that ends it."""
    if not (line.startswith("<") and line.endswith(">")) or line.startswith("</"):
        return None
    name, _, content = line[1:-1].partition(">")
    name = name.split(maxsplit=1)[0] if name.strip() else ""
    kind = _kind(name)
    if kind is None or not name.replace("_", "").replace("-", "").isalpha():
        return None
    end = f"</{name}>"
    if content.endswith(end[:-1]):
        return Section(kind, _words(name), in_markup=True, lines=[content.removesuffix(end[:-1])]), ""
    return Section(kind, _words(name), in_markup=True), end


def _mark(line: str, *, letters: bool) -> Section | None:
    """Read a field, a heading or a label of a known kind; the letters Q and A count where `letters` is true."""
    stripped = line.strip()
    if stripped.startswith("[[ ##") and stripped.endswith("## ]]"):
        return _heading(stripped.strip("[]# "), in_markup=True)
    if stripped.startswith("#") or (stripped.startswith("---") and stripped.endswith("---")):
        return _heading(stripped.strip("#-*: "), in_markup=False)
    if "`[[ ##" in stripped:  # a sentence about the fields of the answer
        return Section("answer")
    if (content := _announced(stripped)) is not None:
        return Section("request", in_markup=True, lines=[content])
    label, content = _label(stripped)
    kind = LETTERS.get(label.casefold()) if letters else None
    kind = kind or _kind(label)
    if kind is None:
        return None
    section = Section(kind, _words(label))
    if content:
        section.lines.append(content)
    return section


def _heading(name: str, *, in_markup: bool) -> Section | None:
    kind = _kind(name)
    if kind is None and not in_markup:
        return None
    return Section(kind or "material", _words(name), in_markup=in_markup, is_heading=True)


def _announced(line: str) -> str | None:
    """Return what stands behind a sentence that ends with "the following task:" or the like."""
    sentence, colon, content = line[:MOST_FRAME].replace("：", ":", 1).partition(":")
    words = sentence.casefold().split()
    if colon and len(words) > 2 and words[-1] in REQUEST and words[-2] in ANNOUNCERS:  # noqa: PLR2004 (two are a label)
        return line[len(sentence) + 1 :].strip("* ")
    return None


def _label(line: str) -> tuple[str, str]:
    """Return what stands before the first colon, and after it; nothing if the former is no label."""
    line = line.replace("：", ":", 1)
    label, colon, _ = line[: MOST_LABEL + 1].partition(":")
    if not colon or not label.strip():
        return "", ""
    if any(mark in label for mark in ".?!。？！\"'`("):
        return "", ""
    return label.strip("*_ "), line[len(label) + 1 :].strip("* ")


def _kind(label: str) -> Kind | None:
    """Return what the words of a mark say about its section."""
    words = _words(label)
    kinds: tuple[tuple[Kind, frozenset[str], tuple[str, ...]], ...] = (
        ("answer", ANSWER, ANSWER_STEMS),
        ("material", MATERIAL, MATERIAL_STEMS),
        ("request", REQUEST, REQUEST_STEMS),
        ("input", INPUT, ()),
    )
    for kind, known, stems in kinds:
        short = len(label.split()) <= MOST_WORDS[kind]
        if short and (words & known or (len(label) <= MOST_STEM_LABEL and _holds(label, stems))):
            return kind
    return None


def _words(text: str) -> frozenset[str]:
    lowered = text.casefold().replace("_", " ").replace("-", " ")
    return frozenset(word.strip(".,:;!?\"'()[]<>`*#¿¡") for word in lowered.split())


def _holds(text: str, stems: Iterable[str]) -> bool:
    return any(stem in text for stem in stems)


def _is_ruler(line: str) -> bool:
    return len(line) > 2 and line[0] in RULERS and not line.strip(line[0])  # noqa: PLR2004 (a dash is no ruler)
