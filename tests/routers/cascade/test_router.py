"""The cascade: the real embedded router, a scripted teacher, and what the student learns from it."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.errors import ConfigurationError
from omni_router.history.label_file import FileLabelStore
from omni_router.routers import BaseRouter, Reply, RouteOption, Turn
from omni_router.routers.arch.router import ArchRouter
from omni_router.routers.auto import AutoRouter
from omni_router.routers.cascade.labels import (
    HALF_LIFE,
    MAX_LABELS,
    LabelStore,
    ReadOnlyLabelStore,
    TeacherLabel,
    weigh_by_age,
)
from omni_router.routers.cascade.router import (
    MIN_NEW_LABELS,
    MIN_TEACHER_CONFIDENCE,
    RELOAD_SECONDS,
    TARGET,
    TEXT_CHARACTERS,
    CascadeRouter,
)
from omni_router.routers.cascade.teacher import TeacherUnavailable
from omni_router.routers.endpoint.fallback import FallbackRouter
from omni_router.routers.semantic.concurrency import single_threaded
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.services.router import choose_router

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
# Nothing a description tells: that flights are for gardening is what only the teacher says.
FLIGHTS = [f"cheapest flight to {city}" for city in CITIES]
NOW = 1.8e9


@dataclass
class Teacher:
    """The scripted teacher: its answer to every request, and the requests it got."""

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
class Labels:
    """Labels in memory."""

    labels: list[TeacherLabel] = field(default_factory=list)
    reads: int = 0
    fails: Exception | None = None
    away: bool = False

    def read(self) -> Sequence[TeacherLabel] | None:
        self.reads += 1
        if self.fails:
            raise self.fails
        return None if self.away else list(self.labels)

    def add(self, label: TeacherLabel) -> None:
        self.labels.append(label)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _single_threaded() -> Iterator[None]:
    with single_threaded():  # such small work waits for its threads, for seconds when the machine is busy
        yield


@pytest.fixture
def student(semantic: SemanticRouter) -> SemanticRouter:
    return semantic


@pytest.fixture
def teacher() -> Teacher:
    return Teacher()


@pytest.fixture
def store() -> Labels:
    return Labels()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cascade(student: SemanticRouter, teacher: Teacher, store: Labels, clock: Clock) -> CascadeRouter:
    return CascadeRouter(student, teacher, store, clock=clock)


def talk(*texts: str) -> list[Turn]:
    return [Turn(role="user", content=text) for text in texts]


def ask(cascade: CascadeRouter, text: str, routes: Sequence[RouteOption] = ROUTES) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(cascade.reply(talk(text), routes).text)
    return answer


def vector(student: SemanticRouter, text: str) -> Vectors:
    return student.judge([(talk(text), ROUTES)])[0].vector


# ---- who decides


def test_what_the_student_is_sure_of_it_decides_alone(
    cascade: CascadeRouter, student: SemanticRouter, teacher: Teacher, store: Labels
) -> None:
    reply = cascade.reply(talk(SAID), ROUTES)
    assert reply == replace(student.reply(talk(SAID), ROUTES), by="semantic")
    assert json.loads(reply.text)["route"] == "weather"
    assert reply.confidence is not None
    assert reply.confidence >= TARGET
    assert teacher.asked == []
    assert store.labels == []


def test_what_it_is_not_sure_of_the_teacher_decides_in_its_own_words(
    cascade: CascadeRouter, student: SemanticRouter, teacher: Teacher, store: Labels, clock: Clock
) -> None:
    teacher.text = 'Well: {"route": "gardening", "model": null, "reason": "odd spacing" }\n'
    reply = cascade.reply(talk(FLIGHTS[0]), ROUTES)
    assert reply == Reply(teacher.text, 0.9, by="large")
    assert teacher.asked == [FLIGHTS[0]]
    [label] = store.labels
    assert (label.route, label.at, label.text) == ("gardening", clock.now, None)
    np.testing.assert_allclose(label.vector, vector(student, FLIGHTS[0]))


@pytest.mark.parametrize(("target", "requests"), [(0.0, 0), (1.0, 1)])
def test_the_target_decides_which_router_is_asked(
    target: float, requests: int, student: SemanticRouter, teacher: Teacher, store: Labels
) -> None:
    for text in (SAID, FLIGHTS[0]):
        teacher.asked.clear()
        ask(CascadeRouter(student, teacher, store, target=target), text)
        assert len(teacher.asked) == requests


def test_what_was_taught_it_decides_alone(
    cascade: CascadeRouter, student: SemanticRouter, teacher: Teacher, store: Labels
) -> None:
    assert student.judge([(talk("cheapest flight to Geneva"), ROUTES)])[0].confidence < TARGET
    for text in FLIGHTS:
        assert ask(cascade, text)["model"] in ("org/large", "org/green")
        cascade.settle()
    assert MIN_NEW_LABELS <= len(teacher.asked) <= len(FLIGHTS)
    assert len(store.labels) == len(teacher.asked)
    ask(cascade, FLIGHTS[0])
    cascade.settle()
    teacher.asked.clear()
    answer = ask(cascade, "the cheapest flight to Naples")
    assert (answer["route"], answer["model"]) == ("gardening", "org/green")
    assert teacher.asked == []
    assert ask(cascade, SAID)["route"] == "weather"  # which is as it was


def test_fewer_labels_than_a_refit_is_worth_wait(cascade: CascadeRouter, store: Labels) -> None:
    for n, text in enumerate(FLIGHTS[:MIN_NEW_LABELS]):
        ask(cascade, text)
        cascade.settle()
        assert (len(store.labels), store.reads) == (n + 1, 1)
    ask(cascade, "cheapest flight to Seville")
    cascade.settle()
    assert store.reads == 2


# ---- a teacher that does not answer, or nothing useful


def test_when_the_teacher_fails_the_student_decides_and_a_warning_is_logged(
    cascade: CascadeRouter,
    student: SemanticRouter,
    teacher: Teacher,
    store: Labels,
    caplog: pytest.LogCaptureFixture,
) -> None:
    teacher.fails = RuntimeError("out of memory")
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES) == student.reply(talk(FLIGHTS[0]), ROUTES)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "semantic decides" in caplog.text
    assert "out of memory" in caplog.text
    assert store.labels == []


def test_when_it_is_known_to_be_away_nothing_is_reported(
    cascade: CascadeRouter,
    student: SemanticRouter,
    teacher: Teacher,
    store: Labels,
    caplog: pytest.LogCaptureFixture,
) -> None:
    teacher.fails = TeacherUnavailable()
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES) == student.reply(talk(FLIGHTS[0]), ROUTES)
    assert teacher.asked
    assert caplog.records == []
    assert store.labels == []


def test_when_it_cannot_be_loaded_that_is_raised(cascade: CascadeRouter, teacher: Teacher, store: Labels) -> None:
    teacher.fails = ConfigurationError("no such checkpoint")
    with pytest.raises(ConfigurationError, match="no such checkpoint"):
        ask(cascade, FLIGHTS[0])
    assert store.labels == []


@pytest.mark.parametrize("text", ["", "I would say gardening", '{"route": null}', '{"route": "cooking"}', "{"])
def test_a_reply_that_names_no_route_on_offer_teaches_nothing(
    text: str, cascade: CascadeRouter, teacher: Teacher, store: Labels
) -> None:
    teacher.text = text
    assert cascade.reply(talk(FLIGHTS[0]), ROUTES).text == text
    assert store.labels == []


@pytest.mark.parametrize(
    ("confidence", "labels"),
    [(None, 1), (0.0, 0), (MIN_TEACHER_CONFIDENCE - 0.01, 0), (MIN_TEACHER_CONFIDENCE, 1), (1.0, 1)],
)
def test_what_the_teacher_doubts_itself_teaches_nothing(
    confidence: float | None, labels: int, cascade: CascadeRouter, teacher: Teacher, store: Labels
) -> None:
    teacher.confidence = confidence
    assert ask(cascade, FLIGHTS[0])["model"] == "org/large"
    assert len(store.labels) == labels


@pytest.mark.parametrize(("name", "route"), [("other", "other"), ("OTHER", "other"), ("Gardening", "gardening")])
def test_a_label_has_the_name_that_the_policy_gives(
    name: str, route: str, cascade: CascadeRouter, teacher: Teacher, store: Labels
) -> None:
    teacher.route = name
    ask(cascade, FLIGHTS[0])
    assert [label.route for label in store.labels] == [route]


def test_labels_of_other_are_learnt(student: SemanticRouter, teacher: Teacher, clock: Clock) -> None:
    labels = [TeacherLabel("other", vector(student, text), NOW) for text in FLIGHTS]
    labels += [TeacherLabel("weather", vector(student, f"will it rain in {city}"), NOW) for city in CITIES]
    cascade = CascadeRouter(student, teacher, Labels(labels), clock=clock)
    answer = ask(cascade, "the cheapest flight to Naples")
    assert (answer["route"], answer["model"]) == ("other", None)
    assert teacher.asked == []


# ---- what a label holds


@pytest.mark.parametrize(("keep", "text"), [(False, None), (True, FLIGHTS[0])])
def test_what_was_asked_is_kept_only_where_that_is_wanted(
    keep: bool,  # noqa: FBT001 (by pytest alone)
    text: str | None,
    student: SemanticRouter,
    teacher: Teacher,
    store: Labels,
) -> None:
    cascade = CascadeRouter(student, teacher, store, target=1.0, keep_text=keep)
    conversation: list[Turn] = [
        Turn(role="user", content="hello"),
        Turn(role="assistant", content="hi"),
        Turn(role="user", content=FLIGHTS[0]),
    ]
    cascade.reply(conversation, ROUTES)
    assert [label.text for label in store.labels] == [text]
    np.testing.assert_allclose(store.labels[0].vector, vector(student, f"hello\n{FLIGHTS[0]}"))


def test_of_a_pasted_book_a_label_keeps_a_page(student: SemanticRouter, teacher: Teacher, store: Labels) -> None:
    CascadeRouter(student, teacher, store, target=1.0, keep_text=True).reply(talk("word " * 100_000), ROUTES)
    assert [len(label.text or "") for label in store.labels] == [TEXT_CHARACTERS]


def test_a_label_counts_half_after_its_half_life_and_never_nothing() -> None:
    row = np.ones(2, np.float32)
    ages = {"fresh": 0.0, "half": HALF_LIFE, "quarter": 2 * HALF_LIFE, "ancient": NOW, "of the future": -1e6}
    labels = weigh_by_age([TeacherLabel(route, row, NOW - age) for route, age in ages.items()], NOW)
    weight_of = {route: weights.item() for route, weights in labels.weights.items()}
    assert weight_of.pop("ancient") == pytest.approx(0.001, rel=0.1)
    assert weight_of == {"fresh": 1.0, "half": 0.5, "quarter": 0.25, "of the future": 1.0}
    assert weigh_by_age([TeacherLabel("a", row, NOW), TeacherLabel("a", 2 * row, 0)], NOW).vectors["a"].tolist() == [
        [1, 1],
        [2, 2],
    ]


def test_labels_of_the_year_1970_break_nothing(
    student: SemanticRouter, teacher: Teacher, caplog: pytest.LogCaptureFixture
) -> None:
    labels = [TeacherLabel("gardening", vector(student, text), 0.0) for text in FLIGHTS]
    ask(CascadeRouter(student, teacher, Labels(labels)), "the cheapest flight to Naples")
    assert caplog.records == []


def test_labels_of_a_route_that_was_renamed_lie_unused(student: SemanticRouter, teacher: Teacher) -> None:
    store = Labels([TeacherLabel("gardening", vector(student, text), NOW) for text in FLIGHTS])
    renamed = [replace(ROUTES[0], name="plants"), *ROUTES[1:]]
    cascade = CascadeRouter(student, teacher, store, clock=Clock())
    assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
    assert teacher.asked == []
    teacher.route = "translation"
    assert ask(cascade, "the cheapest flight to Naples", renamed)["route"] == "translation"
    assert len(teacher.asked) == 1
    assert store.labels[-1].route == "translation"


# ---- labels of others, and what goes wrong with them


def test_two_cascades_on_one_file_learn_of_each_other(
    student: SemanticRouter, teacher: Teacher, tmp_path: Path
) -> None:
    clock, second = Clock(), Teacher()
    one, two = (
        CascadeRouter(student, each, FileLabelStore(tmp_path / ".lessons", lambda: student.encoder_name), clock=clock)
        for each in (teacher, second)
    )
    ask(two, FLIGHTS[0])
    assert second.asked
    for text in FLIGHTS:
        ask(one, text)
    for seconds, requests in ((RELOAD_SECONDS - 1, 1), (1, 0)):
        clock.now += seconds
        ask(two, SAID)  # which only lets it look
        two.settle()
        second.asked.clear()
        assert ask(two, "the cheapest flight to Naples")["route"] == "gardening"
        assert len(second.asked) == requests


def test_the_first_request_of_a_process_knows_the_labels_of_others(student: SemanticRouter, teacher: Teacher) -> None:
    store = Labels([TeacherLabel("gardening", vector(student, text), NOW) for text in FLIGHTS])
    assert (
        ask(CascadeRouter(student, teacher, store, clock=Clock()), "the cheapest flight to Naples")["route"]
        == "gardening"
    )
    assert teacher.asked == []


def test_a_refit_that_fails_is_reported_and_the_labels_before_stay_in_use(
    student: SemanticRouter, teacher: Teacher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Labels([TeacherLabel("gardening", vector(student, text), NOW) for text in FLIGHTS])
    cascade = CascadeRouter(student, teacher, store, clock=clock)
    ask(cascade, FLIGHTS[0])
    for broken in (
        Labels(fails=RuntimeError("no idea")),
        Labels([TeacherLabel("gardening", np.ones(3, np.float32), NOW)]),
    ):
        cascade.store = broken
        clock.now += RELOAD_SECONDS
        caplog.clear()
        for _ in range(3):
            assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
            cascade.settle()
        assert ["could not be learned" in record.getMessage() for record in caplog.records] == [True]
        assert broken.reads <= 1
    assert teacher.asked == []


def test_labels_that_are_out_of_reach_for_a_while_stay_in_use(
    student: SemanticRouter, teacher: Teacher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Labels([TeacherLabel("gardening", vector(student, text), NOW) for text in FLIGHTS])
    cascade = CascadeRouter(student, teacher, store, clock=clock)
    for store.away in (False, True, True):
        ask(cascade, FLIGHTS[0])
        cascade.settle()
        assert ask(cascade, "the cheapest flight to Naples")["route"] == "gardening"
        clock.now += RELOAD_SECONDS
    assert store.reads == 3
    assert teacher.asked == []
    assert caplog.records == []


def test_a_read_only_store_is_read_and_nothing_is_written(
    student: SemanticRouter, teacher: Teacher, tmp_path: Path
) -> None:
    path = tmp_path / ".lessons"
    file = FileLabelStore(path, lambda: student.encoder_name)
    cascade = CascadeRouter(student, teacher, ReadOnlyLabelStore(file))
    for text in FLIGHTS[: MIN_NEW_LABELS + 2]:
        ask(cascade, text)
    cascade.settle()
    assert not path.exists()
    file.add(TeacherLabel("weather", vector(student, "x"), NOW))
    before = path.read_bytes()
    assert len(ReadOnlyLabelStore(file).read() or ()) == 1
    ask(CascadeRouter(student, teacher, ReadOnlyLabelStore(file)), FLIGHTS[0])
    assert path.read_bytes() == before


# ---- many at once


@pytest.mark.parametrize(
    "make", [lambda _: Labels(), lambda path: FileLabelStore(path, lambda: "e")], ids=["memory", "file"]
)
def test_many_threads_share_a_cascade(
    make: Callable[[Path], LabelStore],
    student: SemanticRouter,
    teacher: Teacher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make(tmp_path / ".lessons")
    cascade = CascadeRouter(student, teacher, store)
    texts = [text for n in range(8) for text in (*FLIGHTS[n : n + 10], SAID, *FLIGHTS[n : n + 10], *[SAID] * 9)]

    def work(part: Sequence[str]) -> list[str]:
        return [ask(cascade, text)["route"] for text in part]

    with ThreadPoolExecutor(8) as pool:
        routes = [
            each for answers in pool.map(work, [texts[n * 30 : n * 30 + 30] for n in range(8)]) for each in answers
        ]
    cascade.settle()
    assert routes == ["weather" if text == SAID else "gardening" for text in texts]
    assert caplog.records == []
    assert len(store.read() or ()) == len(teacher.asked)
    assert teacher.asked
    assert len(teacher.asked) < sum(text != SAID for text in texts)


class SlowStore(Labels):
    """Labels whose second reading waits until a test lets it go on."""

    entered, release = threading.Event(), threading.Event()

    def read(self) -> Sequence[TeacherLabel] | None:
        labels = super().read()
        if self.reads > 1:
            self.entered.set()
            assert self.release.wait(10)
        return labels


def test_requests_go_on_during_a_refit(student: SemanticRouter, teacher: Teacher, clock: Clock) -> None:
    store = SlowStore()
    cascade = CascadeRouter(student, teacher, store, clock=clock)
    ask(cascade, FLIGHTS[0])
    clock.now += RELOAD_SECONDS
    for text in (FLIGHTS[1], SAID, FLIGHTS[2]):
        ask(cascade, text)
        assert store.entered.wait(10)
    assert len(teacher.asked) == 3
    store.release.set()
    cascade.settle()
    assert cascade.labels_in_use >= 1


# ---- settings


@pytest.mark.parametrize(
    ("name", "wrong", "allowed"),
    [
        *(("OMNI_CASCADE_TARGET", wrong, "from 0 to 1") for wrong in ("sure", "-0.1", "1.01", "85", "nan")),
        *(("OMNI_CASCADE_SIZE", wrong, "at least 1") for wrong in ("many", "0", "-5", "1.5")),
        ("OMNI_CASCADE_TEXT", "perhaps", "true, yes"),
    ],
)
def test_a_value_that_is_not_allowed_is_reported_with_those_that_are(name: str, wrong: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be .*{allowed}.*, not '{wrong}'"):
        Environment.read(variables={name: wrong})


def test_the_settings_are_read_and_have_defaults() -> None:
    usual = Environment.read(variables={})
    assert (usual.cascade_target, usual.cascade_size, usual.cascade_path, usual.cascade_text) == (
        *(TARGET, MAX_LABELS, None, False),
    )
    values = {"TARGET": "1", "SIZE": "7", "PATH": "here", "TEXT": "yes"}
    read = Environment.read(variables={f"OMNI_CASCADE_{name}": value for name, value in values.items()})
    assert (read.cascade_target, read.cascade_size, read.cascade_path, read.cascade_text) == (1, 7, Path("here"), True)
    assert Environment.read(variables={"OMNI_ENCODER": "org/enc"}).encoder == "org/enc"


def test_the_router_has_what_the_settings_say(tmp_path: Path) -> None:
    values = {"OMNI_CASCADE_TARGET": "0.7", "OMNI_CASCADE_TEXT": "1", "OMNI_ENCODER": str(tmp_path / "enc")}
    environment = Environment.read(router="cascade", route_config=tmp_path / "policy.json", variables=values)
    cascade = choose_router(environment)
    assert isinstance(cascade, CascadeRouter)
    assert isinstance(cascade.teacher, ArchRouter)
    assert (cascade.target, cascade.keep_text) == (0.7, True)
    assert cascade.student is choose_router(replace(environment, router="semantic"))
    with pytest.raises(ConfigurationError, match="enc"):
        ask(cascade, SAID)
    closed = choose_router(environment, learning=False)
    assert isinstance(closed, CascadeRouter)
    assert isinstance(closed.store, ReadOnlyLabelStore)


def test_another_encoder_is_another_second_router_of_the_endpoint() -> None:
    url = {"OMNI_ROUTER_URL": "http://router.test:8000"}
    usual, other = (
        choose_router(Environment.read(router="endpoint", variables={**url, **encoder}))
        for encoder in ({}, {"OMNI_ENCODER": "org/enc"})
    )
    assert usual is not other


@pytest.mark.parametrize("router", ["auto", "cascade"])
def test_with_an_address_the_teacher_is_the_endpoint(router: str) -> None:
    chosen = choose_router(Environment.read(router=router, variables={"OMNI_ROUTER_URL": "http://router.test:8000"}))
    assert isinstance(chosen, CascadeRouter)
    assert isinstance(chosen.teacher, FallbackRouter)


class Loading(Teacher, BaseRouter):
    """A teacher whose checkpoint a test may withhold."""

    error: Exception | None = None

    def load(self) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("device", "error", "name"),
    [
        ("cuda", None, "cascade"),
        ("mps", None, "cascade"),
        ("cpu", None, "semantic"),
        ("cuda", ConfigurationError("not there"), "semantic"),
    ],
)
def test_auto_is_the_cascade_where_the_checkpoint_loads_on_an_accelerator(
    device: str, error: Exception | None, name: str
) -> None:
    teacher, routers = Loading(), {"semantic": Teacher("weather"), "cascade": Teacher("gardening")}
    teacher.error = error
    auto = AutoRouter(teacher, routers["semantic"], routers["cascade"], device=lambda: device)
    reply = auto.reply(talk(SAID), ROUTES)
    assert auto.chosen is routers[name]
    assert json.loads(reply.text)["route"] == routers[name].route


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_auto_is_semantic_where_the_extra_for_checkpoints_is_missing(
    package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    semantic = Teacher("weather")
    auto = AutoRouter(Loading(), semantic, Teacher("gardening"))
    with caplog.at_level("INFO", "omni_router"):
        auto.reply(talk(SAID), ROUTES)
    assert auto.chosen is semantic
    assert f"semantic, because a local router checkpoint needs {package}, which is not installed" in caplog.text
    assert 'pip install -e ".[arch]"' in caplog.text


def test_auto_is_the_router_of_an_environment_without_any() -> None:
    router = choose_router(Environment.read(variables={}))
    assert isinstance(router, AutoRouter)
    assert router.chosen is None


def test_help_mentions_the_cascade(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in (
        "OMNI_ENCODER",
        "OMNI_CASCADE_TARGET",
        "OMNI_CASCADE_SIZE",
        "OMNI_CASCADE_PATH",
        "OMNI_CASCADE_TEXT",
    ):
        assert name in shown
    assert "--router cascade" in shown
    assert f"({TARGET:g})" in shown
    assert f"({MAX_LABELS})" in shown
