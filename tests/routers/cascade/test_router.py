"""The cascade: the real embedded router, a large router that a test stands in for, and what the one learns of it."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.history.label_file import LessonFile
from omni_router.routers import Reply, RouteOption, Turn
from omni_router.routers.arch.router import ArchRouter
from omni_router.routers.cascade import router as module
from omni_router.routers.cascade.router import (
    AT_LEAST,
    CHARACTERS,
    HALF_LIFE,
    LOOK,
    SIZE,
    SURE,
    TARGET,
    CascadeRouter,
    ClosedBook,
    LargeRouterAway,
    Lesson,
    LessonBook,
    _by_route,
)
from omni_router.routers.endpoint.fallback import FallbackRouter
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.routers.semantic.single_threaded import one_thread
from omni_router.services.router import AutoRouter, choose_router

ROUTES = [
    RouteOption("gardening", "plants; soil; pruning", candidates=("org/green",)),
    RouteOption("translation", "translate a text; how to say something in another language", candidates=("org/words",)),
    RouteOption("weather", "weather forecasts; rain, wind and temperature", candidates=("org/sky",)),
]
SAID = "what will the weather forecast say of rain and wind tomorrow"  # which the description all but says
CITIES = (
    *("Oslo", "Rome", "Paris", "Lima", "Cairo", "Delhi", "Kyoto", "Sydney", "Boston", "Dublin", "London", "Vienna"),
    *("Madrid", "Lisbon", "Athens", "Berlin", "Warsaw", "Zurich", "Geneva", "Munich", "Milan", "Turin", "Porto"),
    *("Bogota", "Denver", "Austin", "Nairobi", "Lagos", "Nice", "Tunis"),
)
# Nothing a description tells: that flights are for gardening is what only the large router says.
FLIGHTS = [f"cheapest flight to {city}" for city in CITIES]
NOW = 1.8e9


@dataclass
class Large:
    """The large router of a test: what it says of every request, and which it was asked."""

    route: str = "gardening"
    confidence: float | None = 0.9
    text: str | None = None  # the whole reply
    fails: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.asked.append(conversation[-1]["content"])
        if self.fails:
            raise self.fails
        text = json.dumps({"route": self.route, "model": "org/large", "reason": "as I say"})
        return Reply(text if self.text is None else self.text, self.confidence)


@dataclass
class Book:
    """Lessons in memory."""

    lessons: list[Lesson] = field(default_factory=list)
    reads: int = 0
    fails: Exception | None = None
    away: bool = False

    def read(self) -> Sequence[Lesson] | None:
        self.reads += 1
        if self.fails:
            raise self.fails
        return None if self.away else list(self.lessons)

    def add(self, lesson: Lesson) -> None:
        self.lessons.append(lesson)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():  # what is so small waits for its threads, for seconds when the machine is busy
        yield


@pytest.fixture
def small(semantic: SemanticRouter) -> SemanticRouter:
    return semantic


@pytest.fixture
def large() -> Large:
    return Large()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cascade(small: SemanticRouter, large: Large, book: Book, clock: Clock) -> CascadeRouter:
    return CascadeRouter(small, large, book, clock=clock)


def talk(*texts: str) -> list[Turn]:
    return [Turn(role="user", content=text) for text in texts]


def ask(cascade: CascadeRouter, text: str, routes: Sequence[RouteOption] = ROUTES) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(cascade.reply(talk(text), routes).text)
    return answer


def vector(small: SemanticRouter, text: str) -> torch.Tensor:
    return small.judge([(talk(text), ROUTES)])[0].vector


# ---- who decides


def test_what_the_small_one_is_sure_of_it_decides_alone(
    cascade: CascadeRouter, small: SemanticRouter, large: Large, book: Book
) -> None:
    reply = cascade.reply(talk(SAID), ROUTES)
    assert reply == replace(small.reply(talk(SAID), ROUTES), by="semantic")
    assert json.loads(reply.text)["route"] == "weather"
    assert reply.confidence is not None
    assert reply.confidence >= TARGET
    assert large.asked == []
    assert book.lessons == []


def test_what_it_is_not_sure_of_the_large_one_decides_in_its_own_words(
    cascade: CascadeRouter, small: SemanticRouter, large: Large, book: Book, clock: Clock
) -> None:
    large.text = 'Well: {"route": "gardening", "model": null, "reason": "odd spacing" }\n'
    reply = cascade.reply(talk(FLIGHTS[0]), ROUTES)
    assert reply == Reply(large.text, 0.9, by="large")
    assert large.asked == [FLIGHTS[0]]
    [lesson] = book.lessons
    assert (lesson.route, lesson.at, lesson.text) == ("gardening", clock.now, None)
    torch.testing.assert_close(lesson.vector, vector(small, FLIGHTS[0]))


@pytest.mark.parametrize(("target", "asked"), [(0.0, 0), (1.0, 1)])
def test_the_target_decides_who_is_asked(
    target: float, asked: int, small: SemanticRouter, large: Large, book: Book
) -> None:
    for text in (SAID, FLIGHTS[0]):
        large.asked.clear()
        ask(CascadeRouter(small, large, book, target=target), text)
        assert len(large.asked) == asked


def test_what_was_taught_it_decides_alone(
    cascade: CascadeRouter, small: SemanticRouter, large: Large, book: Book
) -> None:
    assert small.judge([(talk("cheapest flight to Geneva"), ROUTES)])[0].confidence < TARGET
    for text in FLIGHTS:
        assert ask(cascade, text)["model"] in ("org/large", "org/green")
        cascade.settle()
    assert AT_LEAST <= len(large.asked) <= len(FLIGHTS)
    assert len(book.lessons) == len(large.asked)
    ask(cascade, FLIGHTS[0])
    cascade.settle()
    large.asked.clear()
    answer = ask(cascade, "the cheapest flight to Naples")
    assert (answer["route"], answer["model"]) == ("gardening", "org/green")
    assert large.asked == []
    assert ask(cascade, SAID)["route"] == "weather"  # which is as it was


def test_fewer_lessons_than_a_refit_is_worth_wait(cascade: CascadeRouter, book: Book) -> None:
    for n, text in enumerate(FLIGHTS[:AT_LEAST]):
        ask(cascade, text)
        cascade.settle()
        assert (len(book.lessons), book.reads) == (n + 1, 1)
    ask(cascade, "cheapest flight to Seville")
    cascade.settle()
    assert book.reads == 2


# ---- a large router that does not answer, or nothing useful


def test_when_the_large_one_fails_the_small_one_decides_and_it_is_told(
    cascade: CascadeRouter, small: SemanticRouter, large: Large, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    large.fails = RuntimeError("out of memory")
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES) == small.reply(talk(FLIGHTS[0]), ROUTES)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "semantic decides" in caplog.text
    assert "out of memory" in caplog.text
    assert book.lessons == []


def test_when_it_is_known_to_be_away_nothing_is_told(
    cascade: CascadeRouter, small: SemanticRouter, large: Large, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    large.fails = LargeRouterAway()
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES) == small.reply(talk(FLIGHTS[0]), ROUTES)
    assert large.asked
    assert caplog.records == []
    assert book.lessons == []


def test_when_it_cannot_be_loaded_that_is_raised(cascade: CascadeRouter, large: Large, book: Book) -> None:
    large.fails = ConfigurationError("no such checkpoint")
    with pytest.raises(ConfigurationError, match="no such checkpoint"):
        ask(cascade, FLIGHTS[0])
    assert book.lessons == []


@pytest.mark.parametrize("text", ["", "I would say gardening", '{"route": null}', '{"route": "cooking"}', "{"])
def test_a_reply_that_names_no_route_on_offer_teaches_nothing(
    text: str, cascade: CascadeRouter, large: Large, book: Book
) -> None:
    large.text = text
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES).text == text
    assert book.lessons == []


@pytest.mark.parametrize(("confidence", "lessons"), [(None, 1), (0.0, 0), (SURE - 0.01, 0), (SURE, 1), (1.0, 1)])
def test_what_the_large_one_doubts_itself_teaches_nothing(
    confidence: float | None, lessons: int, cascade: CascadeRouter, large: Large, book: Book
) -> None:
    large.confidence = confidence
    assert ask(cascade, FLIGHTS[0])["model"] == "org/large"
    assert len(book.lessons) == lessons


@pytest.mark.parametrize(("said", "route"), [("other", "other"), ("OTHER", "other"), ("Gardening", "gardening")])
def test_a_lesson_has_the_name_that_the_policy_gives(
    said: str, route: str, cascade: CascadeRouter, large: Large, book: Book
) -> None:
    large.route = said
    ask(cascade, FLIGHTS[0])
    assert [lesson.route for lesson in book.lessons] == [route]


def test_lessons_of_other_are_learnt(small: SemanticRouter, large: Large, clock: Clock) -> None:
    lessons = [Lesson("other", vector(small, text), NOW) for text in FLIGHTS]
    lessons += [Lesson("weather", vector(small, f"will it rain in {city}"), NOW) for city in CITIES]
    cascade = CascadeRouter(small, large, Book(lessons), clock=clock)
    answer = ask(cascade, "the cheapest flight to Naples")
    assert (answer["route"], answer["model"]) == ("other", None)
    assert large.asked == []


# ---- what a lesson holds


@pytest.mark.parametrize(("keep", "text"), [(False, None), (True, FLIGHTS[0])])
def test_what_was_asked_is_kept_only_where_that_is_wanted(
    keep: bool,  # noqa: FBT001 (by pytest alone)
    text: str | None,
    small: SemanticRouter,
    large: Large,
    book: Book,
) -> None:
    cascade = CascadeRouter(small, large, book, target=1.0, keep_text=keep)
    said: list[Turn] = [
        Turn(role="user", content="hello"),
        Turn(role="assistant", content="hi"),
        Turn(role="user", content=FLIGHTS[0]),
    ]
    cascade.reply(said, ROUTES)
    assert [lesson.text for lesson in book.lessons] == [text]
    torch.testing.assert_close(book.lessons[0].vector, vector(small, f"hello\n{FLIGHTS[0]}"))


def test_of_a_pasted_book_a_lesson_keeps_a_page(small: SemanticRouter, large: Large, book: Book) -> None:
    CascadeRouter(small, large, book, target=1.0, keep_text=True).reply(talk("word " * 100_000), ROUTES)
    assert [len(lesson.text or "") for lesson in book.lessons] == [CHARACTERS]


def test_a_lesson_counts_half_after_its_half_life_and_never_nothing() -> None:
    row = torch.ones(2)
    ages = {"fresh": 0.0, "half": HALF_LIFE, "quarter": 2 * HALF_LIFE, "ancient": NOW, "of the future": -1e6}
    lessons = _by_route([Lesson(route, row, NOW - age) for route, age in ages.items()], NOW)
    found = {route: float(weights) for route, weights in lessons.weights.items()}
    assert found.pop("ancient") == pytest.approx(0.001, rel=0.1)
    assert found == {"fresh": 1.0, "half": 0.5, "quarter": 0.25, "of the future": 1.0}
    assert _by_route([Lesson("a", row, NOW), Lesson("a", 2 * row, 0)], NOW).vectors["a"].tolist() == [[1, 1], [2, 2]]


def test_lessons_of_the_year_1970_break_nothing(
    small: SemanticRouter, large: Large, caplog: pytest.LogCaptureFixture
) -> None:
    lessons = [Lesson("gardening", vector(small, text), 0.0) for text in FLIGHTS]
    ask(CascadeRouter(small, large, Book(lessons)), "the cheapest flight to Naples")
    assert caplog.records == []


def test_lessons_of_a_route_that_was_renamed_lie_unused(small: SemanticRouter, large: Large) -> None:
    book = Book([Lesson("gardening", vector(small, text), NOW) for text in FLIGHTS])
    renamed = [replace(ROUTES[0], name="plants"), *ROUTES[1:]]
    cascade = CascadeRouter(small, large, book, clock=Clock())
    assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
    assert large.asked == []
    large.route = "translation"
    assert ask(cascade, "the cheapest flight to Naples", renamed)["route"] == "translation"
    assert len(large.asked) == 1
    assert book.lessons[-1].route == "translation"


# ---- lessons of others, and what goes wrong with them


def test_two_cascades_on_one_file_learn_of_each_other(small: SemanticRouter, large: Large, tmp_path: Path) -> None:
    clock, second = Clock(), Large()
    one, two = (
        CascadeRouter(small, each, LessonFile(tmp_path / ".lessons", lambda: small.encoder), clock=clock)
        for each in (large, second)
    )
    ask(two, FLIGHTS[0])
    assert second.asked
    for text in FLIGHTS:
        ask(one, text)
    for seconds, asked in ((LOOK - 1, 1), (1, 0)):
        clock.now += seconds
        ask(two, SAID)  # which only lets it look
        two.settle()
        second.asked.clear()
        assert ask(two, "the cheapest flight to Naples")["route"] == "gardening"
        assert len(second.asked) == asked


def test_the_first_request_of_a_process_knows_the_lessons_of_others(small: SemanticRouter, large: Large) -> None:
    book = Book([Lesson("gardening", vector(small, text), NOW) for text in FLIGHTS])
    assert (
        ask(CascadeRouter(small, large, book, clock=Clock()), "the cheapest flight to Naples")["route"] == "gardening"
    )
    assert large.asked == []


def test_a_refit_that_fails_is_told_and_the_lessons_before_stay_in_use(
    small: SemanticRouter, large: Large, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    book = Book([Lesson("gardening", vector(small, text), NOW) for text in FLIGHTS])
    cascade = CascadeRouter(small, large, book, clock=clock)
    ask(cascade, FLIGHTS[0])
    for broken in (Book(fails=RuntimeError("no idea")), Book([Lesson("gardening", torch.ones(3), NOW)])):
        cascade._book = broken
        clock.now += LOOK
        caplog.clear()
        for _ in range(3):
            assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
            cascade.settle()
        assert ["could not be learnt" in record.getMessage() for record in caplog.records] == [True]
        assert broken.reads <= 1
    assert large.asked == []


def test_lessons_that_are_out_of_reach_for_a_while_stay_in_use(
    small: SemanticRouter, large: Large, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    book = Book([Lesson("gardening", vector(small, text), NOW) for text in FLIGHTS])
    cascade = CascadeRouter(small, large, book, clock=clock)
    for book.away in (False, True, True):
        ask(cascade, FLIGHTS[0])
        cascade.settle()
        assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
        clock.now += LOOK
    assert book.reads == 3
    assert large.asked == []
    assert caplog.records == []


def test_a_closed_book_is_read_and_nothing_is_written(small: SemanticRouter, large: Large, tmp_path: Path) -> None:
    path = tmp_path / ".lessons"
    file = LessonFile(path, lambda: small.encoder)
    cascade = CascadeRouter(small, large, ClosedBook(file))
    for text in FLIGHTS[: AT_LEAST + 2]:
        ask(cascade, text)
    cascade.settle()
    assert not path.exists()
    file.add(Lesson("weather", vector(small, "x"), NOW))
    before = path.read_bytes()
    assert len(ClosedBook(file).read() or ()) == 1
    ask(CascadeRouter(small, large, ClosedBook(file)), FLIGHTS[0])
    assert path.read_bytes() == before


# ---- many at once


@pytest.mark.parametrize("make", [lambda _: Book(), lambda path: LessonFile(path, lambda: "e")], ids=["memory", "file"])
def test_many_threads_share_a_cascade(
    make: Callable[[Path], LessonBook],
    small: SemanticRouter,
    large: Large,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = make(tmp_path / ".lessons")
    cascade = CascadeRouter(small, large, book)
    texts = [text for n in range(8) for text in (*FLIGHTS[n : n + 10], SAID, *FLIGHTS[n : n + 10], *[SAID] * 9)]

    def work(part: Sequence[str]) -> list[str]:
        return [ask(cascade, text)["route"] for text in part]

    with ThreadPoolExecutor(8) as pool:
        routes = [each for found in pool.map(work, [texts[n * 30 : n * 30 + 30] for n in range(8)]) for each in found]
    cascade.settle()
    assert routes == ["weather" if text == SAID else "gardening" for text in texts]
    assert caplog.records == []
    assert len(book.read() or ()) == len(large.asked)
    assert large.asked
    assert len(large.asked) < sum(text != SAID for text in texts)


def test_requests_go_on_during_a_refit(
    small: SemanticRouter, large: Large, book: Book, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    cascade = CascadeRouter(small, large, book, clock=clock)
    ask(cascade, FLIGHTS[0])
    entered, release = threading.Event(), threading.Event()
    sort = module._by_route

    def slow(*given: Any) -> Any:
        entered.set()
        assert release.wait(10)
        return sort(*given)

    monkeypatch.setattr(module, "_by_route", slow)
    clock.now += LOOK
    for text in (FLIGHTS[1], SAID, FLIGHTS[2]):
        ask(cascade, text)
        assert entered.wait(10)
    assert len(large.asked) == 3
    release.set()
    cascade.settle()
    assert cascade._state[0] >= 1


# ---- settings


@pytest.mark.parametrize(
    ("name", "wrong", "allowed"),
    [
        *(("OMNI_CASCADE_TARGET", wrong, "from 0 to 1") for wrong in ("sure", "-0.1", "1.01", "85", "nan")),
        *(("OMNI_CASCADE_SIZE", wrong, "at least 1") for wrong in ("many", "0", "-5", "1.5")),
        ("OMNI_CASCADE_TEXT", "perhaps", "true, yes"),
        ("OMNI_ROUTER", "waterfall", "cascade"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_with_those_that_are(name: str, wrong: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be .*{allowed}.*, not '{wrong}'"):
        Environment.read(variables={name: wrong})


def test_the_settings_are_read_and_have_defaults() -> None:
    usual = Environment.read(variables={})
    assert (usual.cascade_target, usual.cascade_size, usual.cascade_path, usual.cascade_text) == (
        *(TARGET, SIZE, None, False),
    )
    given = {"TARGET": "1", "SIZE": "7", "PATH": "here", "TEXT": "yes"}
    read = Environment.read(variables={f"OMNI_CASCADE_{name}": value for name, value in given.items()})
    assert (read.cascade_target, read.cascade_size, read.cascade_path, read.cascade_text) == (1, 7, Path("here"), True)
    assert Environment.read(variables={"OMNI_ENCODER": "org/enc"}).encoder == "org/enc"


def test_the_router_has_what_the_settings_say(tmp_path: Path) -> None:
    given = {"OMNI_CASCADE_TARGET": "0.7", "OMNI_CASCADE_TEXT": "1", "OMNI_ENCODER": str(tmp_path / "enc")}
    environment = Environment.read(router="cascade", route_config=tmp_path / "policy.json", variables=given)
    cascade = choose_router(environment)
    assert isinstance(cascade, CascadeRouter)
    assert isinstance(cascade._large, ArchRouter)
    assert (cascade._target, cascade._keep_text) == (0.7, True)
    assert cascade._small is choose_router(replace(environment, router="semantic"))
    with pytest.raises(ConfigurationError, match="enc"):
        ask(cascade, SAID)
    closed = choose_router(environment, learning=False)
    assert isinstance(closed, CascadeRouter)
    assert isinstance(closed._book, ClosedBook)


def test_another_encoder_is_another_second_router_of_the_endpoint() -> None:
    url = {"OMNI_ROUTER_URL": "http://router.test:8000"}
    usual, other = (
        choose_router(Environment.read(router="endpoint", variables={**url, **encoder}))
        for encoder in ({}, {"OMNI_ENCODER": "org/enc"})
    )
    assert usual is not other


@pytest.mark.parametrize("router", ["auto", "cascade"])
def test_with_an_address_the_large_router_is_the_endpoint(router: str) -> None:
    chosen = choose_router(Environment.read(router=router, variables={"OMNI_ROUTER_URL": "http://router.test:8000"}))
    assert isinstance(chosen, CascadeRouter)
    assert isinstance(chosen._large, FallbackRouter)


def test_auto_is_the_cascade_where_the_checkpoint_loads_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(device: str, error: Exception | None = None) -> object:
        def load(_: ArchRouter) -> None:
            if error:
                raise error

        monkeypatch.setattr(ArchRouter, "load", load)
        monkeypatch.setattr("omni_router.services.router.pick_device", lambda: device)
        auto = choose_router(Environment.read(variables={}))
        assert isinstance(auto, AutoRouter)
        return type(auto._choose()[0])

    assert chosen("cuda") is CascadeRouter
    assert chosen("mps") is CascadeRouter
    assert chosen("cpu") is SemanticRouter
    assert chosen("cuda", ConfigurationError("not there")) is SemanticRouter


def test_help_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in (
        "OMNI_ENCODER",
        "OMNI_CASCADE_TARGET",
        "OMNI_CASCADE_SIZE",
        "OMNI_CASCADE_PATH",
        "OMNI_CASCADE_TEXT=1",
    ):
        assert name in shown
    assert "--router cascade" in shown
    assert f"({TARGET:g})" in shown
    assert f"({SIZE})" in shown
