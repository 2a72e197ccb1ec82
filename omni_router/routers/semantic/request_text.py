"""The request inside a text: what is asked, without the material it is about.

Users paste a mail, a file or a page, and say before or after it what they want. The text is cut into blocks by its
form: code, quotes, headers of a mail, paragraphs. The first and the last paragraph may ask for something:
punctuation and opening words show whether they do. Length decides nothing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from omni_router.routers.semantic.request_words import (
    ANYWHERE,
    BLOCK_STARTS,
    CLOSING_VERBS,
    CODE_STARTS,
    MAIL_HEADERS,
    OPENING,
    POLITE_WORDS,
)
from omni_router.routers.semantic.wrapping import names_material, unwrap

READ = 20_000  # characters of each end that are looked at: beyond, it is material
CODE_CHARACTERS = 100  # of code that a request is read with: "why does it fail?" is about code, or about a plan
MOST_CODE_IN_TEXT = 0.5  # the share of code lines above which a block is code
LEAD = 160  # characters of a request that a colon divides from material in the same paragraph
SHORT = 300  # characters of a last paragraph that asks again, below what the first has announced
FENCES = ("```", "~~~", '"""', "'''")
QUESTION_MARKS = ("?", "？", "؟")
COLONS = (":", "：")
ANNOUNCING = (
    "use ",
    "using ",
    "given ",
    "based on ",
    "here is ",
    "here are ",
    "here's ",
    "below is ",
    "below are ",
    "this is ",
)
CLOSERS = "\"'”’»)]*_ "
CODE_ENDS = (";", "{", "}", "({", "[", "=>", "->", "\\")
CODE_INSIDE = (" = ", " == ", " != ", "=>", "::", "->", "+=", "();", "Error: ", "Exception: ", "</", "&&", "||")
# A sentence ends at its mark before a blank, at a mark that needs no blank, or at a line break.
SENTENCES = re.compile(r"(?<=[.!?;:])\s+|(?<=[。！？：])|\n")


class RequestText(NamedTuple):
    """The two parts of a text."""

    instruction: str
    material: str = ""
    is_code: bool = False  # whether the material is code, for the most part


class Block(NamedTuple):
    """A piece of a text: a paragraph, or what stands between fences or tags."""

    text: str
    is_material: bool = False  # by its form
    is_code: bool = False


def reading(text: str) -> str:
    """Return what a router reads of a text: the request in it, and the start of the code it is about."""
    request = split_request(text)
    if not request.is_code:
        return request.instruction
    return f"{request.instruction}\n{request.material[:CODE_CHARACTERS]}".strip()


def split_request(text: str) -> RequestText:
    """Split a text into instruction and material; a text that is all of one kind is an instruction."""
    text = text.strip()
    if len(text) > 2 * READ:
        text = f"{text[:READ]}\n\n{text[-READ:]}"
    text = unwrap(text)
    blocks = _blocks(text)
    if len(blocks) <= 1:
        return RequestText(text.strip())
    chosen = _choose(blocks)
    if not chosen or len(chosen) == len(blocks):
        return RequestText(text.strip())
    instruction: list[Block] = []
    material: list[Block] = []
    for place, block in enumerate(blocks):
        if place in chosen:
            instruction.append(block)
        else:
            material.append(block)
    code = [block.text for block in material if block.is_code]
    if 2 * sum(map(len, code)) > sum(len(block.text) for block in material):
        return RequestText("\n".join(block.text for block in instruction), "\n".join(code), is_code=True)
    return RequestText("\n".join(block.text for block in instruction), "\n".join(block.text for block in material))


def _choose(blocks: Sequence[Block]) -> list[int]:
    """Return the places of the blocks that ask: the first and the last of the free ones, where they do."""
    free = [place for place, block in enumerate(blocks) if not block.is_material]
    if len(free) <= 2 and len(free) < len(blocks):  # noqa: PLR2004 (what stands before and after the material)
        return free
    first, last = free[0], free[-1]
    if first != last and blocks[first].text.endswith(COLONS) and _asks(blocks[first].text):
        announced = blocks[last].text
        return [first, last] if len(announced) < SHORT and _sentence_asks(announced) else [first]
    asking = [place for place in (first, last) if _asks(blocks[place].text)]
    return asking or free


# ---- what asks


def _asks(paragraph: str) -> bool:
    """Check whether a paragraph asks at its start or at its end, or announces what follows."""
    sentences = _sentences(paragraph)
    return paragraph.endswith(COLONS) or any(map(_sentence_asks, {*sentences[:2], *sentences[-2:]}))


def _sentence_asks(sentence: str) -> bool:
    lowered = sentence.casefold().strip()
    if lowered.rstrip(CLOSERS).endswith(QUESTION_MARKS) or any(stem in lowered for stem in ANYWHERE):
        return True
    while lowered.startswith(POLITE_WORDS):
        lowered = lowered.partition(" ")[2].lstrip()
    return f"{lowered} ".startswith(OPENING) or f" {lowered}".rstrip(".! ").endswith(CLOSING_VERBS)


