"""The labelled requests that accuracy is measured on: sets of other people where they lie here, and those that ship."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cases import OWN, SMOKE
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, Document
from omni_router.evaluation.data import Item, read_items
from omni_router.routers.semantic.language import ENGLISH, KNOWN, LanguageDetector

BY_SOURCE, BY_LETTERS, BY_KEY = "by source", "by letters", "by key"
NOT_ENGLISH = "not English"
LEARNED, UNLEARNED = "other languages that an encoder has learned", "languages that no encoder has learned"
PARTS = ("English", LEARNED, UNLEARNED, NOT_ENGLISH)  # of a set, by what reads them
ASCII_SHARE = 0.97  # of an English text whose language is not stated
NEAR_MISS = "other, same domain"  # the source of requests that no route serves, of the same subject


class SetFile(NamedTuple):
    """A file of requests."""

    name: str
    file: str
    language: str  # of all its requests, or how it is found
    policy: str = ""  # a file beside it; absent: the default policy


class LabelledRequest(NamedTuple):
    """A request, its right route, and what its set says about it."""

    item: Item
    language: str
    source: str


class RequestSet(NamedTuple):
    """Requests for one policy."""

    name: str
    document: Document
    requests: list[LabelledRequest]


OF_OTHERS = (
    SetFile("Arena-Hard 2.0", "arena_hard_v2.jsonl", BY_LETTERS),
    SetFile("BELLE", "belle_zh.jsonl", "zh"),
    SetFile("MGSM", "mgsm_11_languages.jsonl", BY_SOURCE),
    SetFile("chitchat-dataset", "chitchat.jsonl", ENGLISH),
    SetFile("captions of Parti", "parti_captions.jsonl", ENGLISH),
    SetFile("xSID, English examples", "xsid_13_languages.jsonl", BY_SOURCE, "xsid_policy_en_examples.json"),
    SetFile("CLINC150 banking, 10 examples", "clinc_banking_oos.jsonl", ENGLISH, "clinc_banking_10.json"),
    SetFile("CLINC150 banking, 50 examples", "clinc_banking_oos.jsonl", ENGLISH, "clinc_banking_50.json"),
)
EVERYDAY = Path(__file__).with_name("everyday.jsonl")
SHIPPED = (
    SetFile("own set, test split", str(OWN), BY_KEY),
    SetFile("everyday requests in ten languages", str(EVERYDAY), BY_KEY),
    SetFile("smoke set", str(SMOKE), BY_KEY),
)


def sets_of_others(data: Path) -> list[RequestSet]:
    """Read the sets of other people that lie in the folder `routes` of `data`."""
    folder = data / "routes"
    return [_read(folder, each) for each in OF_OTHERS if (folder / each.file).is_file()]


def shipped_sets() -> list[RequestSet]:
    """Read the sets that ship with the project, without requests that come with an image."""
    return [_read(Path(), each) for each in SHIPPED]


def part_of(language: str) -> str:
    """Return which of the PARTS a language belongs to."""
    if language == ENGLISH:
        return "English"
    if language.partition("-")[0] in KNOWN:
        return LEARNED
    if language in PARTS:
        return language
    return UNLEARNED


def _read(folder: Path, given: SetFile) -> RequestSet:
    path = folder / given.file
    document = RouteFile(folder / given.policy if given.policy else DEFAULT_POLICY).document()
    lines = path.read_text(encoding="utf-8").split("\n")
    requests: list[LabelledRequest] = []
    for item in read_items(path, document.routes):
        entry = json.loads(lines[item.line - 1])
        # Text is what differs: an image decides on the route by itself, and would need heads of its own.
        if entry.get("split") != "train" and not item.image_before:
            requests.append(LabelledRequest(item, _language(given, entry), entry.get("source", "")))
    return RequestSet(given.name, document, requests)


def _language(given: SetFile, entry: Mapping[str, Any]) -> str:
    if given.language == BY_SOURCE:
        return str(entry["source"])
    if given.language == BY_KEY:
        unstated = NOT_ENGLISH if entry.get("kind") == "language" else ENGLISH
        return str(entry.get("language", unstated))
    if given.language == BY_LETTERS:
        return _language_by_letters(entry["text"])
    return given.language


def _language_by_letters(text: str) -> str:
    """Return English, or whether an encoder has learned the language; fastText tells the other languages apart."""
    if sum(map(str.isascii, text)) >= ASCII_SHARE * len(text):
        return ENGLISH
    return LEARNED if _detector().detect(text).known >= 0.5 else UNLEARNED  # noqa: PLR2004 (likelier than not)


@cache
def _detector() -> LanguageDetector:
    return LanguageDetector()
