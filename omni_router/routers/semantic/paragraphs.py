"""What in a paragraph asks for something, and what in it is material that a request is about."""

import re

from omni_router.routers.semantic.request_words import (
    ANYWHERE,
    CLOSING_VERBS,
    OPENING,
    POINTING,
    POLITE_WORDS,
    PROBLEM,
    QUESTION,
)

LEAD = 160  # characters of a request before or behind material in the same paragraph
MOST_ANNOUNCEMENT = 80  # characters that announce a question
QUESTION_MARKS = ("?", "？", "؟")
COLONS = (":", "：")
CLOSERS = "\"'”’»)]*_ "
MOST_LABEL = 20  # characters of the name of a speaker
FEWEST_LINES = 3  # of a conversation or a table
# A sentence ends at its mark before a blank, at a mark that needs no blank, or at a line break.
SENTENCES = re.compile(r"(?<=[.!?;:])\s+|(?<=[。！？：])|\n")


def asks(paragraph: str) -> bool:
    """Check whether a paragraph asks at its start or at its end, or announces what follows."""
    sentences = sentences_of(paragraph)
    return paragraph.endswith(COLONS) or any(map(sentence_asks, {*sentences[:2], *sentences[-2:]}))


def sentence_asks(sentence: str) -> bool:
    """Check whether a sentence is a question, or begins or ends as an order does."""
    lowered = sentence.casefold().strip()
    if lowered.rstrip(CLOSERS).endswith(QUESTION_MARKS) or any(stem in lowered for stem in ANYWHERE):
        return True
    while lowered.startswith(POLITE_WORDS):
        lowered = lowered.partition(" ")[2].lstrip()
    return f"{lowered} ".startswith(OPENING) or f" {lowered}".rstrip(".! ").endswith(CLOSING_VERBS)


def sentences_of(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph."""
    return list(filter(None, map(str.strip, SENTENCES.split(paragraph))))


def points(sentence: str) -> bool:
    """Check whether a sentence speaks of a text that stands beside it, such as "the following article"."""
    lowered = sentence.casefold()
    return any(word in lowered for word in POINTING) and not any(word in lowered for word in PROBLEM)


def divide(text: str, *, is_first: bool = True) -> tuple[str, str, str]:
    """Divide a paragraph into the request before its material, the material, and the request behind it.

    What asks in the first or in the last sentence has to end with a colon, or to speak of a text beside it. Only the
    first paragraph of a text has a request before its material.
    """
    before = (_lead(text) or _pointing_start(text)) if is_first else ""
    rest = text[len(before) :].strip()
    behind = _pointing_end(rest)
    material = rest[: len(rest) - len(behind)].strip()
    return before.strip(), material, behind


def question_behind(lead: str) -> bool:
    """Check whether a lead such as "Answer the following question:" does no more than announce a question."""
    lowered = lead.casefold().strip(" :：")
    if len(lead) > MOST_ANNOUNCEMENT or not any(word in lowered for word in POINTING):
        return False
    return any(noun in lowered.split()[-2:] or (not noun.isascii() and lowered.endswith(noun)) for noun in QUESTION)


def _lead(text: str) -> str:
    """Return a request that ends with a colon, if more than that follows."""
    for colon in COLONS:
        lead, found, rest = text[:LEAD].partition(colon)
        rest = text[len(lead) + 1 :].strip()
        if found and "\n" not in lead and len(rest) > len(lead) and asks(lead) and not rest.startswith("//"):
            return text[: len(lead) + 1]
    return ""


def _pointing_start(text: str) -> str:
    """Return the first sentence, if it asks for something that is done to the text behind it."""
    end = SENTENCES.search(text[:LEAD])
    if end is None:
        return ""
    sentence = text[: end.start()]
    if len(text) - end.end() > len(sentence) and points(sentence) and sentence_asks(sentence):
        return text[: end.end()]
    return ""


def _pointing_end(text: str) -> str:
    """Return the last sentence, if it asks for something that is done to the text before it."""
    sentences = sentences_of(text)
    if len(sentences) < 2:  # noqa: PLR2004 (one sentence is not divided)
        return ""
    last = sentences[-1]
    if len(last) < LEAD and len(text) > 2 * len(last) and points(last) and sentence_asks(last):
        return last
    return ""


def is_record(lines: list[str]) -> bool:
    """Check whether lines are a conversation with the names of its speakers, or a table."""
    if len(lines) < FEWEST_LINES:
        return False
    return all(map(_has_speaker, lines)) or _is_table(lines)


def _has_speaker(line: str) -> bool:
    head = line[: MOST_LABEL + 1].replace("：", ":")
    name, colon, _ = head.partition(":")
    return bool(colon) and bool(name.strip()) and len(name.split()) <= 2  # noqa: PLR2004 (a first and a last name)


def _is_table(lines: list[str]) -> bool:
    for mark in ("\t", "|", ",", ";"):
        counts = [line.count(mark) for line in lines]
        if min(counts) > 1 and max(counts) <= 2 * min(counts):
            return True
    return False
