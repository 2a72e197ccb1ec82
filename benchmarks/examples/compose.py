"""Compose the long examples of the default policy: pasted texts and code, each with requests of several routes.

The same text with different requests teaches that the request decides, and not the text or its length.

python -m benchmarks.examples.compose
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import omni_router

PHRASES = Path(__file__).parent
EXAMPLES = Path(omni_router.__file__).parent / "config/examples"
LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh", "zh-TW")
TEXT_ROUTES = ("summarization", "translation", "creative_writing", "question_answering")
CODE_ROUTES = ("code_debugging", "code_generation")
MARK = "# composed: "
INTRODUCED = 3  # one request of so many begins with an introduction


def read_phrases(language: str) -> dict[str, list[str]]:
    """Return the phrases of a language by section: introductions, materials, code, and the requests of each route."""
    sections: defaultdict[str, list[str]] = defaultdict(list)
    name = ""
    for line in (PHRASES / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1]
        elif line:
            sections[name].append(line)
    return dict(sections)


def compose(phrases: Mapping[str, Sequence[str]], code: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return routes with examples: each request with the text whose number it bears, some with an introduction.

    Numbers joined by `+` put several texts behind each other: a long example.
    """
    count = 0
    for route in (*TEXT_ROUTES, *CODE_ROUTES):
        materials = code if route in CODE_ROUTES else phrases["material"]
        for numbered in phrases[route]:
            number, _, request = numbered.partition(" ")
            texts = [materials[int(each) - 1] for each in number.split("+")]
            yield route, _join(request, r"\n\n".join(texts), _introduction(phrases["intro"], count))
            count += 1


def _introduction(introductions: Sequence[str], number: int) -> str:
    if number % INTRODUCED:
        return ""
    return introductions[number // INTRODUCED % len(introductions)]


def _join(request: str, material: str, introduction: str) -> str:
    """Put a request before a text, or behind it where the request is written so; the introduction comes first."""
    _, behind, last = request.partition("{}|")
    parts = [introduction, material, last] if behind else [f"{introduction} {request}".strip(), material]
    line = r"\n\n".join(filter(None, parts))
    return rf"\{line}" if line.startswith("#") else line


def replace_composed(path: Path, composed: Mapping[str, Sequence[str]]) -> None:
    """Write the composed examples of each language at the end of a file, in place of the earlier ones."""
    kept, _, _ = path.read_text(encoding="utf-8").partition(f"\n{MARK}")
    lines = [kept.rstrip("\n")]
    for language, examples in composed.items():
        lines += [f"{MARK}{language}", *examples]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def composed_examples() -> dict[str, dict[str, list[str]]]:
    """Return the composed examples by route and language."""
    routes: dict[str, dict[str, list[str]]] = {route: {} for route in (*TEXT_ROUTES, *CODE_ROUTES)}
    code = read_phrases("en")["code"]
    for language in LANGUAGES:
        for route, example in compose(read_phrases(language), code):
            routes[route].setdefault(language, []).append(example)
    return routes


if __name__ == "__main__":
    for route, composed in composed_examples().items():
        replace_composed(EXAMPLES / f"{route}.txt", composed)
