"""The user's own words in a text that a framework has written around them.

Agent frameworks and retrieval chains fill templates: a frame that speaks about "the question", pasted context, the
request behind a label or in a tag, and a label that waits for the answer. They are recognised by these marks and the
words on them, not by the framework.
"""

import json
from collections.abc import Sequence

from omni_router.routers.semantic.request_words import ANSWER, ANSWER_STEMS, CLOSING, REPLIED, REQUEST, REQUEST_STEMS
from omni_router.routers.semantic.template_marks import (
    FENCES,
    Kind,
    Section,
    contains,
    cut_at_marks,
    kind_of,
    words_in,
)

# How chat templates enclose a user's message.
CHAT_MARKS = (
    ("<|im_start|>user", "<|im_end|>"),
    ("<|start_header_id|>user<|end_header_id|>", "<|eot_id|>"),
    ("<start_of_turn>user", "<end_of_turn>"),
    ("<|user|>", "<|"),
    ("[INST]", "[/INST]"),
    ('<message role="user">', "</message>"),
)
BULLETS = ("- ", "* ", "• ")
SCHEMA_KEY = '"properties"'  # of a JSON schema for an object


def unwrap(text: str) -> str:
    """Return the request in a filled template, and any other text as it is."""
    text = _without_reminder(_without_schema(_newest_of_chat(text)))
    request = _of_json(text)
    if request:
        return request
    if "\n" not in text.strip():
        return text
    sections = [section for section in cut_at_marks(text) if section.lines or section.kind == "answer"]
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
        return _behind_rules(last.lines) or (paragraphs[-1] if len(paragraphs) > 1 else "")
    return last.text


def _behind_rules(lines: Sequence[str]) -> str:
    """Return the lines behind a list of rules, which directly follow it."""
    is_rule = [line.lstrip().startswith(BULLETS) for line in lines]
    if not any(is_rule):
        return ""
    place = is_rule.index(True)
    while place < len(lines) and is_rule[place]:
        place += 1
    if place < len(lines) and not lines[place].strip():
        return ""
    return "\n".join(lines[place:]).strip()


def names_material(line: str) -> bool:
    """Check whether a line, such as a label, speaks of pasted material."""
    return kind_of(line.strip().rstrip(":：")) == "material"


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
    return bool(words_in(frame) & (REQUEST | ANSWER)) or contains(frame, REQUEST_STEMS + ANSWER_STEMS)


def _without_closing(text: str) -> str:
    """Drop the name of the speaker who is to answer, and last paragraphs that speak of the answer."""
    head, _, last = text.rpartition("\n")
    if head and last.rstrip().endswith((":", "：")) and len(last.split()) <= 2:  # noqa: PLR2004 (a name)
        text = head.strip()
    paragraphs = text.split("\n\n")
    while len(paragraphs) > 1 and words_in(paragraphs[-1]) & CLOSING:
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _without_reminder(text: str) -> str:
    """Drop a last paragraph in brackets that speaks of the answer, such as "(reminder to respond in JSON)"."""
    head, _, last = text.rstrip().rpartition("\n\n")
    if head and last.startswith("(") and last.endswith(")") and words_in(last) & CLOSING:
        return head
    return text


def _without_schema(text: str) -> str:
    """Drop the last paragraphs if they ask for JSON and end with its schema; the first one is what a person wrote."""
    paragraphs = text.rstrip().split("\n\n")
    if SCHEMA_KEY not in paragraphs[-1] or not paragraphs[-1].endswith(("}", *FENCES)):
        return text
    for place in range(1, len(paragraphs)):
        if "JSON" in paragraphs[place]:
            return "\n\n".join(paragraphs[:place])
    return text


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
        if kind_of(key) == "request" and isinstance(value, str):
            return value
    return ""
