"""The blocks of a text by their form: code, quotes, headers of a mail, conversations, tables, paragraphs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from omni_router.routers.semantic.paragraphs import COLONS, QUESTION_MARKS, asks, divide, is_record, question_behind
from omni_router.routers.semantic.request_words import BLOCK_STARTS, CODE_STARTS, MAIL_HEADERS
from omni_router.routers.semantic.wrapping import names_material

MOST_CODE_IN_TEXT = 0.5  # the share of code lines above which a block is code
FENCES = ("```", "~~~", '"""', "'''")
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
CODE_ENDS = (";", "{", "}", "({", "[", "=>", "->", "\\")
CODE_INSIDE = (" = ", " == ", " != ", "=>", "::", "->", "+=", "();", "Error: ", "Exception: ", "</", "&&", "||")


class Block(NamedTuple):
    """A piece of a text: a paragraph, or what stands between fences or tags."""

    text: str
    is_material: bool = False  # by its form
    is_code: bool = False


def blocks_of(text: str) -> list[Block]:
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
    return _divided(blocks)


def _paragraph(lines: Sequence[str]) -> list[Block]:
    """Return the block of a paragraph, if it has lines."""
    if not lines:
        return []
    if _is_quoted(lines[0]):
        lines = [line.strip().removeprefix(">").removeprefix(" ") for line in lines]
        return [Block("\n".join(lines), is_material=True, is_code=_is_code(lines))]
    if record := _record(lines):
        return record
    headers = 0
    for line in lines:
        headers += line.lstrip().casefold().startswith(MAIL_HEADERS)
    code = _is_code(lines)
    text = "\n".join(lines).strip()
    return [Block(text, is_material=code or headers > 1 or _only_announces(text), is_code=code)]


def _record(lines: Sequence[str]) -> list[Block]:
    """Return the blocks of a conversation or a table and the lines before and behind it that ask; none for others."""
    for first, last in ((0, 0), (0, 1), (1, 0), (1, 1)):
        end = len(lines) - last
        around = [*lines[:first], *lines[end:]]
        if is_record(list(lines[first:end])) and all(map(asks, around)):
            blocks = [Block("\n".join(lines[first:end]), is_material=True)]
            blocks[:0] = [Block(line.strip()) for line in lines[:first]]
            return blocks + [Block(line.strip()) for line in lines[end:]]
    return []


def _only_announces(paragraph: str) -> bool:
    """Check whether a line does no more than hand over material, such as "Use the following references:"."""
    return paragraph.endswith(COLONS) and paragraph.casefold().startswith(ANNOUNCING) and names_material(paragraph)


def _divided(blocks: list[Block]) -> list[Block]:
    """Divide the first block and the last one where request and material share a paragraph."""
    if not blocks:
        return blocks
    first = [blocks[0]] if blocks[0].is_material else _parts(blocks[0].text)
    if len(blocks) == 1:
        return first
    last = [blocks[-1]] if blocks[-1].is_material else _parts(blocks[-1].text, is_first=False)
    return [*first, *blocks[1:-1], *last]


def _parts(text: str, *, is_first: bool = True) -> list[Block]:
    before, material, behind = divide(text, is_first=is_first)
    if not (before or behind):
        return [Block(text)]
    if question_behind(before) and not behind:
        return [Block(material)]
    parts = [Block(before), Block(material, is_material=True, is_code=_is_code(material.splitlines())), Block(behind)]
    return [part for part in parts if part.text]


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
