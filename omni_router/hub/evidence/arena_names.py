"""Which served model a name of Arena means. No table of names: a rule, and what it does not find stays unknown.

A name and the last part of an id are compared without capitals and marks, with the vendor in front and without. Where
nothing has that name, the last words of Arena's are removed one by one, as long as they are a date or a level of
effort, and from ids the words that mark a tuned model. The fewer words were removed, the closer is the name. A name
that says "thinking" never means a tuned model whose id does not: the two are published as different models.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

MAX_REMOVED = 4  # words of a name, as in "high 2026 09 01"
_EFFORTS = frozenset(
    (
        *("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        *("thinking", "nothinking", "reasoning", "nonreasoning"),
        *("4k", "8k", "16k", "32k", "64k", "128k"),  # tokens for thinking
    )
)
_THINKING = frozenset(("thinking", "reasoning"))
_TUNED = frozenset(("instruct", "it", "chat", "hf"))
_SHORTEST_OWNER = 3  # letters that have to agree for an owner to be the organization

Words = tuple[str, ...]


class Match(NamedTuple):
    """A served model, and how many words of its name or of Arena's were removed to find it."""

    model: str
    removed: int


class ArenaNames:
    """The names by which Arena may know the served models."""

    def __init__(self, served: Collection[str]) -> None:
        self._models: dict[Words, list[Match]] = defaultdict(list)
        self._found: dict[tuple[str, str], Match | None] = {}
        for model in served:
            owner, _, name = model.partition("/")
            for words in _with_and_without(_words(name), _words(owner)):
                self._add(words, model)

    def _add(self, words: Words, model: str) -> None:
        short = words
        while short:
            self._models[short].append(Match(model, len(words) - len(short)))
            if short[-1] not in _TUNED:
                break
            short = short[:-1]

    def find(self, name: str, organization: str) -> Match | None:
        """Return the served model that a name means; None where none or several may be meant."""
        key = (name, organization)
        if key not in self._found:
            self._found[key] = self._search(name, organization)
        return self._found[key]

    def _search(self, name: str, organization: str) -> Match | None:
        words, removed, thinks = _words(name), 0, False
        while removed <= MAX_REMOVED and (not removed or _has_number(words)):
            for form in _with_and_without(words, _words(organization)):
                if matches := self._named(form, thinks=thinks):
                    match = _closest(matches, organization)
                    return match and Match(match.model, match.removed + removed)
            shorter = _without_last(words)
            if shorter == words:
                break
            removed += len(words) - len(shorter)
            thinks |= words[len(shorter)] in _THINKING  # and not the "no" before it
            words = shorter
        return None

    def _named(self, words: Words, *, thinks: bool) -> list[Match]:
        """Return the models of a name; only those of the whole name for one that was called thinking."""
        matches = self._models.get(words, [])
        if thinks:
            return [match for match in matches if not match.removed]
        return matches


def _closest(matches: list[Match], organization: str) -> Match | None:
    """Return the one with the fewest words removed; of several, the one whose owner is the organization."""
    fewest = min(match.removed for match in matches)
    closest = [match for match in matches if match.removed == fewest]
    if len({match.model for match in closest}) == 1:
        return closest[0]
    theirs = {match.model for match in closest if _is_owner(match.model.partition("/")[0], organization)}
    if len(theirs) == 1:
        return Match(theirs.pop(), fewest)
    return None


def _is_owner(owner: str, organization: str) -> bool:
    """Return whether the owner of a model is the organization, as "zai-org" is "Z.ai"."""
    one, other = "".join(_words(owner)), "".join(_words(organization))
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _SHORTEST_OWNER and longer.startswith(shorter)


def _words(name: str) -> Words:
    """Split a name at its marks: GLM-4.6 and glm 4_6 are the same."""
    letters = [letter if letter.isalnum() else " " for letter in name.casefold()]
    return tuple("".join(letters).split())


def _with_and_without(words: Words, vendor: Words) -> list[Words]:
    """Return the words, and what is left of them without the vendor's name or the first word of it in front."""
    forms = [words]
    for start in (vendor, vendor[:1]):
        rest = words[len(start) :]
        if start and rest and words[: len(start)] == start and rest not in forms:
            forms.append(rest)
    return forms


def _has_number(words: Words) -> bool:
    """Return whether a name tells versions apart: what is left of mistral-medium would not."""
    return any(letter.isdecimal() for word in words for letter in word)


def _without_last(words: Words) -> Words:
    """Return the words without a date or a level of effort at their end; the same words if there is neither.

    Four digits stay: they tell two models apart, as the 2507 of one and the 0528 of another.
    """
    if len(words) > 1 and (words[-1] in _EFFORTS or _is_date(words[-1])):
        return _without_no(words[:-1])
    if len(words) > 3 and _is_date("".join(words[-3:])):  # noqa: PLR2004 (year, month and day)
        return words[:-3]
    return words


def _without_no(words: Words) -> Words:
    """Return the words without the "no" of "no thinking"."""
    if len(words) > 1 and words[-1] in ("no", "non"):
        return words[:-1]
    return words


def _is_date(word: str) -> bool:
    if len(word) != len("20260901") or not word.isdecimal() or not word.startswith("20"):
        return False
    try:
        datetime.strptime(word, "%Y%m%d")  # noqa: DTZ007 (a day alone)
    except ValueError:
        return False
    return True
