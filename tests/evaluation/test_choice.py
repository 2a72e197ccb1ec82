"""`omni-router eval-choice`: tables by hand, what is held out, odd tables, and the command as a user runs it."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from omni_router.cli import main
from omni_router.evaluation.category_routes import is_aggregate, route_of
from omni_router.evaluation.choice import judge
from omni_router.evaluation.choice_plot import frontier
from omni_router.evaluation.choice_result import PICKERS, ChoiceResult
from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES, ServedModel, Tables, read_tables

Capture = pytest.CaptureFixture[str]
Pickers = dict[str, dict[str, Any]]

# Four models: the last is the best everywhere, the third nearly as good at a tenth of its price.
SCORES: dict[str, tuple[float, ...]] = {"code": (10, 30, 60, 61), "math": (20, 40, 70, 71), "story": (30, 50, 80, 81)}
MODELS = {
    "a/weak": ServedModel("a/weak", 0.1, date(2025, 1, 1)),
    "a/middle": ServedModel("a/middle", 0.5, date(2025, 6, 1)),
    "a/good": ServedModel("a/good", 0.2, date(2025, 9, 1)),
    "a/best": ServedModel("a/best", 2.0, date(2025, 3, 1)),
}


def tables(scores: Mapping[str, tuple[float, ...]] = SCORES, models: Mapping[str, ServedModel] = MODELS) -> Tables:
    by_category = {name: dict(zip(MODELS, map(float, values), strict=True)) for name, values in scores.items()}
    return Tables(models, {"2026-01-01": by_category}, 0)


def pickers(data: Tables, lists: int = 3, **how: Any) -> Pickers:
    found: Pickers = ChoiceResult(data, list(judge(data, lists=lists, **how)), lists, 0).as_json()["pickers"]
    return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Write two tables, and return their paths."""

    def write(scores: str, prices: str) -> list[str]:
        paths = [tmp_path / "scores.csv", tmp_path / "prices.csv"]
        for path, text in zip(paths, (scores, prices), strict=True):
            path.write_text(text, encoding="utf-8")
        return list(map(str, paths))

    return write


def test_quality_and_price_of_each_rule_by_hand() -> None:
    found = pickers(tables())
    assert list(found) == [name for name in PICKERS if name != "trending"]
    expected = {
        "random": (50.25, 0.7),
        "newest": (70, 0.2),
        "best_constant": (71, 2.0),
        "cheapest_adequate_constant": (70, 0.2),
        "balanced": (70, 0.2),
        "oracle": (71, 2.0),
    }
    for name, (quality, price) in expected.items():
        assert (found[name]["quality"], found[name]["price"]) == pytest.approx((quality, price)), name
        assert found[name]["n"] == 9  # three lists, three categories
    assert found["balanced"]["relative_price"] == pytest.approx(0.1)


def test_quality_is_the_mean_by_route_however_many_categories_one_has() -> None:
    many = {**SCORES, "math 2": (20, 40, 70, 71), "math 3": (20, 40, 70, 71)}
    assert pickers(tables(many))["oracle"]["quality"] == pytest.approx(71)


def test_a_category_does_not_choose_for_itself() -> None:
    turned = {**SCORES, "story": (99, 50, 20, 10)}
    quality = {
        each.category: {rule: pick[0] for rule, pick in each.picks.items()} for each in judge(tables(turned), lists=1)
    }
    assert quality["story"]["best_constant"] == 10  # as the others say, though it is the worst here
    assert quality["story"]["best"] <= 20
    assert quality["story"]["oracle"] == 99


def test_other_dates_choose_where_that_is_asked_for_and_never_by_the_same_category() -> None:
    turned = {name: tuple(reversed(values)) for name, values in SCORES.items()}
    data = tables()
    both = Tables(MODELS, {**data.scores, "2026-06-01": tables(turned).scores["2026-01-01"]}, 0)
    assert pickers(both)["best_constant"]["quality"] == pytest.approx(71)
    crossed = list(judge(both, lists=1, across_dates=True))
    assert {each.picks["best_constant"][0] for each in crossed if each.category == "code"} == {10}


