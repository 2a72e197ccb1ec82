"""The marks of a template: fields, headings, tags, labels and rulers, by the words on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from omni_router.routers.semantic.request_words import (
    ANNOUNCERS,
    ANSWER,
    ANSWER_STEMS,
    INPUT,
    MATERIAL,
    MATERIAL_STEMS,
    REQUEST,
    REQUEST_STEMS,
)

Kind = Literal["free", "request", "input", "material", "answer"]

MOST_WORDS: dict[Kind, int] = {"request": 6, "input": 3, "material": 12, "answer": 12}
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


def cut_at_marks(text: str) -> list[Section]:
    """Cut a text at its marks; nothing inside of a code block or a tag is a mark."""
    sections = [Section("free")]
    lines = text.splitlines()
    letters = any(line.lstrip().casefold().startswith("q:") for line in lines)
    until = ""  # the line that ends the code block or the tag
    for line in lines:
        stripped = line.strip()
        if until:
            if stripped != until or until in FENCES:
                sections[-1].lines.append(line)
            else:
                sections.append(Section("free"))
            if stripped == until:
                until = ""
        elif stripped.startswith(FENCES):
            until = stripped[:3]
            sections[-1].lines.append(line)
        else:
            until = _read_line(line, sections, letters=letters)
    return sections


def _read_line(line: str, sections: list[Section], *, letters: bool) -> str:
    """Begin a section if a line is a mark, else add it to the last one; return the line that ends a tag, if any."""
    stripped, current = line.strip(), sections[-1]
    if tag := _tag(stripped):
        sections.append(tag[0])
        return tag[1]
    if mark := _mark(stripped, letters=letters):
        sections.append(mark)
    elif _is_ruler(stripped):
        if current.lines:
            sections.append(Section("free"))
    elif stripped or current.lines:
        current.lines.append(line)
    return ""


def _tag(line: str) -> tuple[Section, str] | None:
    """Read the start of a tag of a known kind, alone on its line: its section, and the line that ends it."""
    if not (line.startswith("<") and line.endswith(">")) or line.startswith("</"):
        return None
    name, _, content = line[1:-1].partition(">")
    name = name.split(maxsplit=1)[0] if name.strip() else ""
    kind = kind_of(name)
    if kind is None or not name.replace("_", "").replace("-", "").isalpha():
        return None
    end = f"</{name}>"
    if content.endswith(end[:-1]):
        return Section(kind, words_in(name), in_markup=True, lines=[content.removesuffix(end[:-1])]), ""
    return Section(kind, words_in(name), in_markup=True), end


def _mark(stripped: str, *, letters: bool) -> Section | None:
    """Read a field, a heading or a label of a known kind; the letters Q and A count where `letters` is true."""
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
    kind = kind or kind_of(label)
    if kind is None:
        return None
    section = Section(kind, words_in(label))
    if content:
        section.lines.append(content)
    return section


def _heading(name: str, *, in_markup: bool) -> Section | None:
    kind = kind_of(name)
    if kind is None and not in_markup:
        return None
    return Section(kind or "material", words_in(name), in_markup=in_markup, is_heading=True)


def _announced(line: str) -> str | None:
    """Return what stands behind a sentence that ends with "the following task:" or the like."""
    sentence, colon, _ = line[:MOST_FRAME].replace("：", ":", 1).partition(":")
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
    if any(mark in label.replace("'s ", " ") for mark in ".?!。？！\"'`("):
        return "", ""
    return label.strip("*_ "), line[len(label) + 1 :].strip("* ")


def kind_of(label: str) -> Kind | None:
    """Return what the words of a mark say about its section."""
    words = words_in(label)
    kinds: tuple[tuple[Kind, frozenset[str], tuple[str, ...]], ...] = (
        ("answer", ANSWER, ANSWER_STEMS),
        ("material", MATERIAL, MATERIAL_STEMS),
        ("request", REQUEST, REQUEST_STEMS),
        ("input", INPUT, ()),
    )
    for kind, known, stems in kinds:
        short = len(label.split()) <= MOST_WORDS[kind]
        if short and (words & known or (len(label) <= MOST_STEM_LABEL and contains(label, stems))):
            return kind
    return None


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text, without case and punctuation."""
    lowered = text.casefold().replace("_", " ").replace("-", " ")
    return frozenset(word.strip(".,:;!?\"'()[]<>`*#¿¡") for word in lowered.split())


def contains(text: str, stems: Iterable[str]) -> bool:
    """Check whether a text has any of these stems."""
    return any(stem in text for stem in stems)


def _is_ruler(line: str) -> bool:
    return len(line) > 2 and line[0] in RULERS and not line.strip(line[0])  # noqa: PLR2004 (a dash is no ruler)
