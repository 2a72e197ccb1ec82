"""Words by which users say that an answer is wrong: the one list of them, in the languages that are routed.

Only the beginning of a message is read, since an objection comes first. A phrase of several words may be followed by
others; a single word, which may begin anything, stands alone or before a mark.
"""

# ruff: noqa: RUF001 (letters of other scripts)

import unicodedata
from itertools import dropwhile, takewhile

MAX_CHARACTERS = 80  # read of a message

# Words that may stand before an objection: "No, that is wrong".
BEFORE = frozenset(
    (
        *("no", "nope", "sorry", "but", "hmm", "nein", "aber", "non", "mais", "pero", "ma", "não", "nao", "mas", "nee"),
        *("maar", "nie", "ale", "нет", "но", "hayır", "لا", "不", "いいえ", "いや", "아니", "아니요", "ไม่"),
    )
)
PHRASES: dict[str, tuple[str, ...]] = {
    "en": (
        *("that's wrong", "that is wrong", "this is wrong", "it's wrong", "you're wrong", "you are wrong", "wrong"),
        *("that's not right", "that is not right", "that's incorrect", "that is incorrect", "this is incorrect"),
        *("that's not correct", "that is not correct", "incorrect", "wrong answer", "that's not what i asked"),
        *("that is not what i asked", "that's not what i meant", "you didn't answer", "you did not answer"),
        *("that doesn't work", "that does not work", "it doesn't work", "it still doesn't work"),
    ),
    "de": (
        *("das ist falsch", "das stimmt nicht", "das ist nicht richtig", "stimmt nicht", "falsch", "du irrst dich"),
        *("das habe ich nicht gefragt", "das war nicht meine frage", "das funktioniert nicht", "das geht nicht"),
    ),
    "fr": (
        *("c'est faux", "c'est incorrect", "ce n'est pas correct", "ce n'est pas juste", "tu te trompes", "faux"),
        *("vous vous trompez", "ce n'est pas ce que j'ai demandé", "ça ne marche pas", "ça ne fonctionne pas"),
    ),
    "es": (
        *("eso está mal", "está mal", "eso es incorrecto", "es incorrecto", "eso no es correcto", "incorrecto"),
        *("te equivocas", "eso no es lo que pregunté", "eso no es lo que pedí", "no funciona", "eso no funciona"),
    ),
    "it": (
        *("è sbagliato", "questo è sbagliato", "non è corretto", "non è giusto", "sbagliato", "ti sbagli"),
        *("non è quello che ho chiesto", "non funziona"),
    ),
    "pt": (
        *("isso está errado", "está errado", "isso não está certo", "não está correto", "errado", "você está errado"),
        *("não foi isso que eu perguntei", "isso não funciona", "não funciona"),
    ),
    "nl": (
        *("dat klopt niet", "dat is fout", "dat is niet juist", "dat is onjuist", "fout", "klopt niet"),
        *("dat vroeg ik niet", "dat werkt niet"),
    ),
    "pl": ("to jest źle", "to nieprawda", "to nie jest poprawne", "to błąd", "źle", "mylisz się", "to nie działa"),
    "ru": (
        *("это неправильно", "это неверно", "это не так", "неправильно", "неверно", "ты ошибаешься", "вы ошибаетесь"),
        *("я спрашивал не об этом", "я спрашивала не об этом", "это не работает"),
    ),
    "tr": ("bu yanlış", "yanlış", "bu doğru değil", "doğru değil", "yanılıyorsun", "bu çalışmıyor", "bunu sormadım"),
    "ar": ("هذا خطأ", "هذا غير صحيح", "خطأ", "غير صحيح", "أنت مخطئ", "هذا ليس ما سألت عنه", "هذا لا يعمل"),
    "zh": ("不对", "错了", "错误", "这不对", "这是错的", "你错了", "答错了", "这个不对", "回答错误", "我问的不是这个"),
    "ja": ("違います", "違う", "間違いです", "それは違います", "それは違う", "間違っています", "間違ってる"),
    "ko": ("틀렸어", "틀렸어요", "틀렸습니다", "그건 틀렸어", "그게 아니야", "그게 아니에요", "잘못됐어"),
    "th": ("ผิด", "ผิดแล้ว", "ไม่ถูกต้อง", "ไม่ใช่", "คุณผิด", "คำตอบผิด", "มันไม่ถูกต้อง"),
}  # fmt: skip
_ALL = tuple(phrase for phrases in PHRASES.values() for phrase in phrases)


def is_objection(message: str) -> bool:
    """Return whether a message begins by saying that the answer before was wrong."""
    start = message[:MAX_CHARACTERS].replace("’", "'").casefold()
    text = _without_marks(" ".join(start.split()))
    return _begins_with_a_phrase(text) or _begins_with_a_phrase(_without_first_word(text))


def is_mark(character: str) -> bool:
    """Return whether a character stands between words, in any script."""
    return unicodedata.category(character)[0] in "PZ"


def _without_marks(text: str) -> str:
    """Return a text without the marks at its start."""
    return "".join(dropwhile(is_mark, text))


def _without_first_word(text: str) -> str:
    """Return a text without a word that may stand before an objection; another text as it is."""
    word = "".join(takewhile(lambda character: not is_mark(character), text))
    if word not in BEFORE:
        return text
    return _without_marks(text[len(word) :])


def _begins_with_a_phrase(text: str) -> bool:
    return any(text.startswith(phrase) and _may_follow(phrase, text[len(phrase) :][:1]) for phrase in _ALL)


def _may_follow(phrase: str, character: str) -> bool:
    """Return whether a character, or the end of the message, may follow a phrase."""
    if character == " ":
        return " " in phrase
    return not character or is_mark(character)