def _sentences(paragraph: str) -> list[str]:
    return list(filter(None, map(str.strip, SENTENCES.split(paragraph))))


# ---- blocks


def _blocks(text: str) -> list[Block]:
    """Cut a text into its blocks; a request before a colon is divided from what follows in the same paragraph."""
    lines = text.splitlines()
    ends = _possible_ends(lines)
    blocks: list[Block] = []
    paragraph: list[str] = []
    place = 0
    while place < len(lines):
        end = _end_of_fence(lines, place, ends)
        if end:
            blocks += _paragraph(paragraph)
            inside = lines[place + 1 : end]
            blocks.append(Block("\n".join(inside).strip(), is_material=True, is_code=_is_code(inside)))
            paragraph, place = [], end + 1
            continue
        line = lines[place]
        if not line.strip() or (paragraph and _is_quoted(line) != _is_quoted(paragraph[-1])):
            blocks += _paragraph(paragraph)
            paragraph = []
        if line.strip():
            paragraph.append(line)
        place += 1
    blocks += _paragraph(paragraph)
    return _with_lead(blocks)


def _paragraph(lines: Sequence[str]) -> list[Block]:
    """Return the block of a paragraph, if it has lines."""
    if not lines:
        return []
    if _is_quoted(lines[0]):
        lines = [line.strip().removeprefix(">").removeprefix(" ") for line in lines]
        return [Block("\n".join(lines), is_material=True, is_code=_is_code(lines))]
    headers = 0
    for line in lines:
        headers += line.lstrip().casefold().startswith(MAIL_HEADERS)
    code = _is_code(lines)
    text = "\n".join(lines).strip()
    return [Block(text, is_material=code or headers > 1 or _only_announces(text), is_code=code)]


def _only_announces(paragraph: str) -> bool:
    """Check whether a line does no more than hand over material, such as "Use the following references:"."""
    return paragraph.endswith(COLONS) and paragraph.casefold().startswith(ANNOUNCING) and names_material(paragraph)


def _with_lead(blocks: list[Block]) -> list[Block]:
    """Divide the first block at a colon, if a short request stands before it and more than that behind."""
    if not blocks or blocks[0].is_material:
        return blocks
    text = blocks[0].text
    for colon in COLONS:
        lead, found, rest = text[:LEAD].partition(colon)
        rest = text[len(lead) + 1 :].strip()
        if found and "\n" not in lead and len(rest) > len(lead) and _asks(lead) and not rest.startswith("//"):
            block = Block(rest, is_material=True, is_code=_is_code(rest.splitlines()))
            return [Block(f"{lead}:"), block, *blocks[1:]]
    return blocks


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith("> ")


def _is_code(lines: Sequence[str]) -> bool:
    written = [line for line in lines if line.strip()]
    code = list(filter(_is_code_line, written))
    return len(code) > MOST_CODE_IN_TEXT * len(written)


def _is_code_line(line: str) -> bool:
    stripped = line.strip()
    if line.startswith(("\t", "    ")) or stripped.endswith(CODE_ENDS) or any(mark in line for mark in CODE_INSIDE):
        return True
    if stripped.endswith(":") and stripped.startswith(BLOCK_STARTS):
        return True
    name = stripped.partition("(")[0]
    if stripped.endswith(")") and name.replace("_", "").replace(".", "").isalnum():  # a call
        return True
    if stripped[:4].isdigit() and stripped[4:5] == "-":  # a line of a log
        return True
    return stripped.casefold().startswith(CODE_STARTS) and not stripped.endswith((".", *QUESTION_MARKS))


def _end_of_fence(lines: Sequence[str], start: int, ends: Mapping[str, int]) -> int:
    """Return the place of the line that closes the fence or the tag which this line opens; 0 if it opens none.

    `ends` has the last place of each line that may close one: without it a text of nothing but openings would be
    searched to its end for each of them.
    """
    line = lines[start].strip()
    closing = ""
    for mark in FENCES:
        if line.startswith(mark) and mark not in line[len(mark) :]:
            closing = mark
    if line.startswith("<") and line.endswith(">") and line[1:2].isalpha():
        closing = f"</{line[1:-1].split()[0]}>"
    if ends.get(closing, 0) <= start:
        return 0
    place = start + 1
    while lines[place].strip() != closing:
        place += 1
    return place


def _possible_ends(lines: Sequence[str]) -> dict[str, int]:
    ends: dict[str, int] = {}
    for place, line in enumerate(lines):
        if line.lstrip().startswith((*FENCES, "</")):
            ends[line.strip()] = place
    return ends
