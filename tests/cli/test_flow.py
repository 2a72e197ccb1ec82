"""Text as it comes, below a label."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_router.flow import Flow, columns

WIDTH, INDENT = 40, 8
TEXT = st.text(alphabet="ab .\n\t`é漢-", max_size=200)


def flowed(*pieces: str, width: int | None = WIDTH) -> str:
    out = io.StringIO()
    flow = Flow(out, indent=INDENT, width=width)
    for piece in pieces:
        flow.write(piece)
    flow.close()
    return out.getvalue()


@given(TEXT, st.integers(1, 7))
def test_where_pieces_end_makes_no_difference(text: str, length: int) -> None:
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    assert flowed(*pieces) == flowed(text)


@given(TEXT)
def test_no_word_is_lost_or_parted(text: str) -> None:
    def words(shown: str) -> list[str]:
        return shown.replace("漢", " 漢 ").split()  # the one character that may stand on either side of a break

    assert words(flowed(text)) == words(text)


@given(st.lists(st.text(alphabet="abé", min_size=1, max_size=WIDTH - INDENT), min_size=1, max_size=30))
def test_no_line_is_too_long_where_no_word_is(words: list[str]) -> None:
    first, *rest = flowed(" ".join(words)).splitlines()
    assert columns(first) <= WIDTH - INDENT
    assert all(columns(line) <= WIDTH and line.startswith(" " * INDENT) for line in rest)


def test_a_word_that_is_longer_than_a_line_stays_whole() -> None:
    address = "https://example.com/" + "a" * 60
    assert flowed(f"see {address} for more") == f"see\n{' ' * 8}{address}\n{' ' * 8}for more\n"


def test_a_block_of_code_stays_as_it_is() -> None:
    code = "```python\nprint('a line that is longer than what fits here',   1)\n\tx\n```"
    assert flowed(f"So:\n{code}\nand then") == "So:\n" + "".join(
        f"{' ' * 8}{line}\n" for line in [*code.split("\n"), "and then"]
    )


def test_scripts_without_spaces_break_anywhere() -> None:
    lines = flowed("漢" * 40).splitlines()
    assert [columns(line.strip()) for line in lines] == [32, 32, 16]


@pytest.mark.parametrize("width", [None, 20])
def test_without_a_width_lines_stay_whole_and_are_only_indented(width: int | None) -> None:
    long = "word " * 30
    assert flowed(f"\n{long}\n\nend\n\n", width=width) == f"{long}\n\n{' ' * 8}end\n"


def test_text_comes_before_its_line_is_whole() -> None:
    out = io.StringIO()
    flow = Flow(out, indent=INDENT, width=WIDTH)
    flow.write("Tides come ")
    assert out.getvalue() == "Tides come"
    flow.write("and go")
    assert out.getvalue() == "Tides come and"
