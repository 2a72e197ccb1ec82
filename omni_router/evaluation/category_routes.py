"""Which route a category of a benchmark is about, by the words in its name."""

import unicodedata
from collections.abc import Iterable

from omni_router.selection.scoring import BALANCED_FOR_CODE, PREFERENCES

# The first row with a word of the category decides; a word may be the beginning of one: "code" is in code_completion.
# The part behind the last slash is read first: IF/summarize is about summaries.
WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("image_generation", ("text_to_image", "image_edit", "image_generation")),
    ("image_understanding", ("vision", "image", "ocr", "mmmu", "chart")),
    ("code_debugging", ("agentic_coding", "debug", "swe", "repair", "bug", "terminal")),
    ("code_generation", ("cod", "program", "webdev", "sql", "humaneval", "mbpp")),
    ("math_reasoning", ("math", "reason", "puzzle", "aime", "hmmt", "gsm8k", "olympiad", "logic", "spatial")),
    ("summarization", ("summ", "simplify", "extract")),
    ("creative_writing", ("creative", "story", "stories", "writing", "paraphrase", "roleplay", "poe")),
    ("translation", ("translat", "language", "multilingual", "non_english")),
    ("translation", ("chinese", "french", "german", "italian", "japanese", "korean", "polish", "portuguese")),
    ("translation", ("russian", "spanish", "turkish", "vietnamese", "arabic", "hindi", "english")),
    ("casual_conversation", ("chat", "conversation", "multi_turn", "casual", "short_query")),
)
CODE = ("code_generation", "code_debugging")
OTHERS = "question_answering"  # the route that takes what no other does

# They hold the votes or the tasks of the other categories, which must not choose for themselves.
AGGREGATES = {"overall", "full", "average", "global_average", "all", "total", "mean"}


def route_of(category: str) -> str:
    """Return the route that a category is about."""
    name = normalised(category)
    leaf = name.rpartition("/")[2]
    if name.startswith("agentic_coding"):
        return "code_debugging"
    for text in (leaf, name):
        for route, words in WORDS:
            if _has_word(text, words):
                return route
    return OTHERS


def is_aggregate(category: str) -> bool:
    """Check whether a category sums up the others."""
    return normalised(category).rpartition("/")[2] in AGGREGATES


def normalised(category: str) -> str:
    """Return the name in small letters, with underscores between words and slashes between its parts."""
    text = unicodedata.normalize("NFKC", category).casefold()
    letters = [letter if letter.isalnum() or letter == "/" else "_" for letter in text]
    return "/".join(part.strip("_") for part in "".join(letters).split("/"))


def _has_word(text: str, beginnings: Iterable[str]) -> bool:
    padded = "_" + text.replace("/", "_")
    return any(f"_{beginning}" in padded for beginning in beginnings)


def shares_boards(route: str, other: str) -> bool:
    """Check whether two routes name the same boards: both routes of code do, as in the default policy."""
    return route == other or (route in CODE and other in CODE)


def price_weight(prefer: str, route: str) -> float:
    """Return the weight that a preference gives to the price on a route."""
    if prefer == "balanced" and route in CODE:
        return BALANCED_FOR_CODE
    return PREFERENCES[prefer]
