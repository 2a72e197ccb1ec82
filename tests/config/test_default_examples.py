"""The examples of the default policy: every route in every language and length, no two alike, none of a test set."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import omni_router
from benchmarks.examples.compose import EXAMPLES, LANGUAGES, composed_examples
from omni_router.config.example_files import parse_examples

FILES = sorted(EXAMPLES.glob("*.txt"))
NAMES = [path.stem for path in FILES]
TEST_SETS = (
    Path(omni_router.__file__).parent / "evaluation/data/default_policy.jsonl",
    Path(__file__).parents[1] / "data/routing_smoke.jsonl",
)
LEAST = 14  # examples of a language in a route
LONG_ROUTES = ("summarization", "creative_writing", "question_answering", "code_debugging")
DENSE = {"ja", "ko", "zh", "zh-TW"}  # a character of theirs says as much as two or three of others
BANDS = {"short": (0, 60), "a sentence": (60, 200), "a paragraph": (200, 1000), "long": (1000, 2100)}
GRAMS = 4  # characters
LIKENESS = 0.8  # of two sets of grams, above which two texts say the same


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Return each line with an example, and the language of the comment above it: '' for a mixture."""
    language = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            word = line.removeprefix("# composed: ").removeprefix("# ").partition(" ")[0]
            language = word if word in LANGUAGES else ""
        else:
            yield language, line


def grams(text: str) -> frozenset[str]:
    normal = " ".join(re.findall(r"\w+", text.casefold())) or text
    return frozenset(normal[start : start + GRAMS] for start in range(max(1, len(normal) - GRAMS + 1)))


def alike(texts: list[str], others: list[str]) -> list[tuple[str, str]]:
    """Return the pairs that share most of their grams, by an index of the grams of `others`."""
    sets = [grams(other) for other in others]
    index: defaultdict[str, list[int]] = defaultdict(list)
    for number, found in enumerate(sets):
        for gram in found:
            index[gram].append(number)
    pairs = []
    for text in texts:
        own = grams(text)
        shared = Counter(number for gram in own for number in index.get(gram, ()))
        for number, count in shared.items():
            if count > LIKENESS * (len(own) + len(sets[number]) - count):
                pairs.append((text, others[number]))
    return pairs


def requests_of_test_sets() -> list[str]:
    texts: list[str] = []
    for path in TEST_SETS:
        for line in path.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            texts += [item["text"]] if "text" in item else [item["messages"][-1]["content"]]
    return texts


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_lines_are_read_one_by_one_and_none_stands_twice(path: Path) -> None:
    lines = [line for _, line in sections(path)]
    examples = parse_examples(path.read_text(encoding="utf-8"))
    assert len(examples) == len(lines)
    assert all(line == line.strip() != "" for line in lines)
    assert Counter(" ".join(example.casefold().split()) for example in examples).most_common(1)[0][1] == 1


def test_no_request_is_an_example_of_two_routes() -> None:
    routes: defaultdict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for example in parse_examples(path.read_text(encoding="utf-8")):
            routes[example.casefold()].append(path.stem)
    assert not {example: names for example, names in routes.items() if len(names) > 1}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_language_is_in_every_route(path: Path) -> None:
    counts = Counter(language for language, _ in sections(path))
    assert not {language: counts[language] for language in LANGUAGES if counts[language] < LEAST}


@pytest.mark.parametrize("route", LONG_ROUTES)
def test_every_language_has_a_long_example(route: str) -> None:
    longest: Counter[str] = Counter()
    for language, line in sections(EXAMPLES / f"{route}.txt"):
        longest[language] = max(longest[language], *map(len, parse_examples(line)))
    assert not {each: longest[each] for each in LANGUAGES if longest[each] < (800 if each in DENSE else 1000)}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
@pytest.mark.parametrize("band", BANDS)
def test_every_length_is_in_every_route(path: Path, band: str) -> None:
    low, high = BANDS[band]
    lengths = [len(example) for example in parse_examples(path.read_text(encoding="utf-8"))]
    assert sum(low <= length < high for length in lengths) >= (1 if band == "long" else 10)
    assert max(lengths) < BANDS["long"][1]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_two_examples_of_a_route_are_alike(path: Path) -> None:
    written, _, _ = path.read_text(encoding="utf-8").partition("\n# composed: ")  # these share their texts on purpose
    examples = [example for example in parse_examples(written) if re.search(r"\w", example)]
    assert not [(a, b) for a, b in alike(examples, examples) if a != b]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_example_is_like_a_request_of_a_test_set(path: Path) -> None:
    examples = [text for text in parse_examples(path.read_text(encoding="utf-8")) if re.search(r"\w", text)]
    assert not [pair for pair in alike(examples, requests_of_test_sets()) if len(grams(pair[0])) > 1]  # no "aaaaaaa"


def test_the_composed_examples_are_what_the_script_composes() -> None:
    for route, by_language in composed_examples().items():
        text = (EXAMPLES / f"{route}.txt").read_text(encoding="utf-8")
        _, _, composed = text.partition("\n# composed: ")
        expected = [line for language, lines in by_language.items() for line in (f"# composed: {language}", *lines)]
        assert f"# composed: {composed}".splitlines() == expected
