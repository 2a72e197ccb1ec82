"""The labelled lines that routers are measured on: well formed, varied, and apart from what the policy teaches."""

import json
import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import omni_router
from benchmarks.examples.compose import LANGUAGES
from tests.support.default_policy import entries_with_examples

FILE = Path(omni_router.__file__).parent / "evaluation/data/default_policy.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
TEST = [line for line in LINES if line["split"] == "test"]
POLICY = entries_with_examples()
EXAMPLES = [example for entry in POLICY for example in entry["examples"]]
SMOKE = [
    json.loads(line)["text"]
    for line in (Path(__file__).parents[1] / "data/routing_smoke.jsonl").read_text(encoding="utf-8").splitlines()
]
ROUTES = [entry["name"] for entry in POLICY]
LIKENESS = 0.8  # of two sets of words, above which two texts say the same


def whole(line: dict[str, Any]) -> str:
    """Everything that is said in a line; the same follow-up may stand after different beginnings."""
    return "\n".join(message["content"] for message in line["messages"]) if "messages" in line else str(line["text"])


def requests(line: dict[str, Any]) -> list[str]:
    """What the user says in a line."""
    if "text" in line:
        return [line["text"]]
    return [message["content"] for message in line["messages"] if message["role"] == "user"]


@cache
def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold())) or text.strip()


@cache
def words(text: str) -> frozenset[str]:
    return frozenset(normal(text).split())


def alike(a: str, b: str) -> bool:
    if normal(a) == normal(b):
        return True
    left, right = words(a), words(b)
    if min(len(left), len(right)) <= LIKENESS * max(len(left), len(right)):  # most pairs, without a closer look
        return False
    return len(left & right) > LIKENESS * len(left | right)


def test_each_line_has_the_keys_and_values_it_may_have() -> None:
    for line in LINES:
        image = {"image"} if line["route"] == "image_understanding" else set()
        assert set(line) - {"text", "messages", "language"} == {"route", "kind", "split"} | image, line
        assert line.get("language", "en") in LANGUAGES, line
        assert ("text" in line) != ("messages" in line), line
        assert line["route"] in {*ROUTES, "other"}, line
        assert line["split"] in {"test", "train"}, line
        assert line["kind"] in {"first", "follow_up", "near_miss", "language", "other"}, line
        assert line.get("image", True) is True, line
        assert whole(line).strip(), line
        if line["kind"] == "other":
            assert line["route"] == "other", line


def test_only_follow_ups_have_turns_before_them_and_both_sides_speak_in_turn() -> None:
    for line in LINES:
        assert ("messages" in line) == (line["kind"] == "follow_up"), line
        for i, message in enumerate(line.get("messages", [])):
            assert set(message) == {"role", "content"}
            assert message["role"] == ("user", "assistant")[i % 2]
            assert message["content"].strip() == message["content"] != ""
        if "messages" in line:
            assert len(line["messages"]) in {3, 5, 7}, line


def test_there_are_enough_lines_of_each_route_and_kind() -> None:
    routes = Counter(line["route"] for line in TEST)
    kinds = Counter(line["kind"] for line in TEST)
    assert len(TEST) >= 360
    assert all(routes[route] >= 30 for route in ROUTES), routes
    assert kinds["follow_up"] >= 60
    assert kinds["near_miss"] >= 50
    assert kinds["language"] >= 50
    assert routes["other"] >= 60


def test_no_two_lines_are_alike() -> None:
    same = [(a, b) for a, b in combinations([whole(line) for line in LINES if "text" in line], 2) if alike(a, b)]
    assert not same
    follow_ups = Counter(normal(whole(line)) for line in LINES if "messages" in line)
    assert max(follow_ups.values()) == 1


def test_nothing_that_is_asked_in_one_split_is_asked_in_the_other() -> None:
    train = [whole(line) for line in LINES if line["split"] == "train"]
    assert not [(a, b) for a in train for line in TEST if alike(a, b := whole(line))]


def test_no_line_is_like_a_smoke_line() -> None:  # the examples of the policy are checked where they are read
    asked = [text for line in LINES for text in requests(line)[-1:]]
    asked += [whole(line) for line in LINES]
    assert not [(a, b) for a in dict.fromkeys(asked) for b in SMOKE if alike(a, b)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_tested_on_the_routes_of_text(language: str) -> None:
    routes = {line["route"] for line in TEST if line.get("language") == language}
    assert routes == {*ROUTES, "other"} - {"image_understanding"}


def test_the_examples_are_many_and_differ_from_the_smoke_lines() -> None:
    assert all(len(entry["examples"]) >= 55 for entry in POLICY), {e["name"]: len(e["examples"]) for e in POLICY}
    assert not [(a, b) for a in EXAMPLES for b in SMOKE if alike(a, b)]
