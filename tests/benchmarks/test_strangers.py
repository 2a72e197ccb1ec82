"""The benchmark on other people's requests: its figures, its groups, and the sets it reads."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.answer_tables import Answers, by_language, by_length, by_set, figures, near_misses
from benchmarks.confidence import band_of, rejected, summarize
from benchmarks.encoder_costs import PROMPTS, prompts
from benchmarks.request_forms import FORMS, LATER_FORMS, wrap
from benchmarks.request_sets import (
    LEARNED,
    NEAR_MISS,
    UNLEARNED,
    LabelledRequest,
    part_of,
    sets_of_others,
    shipped_sets,
)
from benchmarks.same_vectors import REGRESSION
from benchmarks.strangers import short_requests, wrapped
from omni_router.evaluation.data import Item
from omni_router.evaluation.metrics import Outcome

RIGHT, WRONG = ("a", "a"), ("a", "b")


def answers(*given: tuple[tuple[str, str], float]) -> list[Outcome]:
    """Return answers by their right and predicted route and their confidence."""
    return [Outcome(*routes, confidence) for routes, confidence in given]


def request(text: str, language: str = "en", *, route: str = "a", source: str = "") -> LabelledRequest:
    item = Item(
        line=1,
        id="",
        route=route,
        conversation=({"role": "user", "content": text},),
        text=text,
        image_now=False,
        image_before=False,
        has_image=False,
    )
    return LabelledRequest(item, language, source)


def test_the_figures_of_some_answers() -> None:
    summary = summarize(answers((RIGHT, 0.95), (WRONG, 0.9), (RIGHT, 0.5), (RIGHT, 0.25)))
    assert (summary.n, summary.right, summary.confident, summary.confident_right) == (4, 3, 2, 1)
    assert summary.interval == pytest.approx((0.3006, 0.9544), abs=1e-4)  # Wilson's, from a table
    assert summary.confidence == pytest.approx(0.65)
    # Bins: 0.9 to 1 has two answers, a mean of 0.925 and one right; the two others are right with 0.5 and 0.25.
    assert summary.calibration_error == pytest.approx((2 * 0.425 + 0.5 + 0.75) / 4)


def test_nothing_cannot_be_summarized() -> None:
    with pytest.raises(ValueError, match="no answers"):
        summarize([])


@pytest.mark.parametrize(
    ("length", "band"),
    [
        (0, "below 60"),
        (59, "below 60"),
        (60, "60 to 200"),
        (199, "60 to 200"),
        (200, "200 to 1,000"),
        (999, "200 to 1,000"),
        (1_000, "1,000 and more"),
    ],
)
def test_a_band_ends_before_its_upper_bound(length: int, band: str) -> None:
    assert band_of("x" * length) == band


def test_the_threshold_keeps_the_recall_and_other_counts_as_no_confidence() -> None:
    inside = answers(*[(RIGHT, 0.5)] * 19, (RIGHT, 0.1))  # 0.5 is reached by 95 % of them
    outside = answers((("other", "a"), 0.5), (("other", "a"), 0.49), (("other", "other"), 0.99))
    assert rejected(inside, outside) == (2, 3)
    assert rejected(inside, outside, recall=1.0) == (1, 3)


@pytest.mark.parametrize(
    ("language", "part"),
    [
        ("en", "English"),
        ("zh-TW", "other languages that an encoder has learned"),
        ("sw", "languages that no encoder has learned"),
        ("not English", "not English"),
    ],
)
def test_the_part_of_a_language(language: str, part: str) -> None:
    assert part_of(language) == part


def test_groups_are_parts_of_their_set() -> None:
    requests = [request("x" * 10), request("y" * 300, "de"), request("z" * 300, "sw")]
    outcomes = answers((RIGHT, 0.9), (WRONG, 0.5), (RIGHT, 0.1))
    given = {"set": Answers(requests, outcomes, {REGRESSION: outcomes})}
    sizes = {name: len(each.ours) for name, each in by_set(given)}
    learned = "... other languages that an encoder has learned"
    assert sizes == {"set": 3, "... English": 1, learned: 1, "... languages that no encoder has learned": 1}
    assert {name: each.ours for name, each in by_language(given)} == {
        "set: de": outcomes[1:2],
        "set: en": outcomes[:1],
        "set: sw": outcomes[2:],
    }
    assert {name: each.others[REGRESSION] for name, each in by_length(given)} == {
        "set: below 60": outcomes[:1],
        "set: 200 to 1,000": outcomes[1:],
    }


def test_a_row_has_the_figures_of_both_routers_and_no_confidence_of_one_that_has_none() -> None:
    ours = answers((RIGHT, 0.95), (WRONG, 0.3))
    theirs = [Outcome(*RIGHT), Outcome(*RIGHT)]
    given = {"set": Answers([request("x"), request("y")], ours, {REGRESSION: ours[::-1], "library": theirs})}
    head, _, row = figures("set", by_set(given)).split("\n")
    assert head.count("|") == row.count("|")
    assert (
        row == "| set | 2 | 50.0% (9.5% to 90.5%) | 0.62 | 50% | 100.0% of 1 | 0.175 | 50.0% | 100.0% of 1 | 100.0% |"
    )


def test_near_misses_stand_apart_from_other_requests_without_a_route() -> None:
    outside = {"route": "other"}
    requests = [request("x"), request("y", source=NEAR_MISS, **outside), request("z", source="elsewhere", **outside)]
    ours = answers((RIGHT, 0.8), (("other", "a"), 0.9), (("other", "other"), 0.9))
    rows = near_misses({"none": Answers(requests[:1], ours[:1], {}), "set": Answers(requests, ours, {})}).split("\n")
    assert rows[2:] == [
        "| set | elsewhere | 100.0% of 1 | 100.0% of 1 |",
        f"| set | {NEAR_MISS} | 0.0% of 1 | 0.0% of 1 |",
    ]


def test_sets_of_others_are_read_where_they_lie_with_their_policies_and_languages(tmp_path: Path) -> None:
    assert sets_of_others(tmp_path) == []
    routes = tmp_path / "routes"
    routes.mkdir()
    lines = [
        {"text": text, "route": "alarm", "source": language} for text, language in (("wake me", "en"), ("x", "da"))
    ]
    (routes / "xsid_13_languages.jsonl").write_text("\n".join(map(json.dumps, lines)))
    policy = [{"name": "alarm", "task": "text-generation", "description": "alarms", "models": []}]
    (routes / "xsid_policy_en_examples.json").write_text(json.dumps(policy))
    asked = [
        {"text": text, "route": "casual_conversation"}
        for text in ("Where is a café around here, and is it open?", "привет", "Thơ về biển và những con thuyền")
    ]
    (routes / "arena_hard_v2.jsonl").write_text("\n".join(map(json.dumps, asked)))
    arena, xsid = sets_of_others(tmp_path)
    assert [each.language for each in arena.requests] == ["en", LEARNED, UNLEARNED]
    assert list(map(part_of, (LEARNED, UNLEARNED))) == [LEARNED, UNLEARNED]
    assert [each.language for each in xsid.requests] == ["en", "da"]
    assert [route.name for route in xsid.document.routes] == ["alarm"]


def test_what_ships_has_every_language_and_no_image() -> None:
    own, everyday, smoke = shipped_sets()
    assert len({each.language for each in own.requests}) == 17  # sixteen, Chinese in both scripts, and one unstated
    assert not [each for each in [*own.requests, *everyday.requests, *smoke.requests] if each.item.image_before]
    assert len(own.requests) < 700  # the test split alone
    counts = Counter(each.language for each in everyday.requests)
    assert len(counts) == 10
    assert set(counts.values()) == {57}


def test_wrapped_requests_keep_their_route() -> None:
    own, *_ = shipped_sets()
    requests = short_requests(own)
    assert len(requests) > 70
    for form in [*FORMS.values(), *LATER_FORMS.values()]:
        for bare, each in zip(requests, wrapped(requests, form, own.document).requests, strict=True):
            assert bare.item.text in each.item.text == each.item.conversation[0]["content"]
            assert bare.item.route == each.item.route


def test_a_request_with_the_name_of_a_placeholder_stays_as_it_is() -> None:
    assert wrap("{context}: {request}", "What is {context}?").endswith(": What is {context}?")


@pytest.mark.parametrize("length", [30, 2_000])
def test_prompts_have_the_length_that_is_asked_for(length: int) -> None:
    spoken = prompts(["Draw a lighthouse.", "How are\nyou?"], length)
    assert len(spoken) == PROMPTS
    assert {len(text) for text in spoken} == {length}
