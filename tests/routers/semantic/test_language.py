"""The language of a text: English or not, and whether an encoder has learned it."""

import pytest

from omni_router.errors import ConfigurationError
from omni_router.routers.semantic import package_files
from omni_router.routers.semantic.language import LanguageDetector


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
    with pytest.raises(ConfigurationError, match=r'pip install -e "\.\[embedded\]"'):
        LanguageDetector().detect("hallo")