def test_the_seed_decides_the_lists() -> None:
    data = read_tables(SYNTHETIC_SCORES, SYNTHETIC_PRICES)
    first, same, other = (pickers(data, 2, seed=seed)["random"] for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize(
    ("category", "route"),
    [
        ("Coding/code_completion", "code_generation"),
        ("Agentic Coding/python", "code_debugging"),
        ("coding", "code_generation"),
        ("SWE-bench", "code_debugging"),
        ("Mathematics/AMPS_Hard", "math_reasoning"),
        ("math", "math_reasoning"),
        ("Reasoning/theory_of_mind", "math_reasoning"),
        ("IF/story_generation", "creative_writing"),
        ("creative_writing", "creative_writing"),
        ("IF/summarize", "summarization"),
        ("Language/typos", "translation"),
        ("german", "translation"),
        ("multi_turn", "casual_conversation"),
        ("Data Analysis/tablejoin", "question_answering"),
        ("hard_prompts", "question_answering"),
        ("text_to_image", "image_generation"),
    ],
)
def test_the_words_of_a_category_say_its_route(category: str, route: str) -> None:
    assert route_of(category) == route


def test_what_sums_up_the_others_neither_chooses_nor_is_judged() -> None:
    assert is_aggregate("Overall")
    assert not is_aggregate("Coding/code_generation")


def test_models_that_are_not_open_or_have_no_prices_cannot_be_chosen(write: Any) -> None:
    lines = ["date,category,model,open,score"]
    for category in ("coding", "math", "overall"):
        lines += [f"2026,{category},{model},1,50" for model in ("Org/A", "b/b", "no/price")]
        lines += [f"2026,{category},closed,0,99", f"2026,{category},b/b,1,"]
    data = read_tables(
        *map(Path, write("\n".join(lines), "model,input,output\norg/a,1,2\nb/b,,\nunused,1,1\nclosed,1,1"))
    )
    assert set(data.models) == {"org/a", "b/b"}
    assert set(data.scores["2026"]) == {"coding", "math"}
    assert data.not_served == 2
    assert data.models["b/b"].price is None
    assert pickers(data)["random"]["price"] == pytest.approx(1.25)  # the unknown one counts as the median


def test_tables_without_any_price_give_no_figure_for_it(write: Any, capsys: Capture) -> None:
    scores = "category,model,score\n" + "".join(f"{c},m{n},{n}\n" for c in ("math", "code") for n in range(5))
    prices = "model,input,output\n" + "".join(f"m{n},,\n" for n in range(5))
    assert main(["eval-choice", *write(scores, prices), "--json", "--lists", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pickers"]["balanced"]["price"] is None
    assert any("have no price" in note for note in found["notes"])
    assert main(["eval-choice", *write(scores, prices), "--lists", "2"]) == 0


def test_ratings_are_judged_like_percentages_and_a_note_says_what_to_compare() -> None:
    ratings = {name: tuple(1200 + value for value in values) for name, values in SCORES.items()}
    data = tables(ratings)
    result = ChoiceResult(data, list(judge(data, lists=2)), 2, 0)
    found = result.overall()
    assert found["balanced"] == pytest.approx((1270, 0.2))
    assert found["cheapest_adequate_constant"] == pytest.approx((1270, 0.2))  # not one that is 1 % of 1270 worse
    assert any("ratings" in note for note in result.notes())


def test_with_too_few_models_for_any_board_the_newest_comes_first() -> None:
    few = {name: dict(list(values.items())[:3]) for name, values in tables().scores["2026-01-01"].items()}
    for each in judge(Tables(dict(list(MODELS.items())[:3]), {"": few}, 0), lists=2):
        assert each.picks["best"] == each.picks["newest"]


def test_the_trending_rule_takes_the_first_place() -> None:
    places = {
        name: ServedModel(name, model.price, model.released, 4 - n) for n, (name, model) in enumerate(MODELS.items())
    }
    assert pickers(tables(models=places))["trending"]["quality"] == pytest.approx(71)


def test_a_board_upside_down_changes_little() -> None:
    upright = {f"Reasoning/{number}": values for number, values in enumerate(SCORES.values())}
    models = {f"m{number}": ServedModel(f"m{number}", 1.0) for number in range(8)}
    scores = {
        name: {model: 10.0 * place + 3 * n for place, model in enumerate(models)} for n, name in enumerate(upright)
    }
    scores["wrong"] = {model: -value for model, value in scores["Reasoning/0"].items()}
    data = Tables(models, {"": scores}, 0)
    for each in judge(data, lists=3):
        if each.category != "wrong":
            assert each.picks["best"] == each.picks["oracle"]


def test_balanced_keeps_the_quality_at_a_lower_price_on_the_tables_that_ship(capsys: Capture) -> None:
    assert main(["eval-choice", str(SYNTHETIC_SCORES), str(SYNTHETIC_PRICES), "--json", "--lists", "60"]) == 0
    found = json.loads(capsys.readouterr().out)
    picked, best = found["pickers"]["balanced"], found["pickers"]["best_constant"]
    assert set(PICKERS) - {"trending"} == set(found["pickers"])
    assert all({"quality", "price", "n"} <= set(figures) for figures in found["pickers"].values())
    assert picked["quality"] >= 0.98 * best["quality"]
    assert picked["price"] <= 0.65 * best["price"]
    low, high = picked["quality_interval"]
    assert low <= picked["quality"] <= high
    for route in ("code_generation", "code_debugging"):
        figures = found["routes"][route]
        assert figures["best"]["quality"] >= figures["newest"]["quality"] - 0.1  # the newest is the best in most lists


def test_without_tables_the_synthetic_ones_are_taken_and_a_note_says_so(capsys: Capture) -> None:
    assert main(["eval-choice", "--lists", "2"]) == 0
    out, err = capsys.readouterr()
    assert "balanced" in out
    assert "20 served models, 16 categories of 7 routes" in out
    assert "synthetic" in err


GOOD_SCORES = "date,category,model,open,score\n" + "".join(
    f"2026,{c},{m},1,{n}\n" for c in ("a", "b") for n, m in enumerate("xyz")
)
GOOD_PRICES = "model,input,output,context,released\nx,1,2,,2026\ny,1,2,,2026-01\nz,1,2,,2026-01-31\n"


@pytest.mark.parametrize(
    ("scores", "prices", "message"),
    [
        ("category,model\n", GOOD_PRICES, "scores.csv:1: no column score; the columns are date,category,model"),
        (GOOD_SCORES + "2026,a,x,1,high\n", GOOD_PRICES, "scores.csv:8: score must be a number, not 'high'"),
        (GOOD_SCORES + "2026,a,x,1,nan\n", GOOD_PRICES, "scores.csv:8: score must be a number, not 'nan'"),
        (GOOD_SCORES + "2026,a,x,maybe,1\n", GOOD_PRICES, "scores.csv:8: open must be 1"),
        (GOOD_SCORES + "2026,,x,1,1\n", GOOD_PRICES, "scores.csv:8: category must not be empty"),
        (GOOD_SCORES, GOOD_PRICES + "w,-1,2,,\n", "prices.csv:5: input must be a number of at least 0, or empty"),
        (GOOD_SCORES, GOOD_PRICES + "w,1,2,,June 2026\n", "prices.csv:5: released must be YYYY-MM-DD"),
        (GOOD_SCORES, GOOD_PRICES + "w,1,2,,2026-02-30\n", "prices.csv:5: released must be YYYY-MM-DD"),
        ("date,category,model,open,score\n", GOOD_PRICES, "scores.csv: the file has no rows"),
        ("", GOOD_PRICES, "scores.csv:1: no column category, model, score"),
        (GOOD_SCORES, "model,input,output\nother,1,2\n", "at one date there must be 2 categories or more"),
        (GOOD_SCORES.replace(",b,", ",a,"), GOOD_PRICES, "at one date there must be 2 categories or more"),
    ],
)
def test_a_wrong_table_is_an_error_with_the_place_and_what_is_allowed(
    write: Any, capsys: Capture, scores: str, prices: str, message: str
) -> None:
    assert main(["eval-choice", *write(scores, prices), "--json"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert message in err


def test_tables_that_are_missing_or_cannot_be_crossed_are_errors(write: Any, capsys: Capture) -> None:
    paths = write(GOOD_SCORES, GOOD_PRICES)
    for words, message in (
        ([paths[0]], "needs a table of prices"),
        ([paths[0], "nowhere.csv"], "nowhere.csv: cannot be read"),
        ([*paths, "--across-dates"], "at least two dates"),
        ([*paths, "--plot", "choice.txt"], "must end in .png, .svg or .pdf"),
        ([*paths, "--plot", f"{paths[0]}/choice.png"], "cannot be written"),
    ):
        assert main(["eval-choice", *words, "--lists", "1"]) == 2
        assert message in capsys.readouterr().err


def test_the_frontier_is_what_nothing_else_beats() -> None:
    assert frontier([(5, 1.0), (4, 2.0), (9, 3.0), (9, 4.0), (6, 1.0)]) == [(6, 1.0), (9, 3.0)]


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "new" / "choice.svg"
    assert main(["eval-choice", "--lists", "2", "--plot", str(path)]) == 0
    assert "Quality against price" in path.read_text() or path.stat().st_size > 10_000


def test_figures_of_json_are_finite() -> None:
    for figures in pickers(tables()).values():
        assert all(math.isfinite(figures[name]) for name in ("quality", "price", "relative_price"))
