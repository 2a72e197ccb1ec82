"""The parser of every command: what is wrong is said in one line, with the nearest flag, above one line of usage."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

MISUSED = 2
NEAR = 0.6  # how alike a name has to be to be suggested; difflib's own default
MOST = 3  # suggestions

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")  # a value, as argparse has it


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that takes whole flags only, keeps the lines of its epilog, and has short errors."""

    def __init__(self, prog: str, *, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    @property
    def flags(self) -> list[str]:
        """The flags, in the order in which they were added."""
        return [flag for action in self._actions for flag in action.option_strings]

    def check_flags(self, words: Sequence[str]) -> None:
        """End with status 2 at the first flag that there is not; argparse names it only when nothing else is wrong."""
        if "-h" in words or "--help" in words:
            return
        known = set(self.flags)
        for before, word in zip(("", *words), words, strict=False):
            if word == "--":
                return
            name = word.partition("=")[0]
            if name not in known and _is_flag(word, is_value=before in known):
                self.error(f"there is no flag {name}{did_you_mean(name, self.flags)}")

    def error(self, message: str) -> NoReturn:
        """End with status 2, a line that says what is wrong, and a line of usage."""
        usage = self.format_usage().splitlines()[0]
        self.exit(MISUSED, f"{self.prog}: {message}\n{usage}  ({self.prog} --help explains)\n")


class PrintVersion(argparse.Action):
    """Prints the version and ends; unlike argparse's own action it reads the version only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print the version."""
        from omni_router._version import __version__

        print(f"omni-router {__version__}")  # noqa: T201 (what was asked for)
        parser.exit()


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the end of a message that suggests the names nearest to `word`; nothing where none is near."""
    near = nearest(word, names)
    if not near:
        return ""
    *first, last = near
    return f"; did you mean {', '.join(first)}{' or ' if first else ''}{last}?"


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """Return the name most like `word`, else those that begin with it; dashes before them make no difference."""
    from difflib import get_close_matches

    by_letters = {name.lstrip("-"): name for name in names if name.startswith("--") or not name.startswith("-")}
    letters = word.lstrip("-").casefold().replace("_", "-")
    if len(letters) > 1 and (alike := get_close_matches(letters, by_letters, n=1, cutoff=NEAR)):
        return [by_letters[alike[0]]]
    return [name for known, name in by_letters.items() if known.startswith(letters)][:MOST]


def _is_flag(word: str, *, is_value: bool) -> bool:
    """Tell whether a word is meant as a flag, as argparse sees it; text with spaces is one only as --flag=text."""
    if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
        return False
    name, equals, _ = word.partition("=")
    if " " in word:
        return bool(equals) and word.startswith("--") and " " not in name and not is_value
    return True
