"""The language of a text: English or not, and whether an encoder has learned it."""

import re
from pathlib import Path

import pytest

from omni_router.errors import INSTALL_WEIGHTS, ConfigurationError
from omni_router.routers.semantic import package_files
from omni_router.routers.semantic.language import ExampleLanguages, LanguageDetector, write_languages


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


ENGLISH = [
    "write a poem about the sea",
    "whisper to me",  # taken for Italian, with a quarter of English
    "hello",
    "",
    "  \n ",
    "12 + 30 = ?",
    "🙂",
    "def f(x):\n    return x + 1\n\nwhy does this fail?",
    "Use the naïve method, señor",
    "a\ud800",
]
KNOWN = {
    "German": "Wie spät ist es in Tokio?",
    "French": "Écris un haïku sur la pluie",
    "Spanish": "¿Cuánto es la mitad de cuarenta?",
    "Dutch": "Vertaal deze zin naar het Engels",
    "Polish": "Napisz wiersz o jesieni i deszczu",
    "Portuguese": "Desenha um gato com um chapéu vermelho",
    "Turkish": "Bana deniz hakkinda bir şiir yazar misin, lütfen",
    "Russian": "Напиши мне стихотворение про осень",
    "Arabic": "اكتب لي قصيدة عن الخريف",
    "Japanese": "秋についての詩を書いてください",
    "Korean": "가을에 대한 시를 써 줘",
    "Thai": "เขียนบทกวีเกี่ยวกับฤดูใบไม้ร่วง",
    "Chinese, short": "关掉闹钟",
    "Chinese, before an English text": "翻译以下句子 This book is very interesting, and all of them read it.",
}
UNKNOWN = {
    "Danish": "Skriv et digt om efteråret til mig, og gør det sjovt",
    "Bengali": "শরৎ নিয়ে আমাকে একটি কবিতা লিখে দাও",
    "Kazakh": "Маған күз туралы өлең жазып беріңізші, өтінемін",
    "Swahili": "Niandikie shairi kuhusu bahari na mvua ya masika",
}


@pytest.mark.parametrize("text", ENGLISH)
def test_english_and_what_says_nothing(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text) == (True, 1.0)


@pytest.mark.parametrize("language", KNOWN)
def test_languages_that_the_encoder_has_learned(detector: LanguageDetector, language: str) -> None:
    is_english, known = detector.detect(KNOWN[language])
    assert not is_english
    assert known > 0.75


@pytest.mark.parametrize("language", UNKNOWN)
def test_languages_that_no_encoder_has_learned(detector: LanguageDetector, language: str) -> None:
    is_english, known = detector.detect(UNKNOWN[language])
    assert not is_english
    assert known < 0.25


def test_without_the_model_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_files, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=re.escape(INSTALL_WEIGHTS)):
        LanguageDetector().detect("hallo")


@pytest.mark.parametrize("content", [None, b"cut off"])
def test_without_a_list_the_detector_finds_the_english_examples(
    content: bytes | None, detector: LanguageDetector, tmp_path: Path
) -> None:
    path = tmp_path / "languages.bin"
    if content:
        path.write_bytes(content)
    texts = ["write a poem about the sea", "Wie spät ist es in Tokio?", "hello"]
    assert ExampleLanguages(detector, path).english(texts) == ("write a poem about the sea", "hello")
    assert ExampleLanguages(detector).english(texts[1:2]) == (texts[1],)  # most are in other languages


def test_a_list_is_believed_and_the_detector_asked_for_the_rest(detector: LanguageDetector, tmp_path: Path) -> None:
    path = tmp_path / "languages.bin"
    write_languages(path, {"Wie spät ist es?": True, "hello there": False})
    languages = ExampleLanguages(detector, path)
    assert languages.english(["Wie spät ist es?", "hello there", "hello"]) == ("Wie spät ist es?", "hello")
