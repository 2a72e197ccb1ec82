"""The embedded router in many languages, on the weights of both encoders."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import pytest

from omni_router.routers import RouteOption
from omni_router.routers.cascade.labels import TeacherLabel, weigh_by_age
from omni_router.routers.semantic import router as router_module
from omni_router.routers.semantic.language import Language, LanguageDetector
from omni_router.routers.semantic.multilingual import MultilingualEncoder
from omni_router.routers.semantic.multilingual_router import UNKNOWN_LANGUAGE_FACTOR, MultilingualRouter
from omni_router.routers.semantic.router import RouterQuery, SemanticRouter
from omni_router.routers.semantic.training_set import NO_LABELS

POEMS = (
    "write a poem about the sea",
    "a short story about a dragon, please",
    "compose a haiku on autumn leaves",
    "write the lyrics of a sad song",
    "make up a fairy tale for my daughter",
)
WEATHER = (
    "will it rain tomorrow?",
    "what's the forecast for Paris",
    "do I need an umbrella today",
    "how cold is it outside",
    "is it going to snow this weekend",
)
ALARMS = (
    "wake me up at seven",
    "set an alarm for 6 am",
    "delete all alarms",
    "snooze the alarm for ten minutes",
    "show my alarms",
)
ROUTES = [
    RouteOption("poems", "writing poems and stories", POEMS),
    RouteOption("weather", "the weather and its forecast", WEATHER),
    RouteOption("alarms", "setting and deleting alarms", ALARMS),
]
GERMAN = "Weck mich morgen früh um halb sieben, bitte"
STRANGERS = {
    GERMAN: "alarms",
    "Wird es morgen in Hamburg regnen?": "weather",
    "Écris-moi un poème sur la lune": "poems",
    "اكتب لي قصيدة عن البحر": "poems",
    "明日の朝六時にアラームをセットして": "alarms",
    "今天外面冷吗": "weather",
    "내일 비가 와요?": "weather",
    "Какая погода будет завтра в Москве?": "weather",
    "ตั้งนาฬิกาปลุกตอนเจ็ดโมงเช้า": "alarms",
}
ENGLISH = ["wake me at noon", "is it windy in Oslo", "a limerick about a cat", "what does this contract say?"]


@dataclass
class Scripted(LanguageDetector):
    """Finds one language in every text."""

    language: Language

    def detect(self, text: str) -> Language:
        return self.language


def query(*texts: str, routes: Sequence[RouteOption] = ROUTES) -> RouterQuery:
    return [{"role": "user", "content": text} for text in texts], routes


def route_of(router: SemanticRouter, *texts: str) -> str:
    return router.judge([query(*texts)])[0].route


@pytest.fixture(scope="module")
def router() -> MultilingualRouter:
    return MultilingualRouter()


@pytest.mark.parametrize(("text", "route"), STRANGERS.items())
def test_a_request_in_another_language_finds_its_route(router: MultilingualRouter, text: str, route: str) -> None:
    assert route_of(router, text) == route


def test_english_alone_does_not_find_them(router: MultilingualRouter) -> None:
    alone = SemanticRouter(router.encoder)
    right = [route_of(alone, text) == route for text, route in STRANGERS.items()]
    assert sum(right) < len(right) - 2, "the second encoder would not be needed"


def test_english_is_answered_as_before_and_loads_nothing_more() -> None:
    router = MultilingualRouter()
    answers = router.judge([query(text) for text in ENGLISH])
    expected = SemanticRouter(router.encoder).judge([query(text) for text in ENGLISH])
    assert [(each.route, each.confidence, each.second) for each in answers] == [
        (each.route, each.confidence, each.second) for each in expected
    ]
    encoder = router.others.encoder
    assert isinstance(encoder, MultilingualEncoder)
    assert not encoder.is_loaded
    router.judge([query(GERMAN)])
    assert encoder.is_loaded


def test_answers_keep_the_order_of_the_requests(router: MultilingualRouter) -> None:
    texts = [text for pair in zip(STRANGERS, ENGLISH * 3, strict=False) for text in pair]
    together = router.judge([query(text) for text in texts])
    alone = [router.judge([query(text)])[0] for text in texts]
    assert [each.route for each in together] == [each.route for each in alone]
    np.testing.assert_allclose([each.confidence for each in together], [each.confidence for each in alone], atol=1e-4)


def test_a_language_that_no_encoder_knows_lowers_the_confidence() -> None:
    judgements = []
    for known in (1.0, 0.5, 0.0):
        router = MultilingualRouter(detector=Scripted(Language(is_english=False, known=known)))
        judgements.append(router.judge([query(GERMAN)])[0])
    sure, half, unsure = judgements
    assert unsure.confidence == pytest.approx(UNKNOWN_LANGUAGE_FACTOR * sure.confidence)
    assert unsure.confidence < half.confidence < sure.confidence
    assert sure.second
    assert unsure.second
    assert unsure.second[0] == sure.second[0]
    assert unsure.second[1] == pytest.approx(UNKNOWN_LANGUAGE_FACTOR * sure.second[1])


def test_a_sign_without_words_is_in_the_language_of_what_came_before() -> None:
    router = MultilingualRouter()
    router.judge([query("Wird es morgen in Hamburg regnen?", "??")])
    assert isinstance(router.others.encoder, MultilingualEncoder)
    assert router.others.encoder.is_loaded


def test_each_head_learns_from_the_languages_of_its_encoder(router: MultilingualRouter) -> None:
    german = "Stell mir bitte einen Wecker auf acht Uhr"
    routes = [*ROUTES[:2], changed(ROUTES[2], examples=(*ALARMS, german))]
    assert german not in router.head(routes).texts
    assert german in router.others.head(routes).texts
    assert router.head(routes) is router.head(routes)


def test_a_policy_in_another_language_keeps_its_examples(router: MultilingualRouter) -> None:
    german = ("Stell den Wecker auf acht Uhr", "Weck mich um sieben", "Lösche alle Wecker", "alarm")
    head = router.head([*ROUTES[:2], changed(ROUTES[2], examples=german)])
    assert set(german) <= set(head.texts)


def test_teacher_labels_of_all_languages_go_to_the_heads_of_their_encoders(router: MultilingualRouter) -> None:
    asked = [*ENGLISH, *STRANGERS]
    judgements = router.judge([query(text) for text in asked])
    labels = weigh_by_age([TeacherLabel("alarms", each.vector, at=0.0) for each in judgements], now=0.0)
    plain, learned = router.head(ROUTES), router.head(ROUTES, labels)
    assert len(learned.texts) == len(plain.texts) + len(ENGLISH)
    text = "Was kostet ein Fahrschein nach Köln?"
    before, after = router.judge([query(text)])[0], router.judge([query(text)], labels)[0]
    assert (before.route, before.confidence) != (after.route, after.confidence)


def test_the_name_holds_both_encoders(router: MultilingualRouter) -> None:
    assert router.encoder_name == f"{router.encoder.name}+{router.others.encoder.name}"
    assert router.judge([query(GERMAN)], NO_LABELS)[0].vector.shape == (768 + 512,)


def test_the_reply_quotes_an_example(router: MultilingualRouter) -> None:
    reply = router.reply(*query(GERMAN))
    assert json.loads(reply.text)["reason"].startswith('closest to "wake me up at seven"')


def test_a_request_is_read_once(router: MultilingualRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(text: str) -> str:
        read.append(text)
        return text

    monkeypatch.setattr(router_module, "reading", reading)
    for text in (ENGLISH[0], GERMAN):
        router.judge([query(text)])
    assert read == [ENGLISH[0], GERMAN]
