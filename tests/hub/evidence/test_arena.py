"""Arena's ratings: which rows count, and which served model a name means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from omni_router.hub.evidence.arena import MAX_PAGES, PAGE, ArenaContent, arena_ratings, fetch_page, read_config
from omni_router.hub.evidence.arena_names import ArenaNames
from omni_router.hub.evidence.snapshot import BoardRow, EvidenceSnapshot, Rating

CODING = "lmarena-ai/leaderboard-dataset/text_style_control/coding"


def row(name: Any = "text-generation-1", rating: Any = 1400.0, **more: Any) -> dict[str, Any]:
    cells = {"model_name": name, "organization": "sandbox", "rating": rating, "category": "coding"}
    return {"row_idx": 0, "row": {**cells, "leaderboard_publish_date": "2026-09-13", **more}}


def read_rows(rows: list[Any]) -> ArenaContent:
    body = {"rows": rows, "num_rows_total": len(rows)}
    return read_config(lambda offset: fetch_page("text_style_control", offset, lambda _url, _params: body))


MALFORMED: list[Any] = [
    None,
    3,
    {},
    {"row": None},
    {"row": []},
    row(rating=None),
    row(rating="1400"),
    row(rating=float("nan")),
]
MALFORMED += [row(name=""), row(name="x" * 1000), row(organization=3, name=None), row(category=None)]
MALFORMED += [row(leaderboard_publish_date=date) for date in (None, "", "soon", "2026-13-13", 1_757_721_600)]


@pytest.mark.parametrize("bad", MALFORMED, ids=lambda bad: repr(bad)[:60])
def test_a_malformed_row_costs_that_row_alone(bad: Any) -> None:
    content = read_rows([row("a-1"), bad, row("b-2")])
    assert [rating.name for rating in arena_ratings("text_style_control", content)] == ["a-1", "b-2"]
    assert content["dropped"] == {"malformed row": 1}


def test_a_rating_has_the_board_of_its_category_and_the_publish_date() -> None:
    [rating] = arena_ratings("text_style_control", read_rows([row(), row(category="no_category_that_is_read")]))
    assert rating == Rating(CODING, "text-generation-1", "sandbox", 1400.0, "2026-09-13")


def test_only_the_newest_publish_date_counts() -> None:
    dates = ["2026-09-06", "2026-09-13T00:00:00", "2026-09-06"]
    content = read_rows([row(f"m-{n}", leaderboard_publish_date=date) for n, date in enumerate(dates)])
    assert [rating[1] for rating in content["ratings"]] == ["m-1"]
    assert content["dropped"] == {"older publish date": 2}


def test_a_single_wrong_date_does_not_make_all_others_old() -> None:
    rows = [row(f"m-{n}") for n in range(20)]
    content = read_rows([*rows, row("odd", leaderboard_publish_date="2999-01-01")])
    assert len(content["ratings"]) == 20


def test_of_many_publish_dates_the_newest_one_counts() -> None:
    rows = [row(f"m-{day}", leaderboard_publish_date=f"2026-09-{day}") for day in range(10, 25)]
    assert [rating[1] for rating in read_rows(rows)["ratings"]] == ["m-24"]


@pytest.mark.parametrize("rows", [[], [None], [{"row": {}}]], ids=repr)
def test_rows_without_a_rating_are_refused(rows: list[Any]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        read_rows(rows)


@pytest.mark.parametrize("body", [None, [], {}, {"rows": 3}, {"rows": []}, {"rows": [], "num_rows_total": "1"}])
def test_what_is_not_a_page_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        read_config(lambda offset: fetch_page("text_style_control", offset, lambda _url, _params: body))


def test_pages_are_read_up_to_a_limit() -> None:
    offsets = []

    def get_json(_url: str, params: dict[str, Any]) -> Any:
        offsets.append(params["offset"])
        return {"rows": [row()] * PAGE, "num_rows_total": 10**9}

    content = read_config(lambda offset: fetch_page("text_style_control", offset, get_json))
    assert offsets == list(range(0, PAGE * MAX_PAGES, PAGE))
    assert content["dropped"] == {"more rows than are read": 10**9 - PAGE * MAX_PAGES}


# ---- which model a name means; the names are made up, in the forms that Arena and the Hub use

SERVED = [
    "acme-ai/Acme-V3.2",
    "acme-ai/Acme-V3.2-Exp",
    "zed-org/ZLM-4.6",
    "copies/ZLM-4.6",
    "Meta-Zoo/Meta-Zoo-3_1-8B-Instruct",
    "zoo/Owl-235B-A22B-Instruct-2507",
    "zoo/Owl-235B-A22B",
    "zoo/Owl-235B-A22B-Thinking-2507",
    "zoo/Fox-30B-Instruct",
    "paint/PAINT.1-dev",
    "big/Large",
    "sandbox/text-generation-1",
]


@pytest.mark.parametrize(
    ("name", "organization", "model"),
    [
        ("acme-v3.2", "Acme", "acme-ai/Acme-V3.2"),
        ("acme-v3.2-exp", "Acme", "acme-ai/Acme-V3.2-Exp"),
        ("acme-v3.2-thinking", "Acme", "acme-ai/Acme-V3.2"),
        ("acme-v3.2-exp-thinking", "Acme", "acme-ai/Acme-V3.2-Exp"),
        ("Acme-v3.2-no-thinking", "", "acme-ai/Acme-V3.2"),
        ("acme-v3.2-high-20260901", "Acme", "acme-ai/Acme-V3.2"),
        ("acme-v3.2-2026-09-01", "Acme", "acme-ai/Acme-V3.2"),
        ("acme-v3.2-thinking-32k", "Acme", "acme-ai/Acme-V3.2"),
        ("zlm-4.6", "Zed.org", "zed-org/ZLM-4.6"),
        ("zoo-3.1-8b-instruct", "Meta", "Meta-Zoo/Meta-Zoo-3_1-8B-Instruct"),
        ("zoo-3.1-8b", "Meta", "Meta-Zoo/Meta-Zoo-3_1-8B-Instruct"),
        ("owl-235b-a22b-instruct-2507", "Alibaba", "zoo/Owl-235B-A22B-Instruct-2507"),
        ("owl-235b-a22b-thinking-2507", "Alibaba", "zoo/Owl-235B-A22B-Thinking-2507"),
        ("owl-235b-a22b-no-thinking", "Alibaba", "zoo/Owl-235B-A22B"),
        ("fox-30b-no-thinking", "Alibaba", "zoo/Fox-30B-Instruct"),
        ("fox-30b-20260901", "Alibaba", "zoo/Fox-30B-Instruct"),
        ("paint-1-dev", "Paint Labs", "paint/PAINT.1-dev"),
        ("sandbox-text-generation-1-high", "sandbox", "sandbox/text-generation-1"),
    ],
)
def test_a_name_means_the_served_model(name: str, organization: str, model: str) -> None:
    match = ArenaNames(SERVED).find(name, organization)
    assert match
    assert match.model == model


@pytest.mark.parametrize(
    ("name", "organization"),
    [
        ("zlm-4.6", "somebody"),  # two are served, and neither owner is the organization
        ("zlm-4.5", "Zed.org"),
        ("acme-v3", "Acme"),
        ("acme-v3.2-speciale", "Acme"),
        ("owl-235b-a22b-2506", "Alibaba"),  # four digits tell models apart
        ("owl-235b", "Alibaba"),
        ("fox-30b-thinking", "Alibaba"),  # the tuned model that is served does not think
        ("fox-30b-reasoning-high", "Alibaba"),
        ("large-medium", "Big"),  # what is left has no number
        ("acme-v3.2-20261399", "Acme"),
        ("", ""),
        ("---", "---"),
        ("high", ""),
    ],
)
def test_a_name_that_no_rule_finds_stays_unknown(name: str, organization: str) -> None:
    assert ArenaNames(SERVED).find(name, organization) is None


@given(some.text(max_size=40), some.text(max_size=20))
def test_any_name_is_looked_up(name: str, organization: str) -> None:
    match = ArenaNames(SERVED).find(name, organization)
    assert match is None or match.model in SERVED


def rating(name: str, value: float) -> Rating:
    return Rating(CODING, name, "Acme", value, "2026-09-13")


def test_the_closest_name_counts_and_of_two_variants_the_lower_one() -> None:
    served = ["acme-ai/Acme-V3.2"]
    ratings = (rating("acme-v3.2-high", 1480.0), rating("acme-v3.2", 1440.0), rating("closed-9", 1500.0))
    rows, dropped = EvidenceSnapshot(ratings=ratings, dropped={"malformed row": 2}).matched(served)
    assert rows == (BoardRow(CODING, served[0], 1440.0, published="2026-09-13"),)
    assert dropped == {
        "malformed row": 2,
        "name of Arena that no served model has": 1,
        "another variant of a model that has a closer name": 1,
    }
    variants = (rating("acme-v3.2-high", 1480.0), rating("acme-v3.2-low", 1410.0))
    assert EvidenceSnapshot(ratings=variants).matched(served).rows[0].value == 1410.0
