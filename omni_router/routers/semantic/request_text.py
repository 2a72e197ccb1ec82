"""The request inside a text: what is asked, without the material it is about.

Users paste a mail, a file or a page, and say before or after it what they want. The text is cut into blocks by its
form: code, quotes, headers of a mail, paragraphs. The first and the last paragraph may ask for something:
punctuation and opening words show whether they do. Length decides nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from omni_router.routers.semantic.paragraphs import COLONS, asks, sentence_asks
from omni_router.routers.semantic.text_blocks import Block, blocks_of
from omni_router.routers.semantic.wrapping import unwrap

READ = 20_000  # characters of each end that are looked at: beyond, it is material
CODE_CHARACTERS = 100  # of code that a request is read with: "why does it fail?" is about code, or about a plan
SHORT = 300  # characters of a last paragraph that asks again, below what the first has announced


class RequestText(NamedTuple):
    """The two parts of a text."""

    instruction: str
    material: str = ""
    is_code: bool = False  # whether the material is code, for the most part


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
    blocks = blocks_of(text)
    if len(blocks) == 1 and not blocks[0].is_material:
        return RequestText(blocks[0].text)
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
    if first != last and blocks[first].text.endswith(COLONS) and asks(blocks[first].text):
        announced = blocks[last].text
        return [first, last] if len(announced) < SHORT and sentence_asks(announced) else [first]
    asking = [place for place in (first, last) if asks(blocks[place].text)]
    return asking or free
