"""The words by which texts are alike."""

import pytest

from omni_router.routers.semantic.features import Vocabulary, words_of


def test_words_their_neighbours_and_marks() -> None:
    assert words_of("Draw a fox!") == {"draw", "a", "fox", "!", "draw a", "a fox", "fox !"}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("请根据以下提纲写一篇文章", "写一篇关于秋天的文章", {"写一", "一篇", "文章"}),
        ("この文章を要約してください", "文章を短くしてください", {"文章", "ださ"}),
        ("요약해주세요", "짧게 요약해줘", {"요약", "약해"}),
        ("ช่วยแปลข้อความนี้", "แปลเป็นภาษาไทย", {"แป"}),
    ],
)
def test_texts_without_blanks_between_words_share_pairs_of_characters(
    first: str, second: str, shared: set[str]
) -> None:
    assert shared <= words_of(first) & words_of(second)
    vocabulary = Vocabulary.of([first, second, "Draw a fox."])
    likeness = vocabulary.shared([second])[0]
    assert likeness[0] > 0.1
    assert likeness[2] == 0
