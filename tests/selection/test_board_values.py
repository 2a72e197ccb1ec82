"""Leaderboards on one scale: values by hand, and rows as they really come."""

import math
from datetime import date

import pytest

from omni_router.hub.evidence import BoardRow
from omni_router.selection.board_values import CUT, board_values, strengths


def rows(board: str, *values: float, lower_is_better: bool = False) -> list[BoardRow]:
    """Rows of the models m0, m1, ..."""
    return [BoardRow(board, f"m{number}", value, lower_is_better) for number, value in enumerate(values)]


def test_values_are_standard_deviations_from_the_mean() -> None:
    scale = board_values(rows("a", 10, 20, 30, 40)).scales["a"]
    deviation = math.sqrt(125)  # of 10, 20, 30, 40
    assert scale == pytest.approx(
        {"m0": -15 / deviation, "m1": -5 / deviation, "m2": 5 / deviation, "m3": 15 / deviation}
    )


def test_a_board_of_errors_is_turned_round() -> None:
    values = board_values([*rows("errors", 10, 20, 30, 40, lower_is_better=True), *rows("right", 40, 30, 20, 10)])
    assert values.scales["errors"] == pytest.approx(values.scales["right"])


def test_a_value_far_from_all_others_is_cut() -> None:
    scale = board_values(rows("a", *[30.0 + number for number in range(15)], 99)).scales["a"]
    assert max(scale.values()) == CUT


@pytest.mark.parametrize("typical", [50.0, 1400.0], ids=["percentages", "ratings"])
@pytest.mark.parametrize("absurd", [1e8, -1e8])
def test_an_absurd_value_costs_its_row_alone(typical: float, absurd: float) -> None:
    plain = [typical + number for number in range(15)]
    assert board_values(rows("a", *plain, absurd)).scales == board_values(rows("a", *plain)).scales


def test_more_than_a_hundred_percent_is_a_mistake_where_all_others_are_percentages() -> None:
    plain = [50.0 + number for number in range(15)]
    assert board_values(rows("a", *plain, 650.0)).scales == board_values(rows("a", *plain)).scales
    assert "m9" in board_values(rows("a", *(90.0 + 3 * number for number in range(10)))).scales["a"]


def test_a_board_on_which_all_but_one_have_failed_so_far_keeps_that_one() -> None:
    assert board_values(rows("a", 0.0, 0.0, 0.0, 0.2, 0.3, 24.0)).scales["a"]["m5"] > 1


def test_fractions_among_percentages_are_percentages() -> None:
    mixed = board_values(rows("a", 0.1, 20, 30, 40))
    assert mixed.scales == board_values(rows("a", 10, 20, 30, 40)).scales


def test_a_board_of_fractions_alone_stays_as_it_is() -> None:
    assert board_values(rows("a", 0.1, 0.2, 0.3, 0.4)).scales["a"]["m3"] == pytest.approx(15 / math.sqrt(125))


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (5.0, 5.0, 5.0, 5.0), (math.nan, 1.0, 2.0, 3.0)])
def test_a_board_that_distinguishes_too_little_is_no_board(values: tuple[float, ...]) -> None:
    assert not board_values(rows("a", *values)).scales


def test_only_served_models_set_the_scale() -> None:
    served = {"m0", "m1", "m2", "m3"}
    with_others = board_values(rows("a", 10, 20, 30, 40, 99, 99), served)
    assert with_others.scales == board_values(rows("a", 10, 20, 30, 40)).scales


def test_several_rows_of_one_model_count_as_their_median() -> None:
    repeated = [BoardRow("a", "m0", value) for value in (9, 11, 90)] + rows("a", 10, 20, 30, 40)[1:]
    assert board_values(repeated).scales["a"]["m0"] == board_values(rows("a", 11, 20, 30, 40)).scales["a"]["m0"]


def test_a_board_upside_down_is_left_out() -> None:
    upright = [row for number in range(3) for row in rows(f"b{number}", 10, 20, 31 + number, 40, 50, 60)]
    values = board_values([*upright, *rows("wrong", 60, 50, 40, 30, 20, 10)])
    assert values.left_out == {"wrong"}
    assert strengths(values)["m5"].value == strengths(board_values(upright))["m5"].value
    assert not values.without("wrong").left_out


def test_strength_is_a_weighted_mean_drawn_towards_zero() -> None:
    values = board_values([*rows("own", 10, 20, 30, 40), *rows("other", 40, 20, 30, 10)])
    high = 15 / math.sqrt(125)
    # The own board counts five times, and one more board says that the model is average.
    strong = strengths(values, ["own"])["m3"]
    assert strong.value == pytest.approx((5 * high - high) / 7)
    assert strong.boards == 2
    assert strengths(values)["m3"].value == pytest.approx(0)


def test_a_newer_model_counts_as_better_only_if_boards_know_it() -> None:
    even = [row for board in "ab" for row in rows(board, 10, 20, 20, 30)] + [BoardRow("a", "once", 20)]
    released = {f"m{number}": date(2026, 1, 1 + number) for number in range(4)} | {"once": date(2026, 12, 31)}
    with_dates, without = strengths(board_values(even), released=released), strengths(board_values(even))
    assert with_dates["m2"].value > with_dates["m1"].value
    assert with_dates["once"] == without["once"]
    assert not with_dates["once"].known
