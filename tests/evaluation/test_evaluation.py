"""`omni-router eval`: the figures against values computed by hand, and the command as a user runs it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_router.cli import main
from omni_router.config.environment import Environment
from omni_router.config.routes import DEFAULT_POLICY, parse_document
from omni_router.errors import ConfigurationError
from omni_router.evaluation import metrics
from omni_router.evaluation.compare import mcnemar
from omni_router.evaluation.data import Item, read_items
from omni_router.evaluation.metrics import Outcome
from omni_router.evaluation.run import evaluate, read_route, route_options
from omni_router.messages import IMAGE_MARK
from omni_router.routers import Reply, RouteOption, RouteProbabilities, Turn
from omni_router.routers.cascade.labels import TeacherLabel
from omni_router.routers.cascade.router import CascadeRouter
from omni_router.routers.semantic.judgement import Judgement
from omni_router.routers.semantic.router import SemanticRouter

SMOKE = Path(__file__).parents[1] / "data" / "routing_smoke.jsonl"
POLICY = parse_document(DEFAULT_POLICY.read_text(encoding="utf-8"), DEFAULT_POLICY)
PLOTS = ("confusion.png", "reliability.png", "coverage.png")

Capture = pytest.CaptureFixture[str]
Write = Callable[..., Path]


@dataclass
class Parrot:
    """A router that answers each request with the reply that a test has laid down for it."""

    says: dict[str, str | Exception] = field(default_factory=dict)
    confidence: float | None = 0.9
    by: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[list[Turn], list[RouteOption]]] = field(default_factory=list)

    def reply(self, conversation: Sequence[Turn], routes: Sequence[RouteOption]) -> Reply:
        self.asked.append((list(conversation), list(routes)))
        reply = self.says.get(conversation[-1]["content"], "other")
        if isinstance(reply, Exception):
            raise reply
        text = reply if reply.startswith("{") else json.dumps({"route": reply})
        return Reply(text, self.confidence, self.by.get(conversation[-1]["content"]))


@dataclass
class Choir(Parrot):
    """A parrot that takes many at once, and keeps how many these were."""

    batches: list[int] = field(default_factory=list)
    fault: Exception | None = None
    fails: int = 0  # batches from the first on

    def replies(self, asked: Sequence[tuple[Sequence[Turn], Sequence[RouteOption]]]) -> list[Reply]:
        self.batches.append(len(asked))
        if self.fault and len(self.batches) <= self.fails:
            raise self.fault
        return [Parrot.reply(self, conversation, routes) for conversation, routes in asked]

    @property
    def one_by_one(self) -> int:
        return len(self.asked) - sum(self.batches[self.fails :])


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Parrot:
    """Stand in for every router of the command."""
    router = Parrot()
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda _environment, **_: router)
    return router


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines of data, given as objects or as they are."""

    def write(*lines: Any, name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return path

    return write


FOUR = [
    {"text": "hello", "route": "casual_conversation"},
    {"text": "sum up", "route": "summarization"},
    {"text": "to French", "route": "Translation"},
    {"text": "asdf", "route": "other"},
]


@pytest.fixture
def four(write: Write, parrot: Parrot) -> Path:
    """Four requests, of which the router gets three right."""
    parrot.says = {"hello": "casual_conversation", "sum up": "translation", "to French": "translation"}
    return write(*FOUR)


def outcome(route: str, predicted: str | None, confidence: float | None = None, **more: Any) -> Outcome:
    return Outcome(route, predicted, confidence, **more)


def test_wilson_interval_is_the_published_one() -> None:
    # 8 of 10: Wilson 0.4902 to 0.9433; 0 of 10 and 10 of 10 by hand from z^2 / (n + z^2)
    assert metrics.wilson(8, 10) == pytest.approx([0.49016, 0.94332], abs=1e-4)
    assert metrics.wilson(0, 10) == pytest.approx([0.0, 3.84146 / 13.84146], abs=1e-4)
    assert metrics.wilson(10, 10) == pytest.approx([10 / 13.84146, 1.0], abs=1e-4)
    assert metrics.wilson(0, 0) is None


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_keeps_within_0_and_1(counts: tuple[int, int]) -> None:
    right, n = counts
    low, high = metrics.wilson(right, n) or (1.0, 0.0)
    assert 0 <= low <= right / n <= high <= 1


def test_figures_per_route_by_hand() -> None:
    outcomes = [outcome("a", "a"), outcome("a", "a"), outcome("a", "b"), outcome("b", "b"), outcome("b", None)]
    table = metrics.per_route(outcomes, ["a", "b", "c", "other"])
    assert table["a"] == {"n": 3, "predicted": 2, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}
    assert table["b"] == {"n": 2, "predicted": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert table["c"] == {"n": 0, "predicted": 0, "precision": None, "recall": None, "f1": None}
    assert metrics.macro_f1(table) == pytest.approx(0.65)  # of a and b: the data hold no other
    assert metrics.confusion(outcomes, ["a", "b"])["counts"] == [[2, 1, 0], [0, 1, 1]]


def test_irrelevance_turns_and_contract_by_hand() -> None:
    outcomes = [
        outcome("other", "other"),
        outcome("other", "a"),
        outcome("a", "other", follow_up=True),
        outcome("a", "a", follow_up=True),
        outcome("a", None, problem="unreadable"),
    ]
    measures = metrics.measure(outcomes, ["a"])
    assert measures["irrelevance"] == {"n": 2, "recall": 0.5, "precision": 0.5}
    assert (measures["first_turn"]["n"], measures["first_turn"]["accuracy"]) == (3, 1 / 3)
    assert (measures["follow_up"]["n"], measures["follow_up"]["accuracy"]) == (2, 0.5)
    assert measures["contract"] == {"valid": 0.8, "unreadable": 1, "not_on_offer": 0, "failed": 0}
    assert (measures["ece"], measures["reliability"], measures["coverage"]) == (None, [], [])


def test_calibration_by_hand() -> None:
    outcomes = [outcome("a", "a", 0.95), outcome("a", "b", 0.91), outcome("a", "a", 0.5), outcome("a", "a", 1.0)]
    curve = metrics.reliability(outcomes)
    assert [(point["from"], point["n"]) for point in curve] == [(0.5, 1), (0.9, 3)]
    assert curve[1]["confidence"] == pytest.approx(0.95333, abs=1e-4)
    assert curve[1]["accuracy"] == pytest.approx(2 / 3)
    assert metrics.calibration_error(curve) == pytest.approx((0.5 + 3 * (0.95333 - 2 / 3)) / 4, abs=1e-4)


def test_coverage_by_hand_takes_ties_together() -> None:
    outcomes = [outcome("a", "a", 0.9), outcome("a", "b", 0.5), outcome("a", "a", 0.5), outcome("a", "b", 0.1)]
    assert metrics.coverage(outcomes) == [
        {"threshold": 0.9, "coverage": 0.25, "accuracy": 1.0},
        {"threshold": 0.5, "coverage": 0.75, "accuracy": 2 / 3},
        {"threshold": 0.1, "coverage": 1.0, "accuracy": 0.5},
    ]
    point = metrics.at_coverage(metrics.coverage(outcomes), 0.5)
    assert point
    assert point["threshold"] == 0.5


OUTCOMES = st.lists(
    st.builds(outcome, st.sampled_from("abc"), st.sampled_from(["a", "b", "other", None]), st.none() | st.floats(0, 1)),
    min_size=1,
)


@given(OUTCOMES)
def test_figures_agree_with_each_other(outcomes: list[Outcome]) -> None:
    measures = metrics.measure(outcomes, ["a", "b", "c"])
    assert sum(map(sum, measures["confusion"]["counts"])) == measures["n"] == len(outcomes)
    recalled = sum(row["n"] * row["recall"] for row in measures["per_route"].values() if row["n"])
    assert recalled == pytest.approx(measures["accuracy"] * measures["n"])
    assert sum(point["n"] for point in measures["reliability"]) == sum(o.confidence is not None for o in outcomes)
    shares = [point["coverage"] for point in measures["coverage"]]
    assert shares == sorted(set(shares))
    assert measures["ece"] is None or 0 <= measures["ece"] <= 1
    if all(o.confidence is not None for o in outcomes):
        assert measures["coverage"][-1]["accuracy"] == measures["accuracy"]


def test_latency_leaves_the_first_call_out() -> None:
    measures = metrics.latency([outcome("a", "a", seconds=s) for s in (9.0, *(n / 1000 for n in range(1, 101)))])
    assert measures == pytest.approx({"p50": 50, "p95": 95, "first": 9000})
    assert metrics.latency([outcome("a", "a", seconds=1.0)]) == {"p50": None, "p95": None, "first": 1000}


def test_latency_stands_on_what_was_asked_one_by_one() -> None:
    outcomes = [outcome("a", "a", seconds=seconds) for seconds in (9.0, 0.001, None, 0.003, None)]
    assert metrics.latency(outcomes) == pytest.approx({"p50": 1, "p95": 3, "first": 9000})
    assert metrics.measure(outcomes, ["a"])["timed"] == 3
    assert metrics.latency([outcome("a", "a")]) == {"p50": None, "p95": None, "first": None}


def test_tiers_by_hand() -> None:
    outcomes = [
        *(outcome("a", route, by="semantic") for route in ("a", "a", "a", "b")),
        *(outcome("a", route, by="large") for route in ("a", None)),
        outcome("a", "a"),
    ]
    expected = {"semantic": {"n": 4, "accuracy": 0.75}, "large": {"n": 2, "accuracy": 0.5}}
    assert metrics.measure(outcomes, ["a"])["decided"] == expected
    assert metrics.decided(outcomes[:4])["large"] == {"n": 0, "accuracy": None}
    assert "decided" not in metrics.measure(outcomes[-1:], ["a"])


def test_mcnemar_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(1, 0) == 1
    assert mcnemar(5, 0) == 2 / 32
    assert mcnemar(1, 7) == 2 * (1 + 8) / 256
    assert mcnemar(3, 3) == 1
    assert mcnemar(3000, 0) < 1e-300 or mcnemar(3000, 0) == 0


def test_every_form_of_a_line_is_read(write: Write) -> None:
    talk_before = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]
    path = write(
        {"text": "hello", "route": "CASUAL_conversation"},
        "",
        {
            "messages": [{"role": "system", "content": "x"}, *talk_before, {"role": "user", "content": "bye"}],
            "route": "other",
        },
        {"text": "what is it?", "image": "https://example.com/a.png", "route": "image_understanding"},
        {"text": "and in it?", "route": "image_understanding"},
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url"}]}],
            "route": "image_understanding",
        },
    )
    first, talk, image, earlier, blocks = read_items(path, POLICY.routes)
    assert (first.route, first.line, talk.line) == ("casual_conversation", 1, 3)
    assert [turn["content"] for turn in talk.conversation] == ["hi", "yes?", "bye"]
    assert [item.follow_up for item in (first, talk)] == [False, True]
    assert image.conversation[-1]["content"] == f"what is it?\n{IMAGE_MARK}"
    assert (blocks.image_now, blocks.text) == (True, "look")
    assert names(image) == ["image_understanding"]
    assert names(earlier) == [route.name for route in POLICY.routes]
    assert names(first) == [route.name for route in POLICY.routes[:-1]]


def names(item: Item) -> list[str]:
    offered = route_options(item, POLICY)
    assert all(route.examples and not route.candidates for route in offered)
    return [route.name for route in offered]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ({"text": "x"}, 'no "route"'),
        ({"text": "x", "route": "poetry"}, "summarization"),
        ({"route": "other"}, '"text" or "messages"'),
        ({"text": "x", "messages": [], "route": "other"}, '"text" or "messages"'),
        ({"text": " ", "route": "other"}, "neither text nor an image"),
        ({"text": 5, "route": "other"}, "must be text or a list"),
        ({"messages": [], "route": "other"}, '"messages"'),
        ({"messages": ["x"], "route": "other"}, "not None"),
        ({"messages": [{"role": "robot", "content": "x"}], "route": "other"}, "'robot'"),
        ({"messages": [{"role": "assistant", "content": "x"}], "route": "other"}, "last message"),
        ({"text": "x", "image": 1.5, "route": "other"}, '"image"'),
    ],
)
def test_a_broken_line_is_named_with_its_fault(line: Any, fault: str, write: Write, capsys: Capture) -> None:
    path = write({"text": "hello", "route": "other"}, line)
    assert main(["eval", str(path)]) == 2
    output = capsys.readouterr()
    assert f"{path}:2: " in output.err
    assert fault in output.err
    assert output.out == ""


def test_all_broken_lines_are_named_at_once(write: Write, parrot: Parrot, capsys: Capture) -> None:
    path = write(
        "{", {"text": "hello", "route": "other"}, {"text": "x", "route": "poetry"}, {"text": " ", "route": "other"}
    )
    assert main(["eval", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("omni-router: ").split(": ")[0] for line in lines[:3]] == [
        f"{path}:{n}" for n in (1, 3, 4)
    ]
    assert [words in line for words, line in zip(("not JSON", "'poetry'", "neither text"), lines, strict=False)] == [
        True
    ] * 3
    assert lines[3:] == [f"the routes are {', '.join(route.name for route in POLICY.routes)}, and other"]
    assert parrot.asked == []


@pytest.mark.parametrize(("broken", "more"), [(10, []), (11, ["and 1 more"]), (250, ["and 240 more"])])
def test_of_very_many_broken_lines_ten_are_shown(broken: int, more: list[str], write: Write, capsys: Capture) -> None:
    path = write(*["[1]"] * broken, {"text": "hello", "route": "other"})
    assert main(["eval", str(path), "--limit", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum(f"{path}:" in line for line in lines) == 10
    assert lines[10:] == more


@pytest.mark.parametrize("text", [b"", b"\n \n", b"\xff\xfe\xfa", None])
def test_data_that_are_missing_or_empty_are_status_2(text: bytes | None, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "d.jsonl"
    if text is not None:
        path.write_bytes(text)
    assert main(["eval", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("d.jsonl", "--router", "oracle"),
        ("d.jsonl", "--router", "semantic,"),
        ("d.jsonl", "--min-accuracy", "80"),
        ("d.jsonl", "--min-accuracy", "nan"),
        ("d.jsonl", "--limit", "0"),
        ("d.jsonl", "--prompt", "x"),
        ("",),
    ],
)
def test_misuse_is_status_2(flags: tuple[str, ...], capsys: Capture) -> None:
    assert main(["eval", *flags]) == 2
    assert capsys.readouterr().err.startswith("omni-router eval: ")


def test_help_teaches(capsys: Capture) -> None:
    assert main(["eval", "--help"]) == 0
    shown = capsys.readouterr().out
    for part in ("examples:", "exit status", '"messages"', "--compare", '".[eval]"'):
        assert part in shown


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply('{"route": "A"}'), ("a", None)),
        (Reply('{"route": "Other"}'), ("other", None)),
        (Reply('{"route": "b"}'), (None, "not_on_offer")),
        (Reply("well, a I think"), (None, "unreadable")),
        (None, (None, "failed")),
    ],
)
def test_replies_are_read_like_in_the_graph(reply: Reply | None, expected: tuple[str | None, str | None]) -> None:
    assert read_route(reply, [RouteOption("a", "about a")]) == expected


def test_json_is_one_object_with_what_scripts_need(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--router", "semantic", "--json"]) == 0
    captured = capsys.readouterr()
    [line] = captured.out.splitlines()
    result = json.loads(line)
    assert {"accuracy", "ci95", "macro_f1", "n", "per_route", "latency_ms"} <= set(result)
    assert (result["router"], result["n"], result["accuracy"]) == ("semantic", 4, 0.75)
    assert result["per_route"]["translation"] == {"n": 1, "predicted": 2, "precision": 0.5, "recall": 1.0, "f1": 2 / 3}
    assert set(result["latency_ms"]) == {"p50", "p95", "first"}
    assert "items" not in result
    report = json.loads(Path("outputs/eval/report.json").read_text())
    assert {key: report[key] for key in ("accuracy", "per_route")} == {k: result[k] for k in ("accuracy", "per_route")}
    assert [item["replies"]["semantic"]["predicted"] for item in report["items"]] == [
        *("casual_conversation", "translation", "translation", "other"),
    ]
    assert result["files"] == [f"outputs/eval/{name}" for name in ("report.md", "report.json", *PLOTS)]
    assert all(Path(file).stat().st_size for file in result["files"])


def test_several_routers_stand_side_by_side(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--router", "semantic,arch,semantic", "--json", "--output-dir", "here"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["routers"]) == ["semantic", "arch"]
    assert result["routers"]["semantic"]["accuracy"] == result["accuracy"]
    report = Path("here/report.md").read_text()
    assert "## semantic" in report
    assert "## arch" in report


def test_a_checkpoint_for_several_routers_is_not_the_encoder(four: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environments: list[Environment] = []
    monkeypatch.setattr(
        "omni_router.services.router.choose_router",
        lambda environment, **_: environments.append(environment) or Parrot(),  # type: ignore[func-returns-value]
    )
    for routers in ("semantic,arch", "semantic"):
        main(["eval", str(four), "--router", routers, "--router-model", "./tuned"])
    assert [(environment.router, environment.router_model) for environment in environments] == [
        *(("semantic", None), ("arch", "./tuned"), ("semantic", "./tuned")),
    ]


def test_flags_of_the_command_itself_mean_the_same(four: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environments: list[Environment] = []
    tokens: list[str | None] = []

    def choose(environment: Environment, token: Callable[[], str | None], *, learning: bool) -> Parrot:
        environments.append(environment)
        tokens.append(token())
        return Parrot()

    monkeypatch.setattr("omni_router.services.router.choose_router", choose)
    (tmp_path / "mine.json").write_text(DEFAULT_POLICY.read_text())
    flags = ["--router", "endpoint", "--router-url", "http://127.0.0.1:9/v1", "--router-model", "mine"]
    flags += ["--route-config", "mine.json", "--history", "file", "--hf-token", "hf_given", "--sandbox"]
    assert main(["eval", str(four), *flags, "--output-dir", "report"]) == 0
    [environment] = environments
    assert (environment.router, environment.router_url) == ("endpoint", "http://127.0.0.1:9/v1")
    assert (environment.router_model, environment.route_config) == ("mine", Path("mine.json"))
    assert (environment.history, environment.sandbox, tokens) == ("file", True, ["hf_given"])


def test_the_endpoint_without_an_address_is_status_2(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--router", "semantic,endpoint"]) == 2
    assert "--router-url" in capsys.readouterr().err


def test_debug_router_shows_the_raw_replies(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--debug-router", "--json"]) == 0
    captured = capsys.readouterr()
    assert """[router] line 2: raw reply: '{"route": "translation"}'""" in captured.err
    assert json.loads(captured.out)["n"] == 4
    assert main(["eval", str(four)]) == 0
    assert "raw reply" not in capsys.readouterr().err


@pytest.mark.parametrize(("required", "status"), [("0.75", 0), ("0.76", 1), ("0", 0), ("1", 1)])
def test_min_accuracy_decides_on_the_exit_status(required: str, status: int, four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--min-accuracy", required]) == status
    assert ("below" in capsys.readouterr().err) == (status == 1)


def test_summary_tells_figures_routes_and_files(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "accuracy     0.750 (95 % interval 0.301 to 0.954)",
        "macro F1",
        "other",
        "p95",
        "outputs/eval/report.md",
    ):
        assert part in shown


def test_what_a_router_does_wrong_is_counted_and_does_not_end_the_run(
    write: Write, parrot: Parrot, caplog: pytest.LogCaptureFixture, capsys: Capture
) -> None:
    parrot.says = {"a": RuntimeError("out of memory"), "b": "{", "c": "poetry", "d": "translation"}
    parrot.confidence = None
    path = write(*({"text": text, "route": "translation"} for text in "abcd"))
    assert main(["eval", str(path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["contract"] == {"valid": 0.25, "unreadable": 1, "not_on_offer": 1, "failed": 1}
    assert result["accuracy"] == 0.25
    assert result["confusion"]["counts"][7][-1] == 3
    assert [Path(file).name for file in result["files"]] == ["report.md", "report.json", "confusion.png"]


def test_a_router_that_cannot_be_loaded_is_status_2(write: Write, capsys: Capture, parrot: Parrot) -> None:
    parrot.says = {"a": ConfigurationError("no checkpoint here")}
    assert main(["eval", str(write({"text": "a", "route": "other"}))]) == 2
    assert "no checkpoint here" in capsys.readouterr().err


@pytest.fixture
def many(write: Write) -> list[Item]:
    """A hundred live requests and two batches and a bit, each with a text of its own; all but some are translations."""
    lines = [{"text": f"request {n}", "route": "other" if n % 3 else "translation"} for n in range(230)]
    return read_items(write(*lines), POLICY.routes)


def test_after_the_first_hundred_a_router_is_asked_in_batches(many: list[Item]) -> None:
    choir = Choir({f"request {n}": "translation" for n in range(0, 230, 3)})
    outcomes = evaluate(choir, many, POLICY)
    assert (choir.one_by_one, choir.batches) == (100, [64, 64, 2])
    assert [turns[-1]["content"] for turns, _ in choir.asked] == [item.text for item in many], "each once, in its order"
    assert all(outcome.right for outcome in outcomes)
    assert [outcome.seconds is None for outcome in outcomes] == [False] * 100 + [True] * 130


def test_a_router_that_takes_one_at_a_time_is_timed_throughout(many: list[Item]) -> None:
    assert all(outcome.seconds is not None for outcome in evaluate(Parrot(), many, POLICY))


@pytest.mark.parametrize("fault", [RuntimeError("out of memory"), StopIteration()])
def test_a_batch_that_fails_is_asked_one_by_one(
    fault: Exception, many: list[Item], caplog: pytest.LogCaptureFixture
) -> None:
    choir = Choir({f"request {n}": "translation" for n in range(0, 230, 3)}, fault=fault, fails=1)
    choir.says["request 101"] = RuntimeError("on this one, also by itself")
    outcomes = evaluate(choir, many, POLICY)
    assert (choir.one_by_one, choir.batches) == (164, [64, 64, 2])
    assert [item.line for item, outcome in zip(many, outcomes, strict=True) if outcome.problem] == [102]
    assert [outcome.seconds is None for outcome in outcomes] == [False] * 164 + [True] * 66
    assert "lines 101 to 164" in caplog.text


def test_replies_that_are_too_few_are_no_replies(many: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    choir = Choir()
    monkeypatch.setattr(
        choir, "replies", lambda asked: [Reply('{"route": "translation"}')] * (len(asked) - 1), raising=False
    )
    assert {outcome.predicted for outcome in evaluate(choir, many, POLICY)} == {"other"}


def test_a_batch_in_which_the_router_cannot_be_loaded_ends_the_run(many: list[Item]) -> None:
    with pytest.raises(ConfigurationError, match="gone"):
        evaluate(Choir(fault=ConfigurationError("gone"), fails=1), many, POLICY)


def test_nothing_on_offer_in_a_batch_is_no_question(write: Write) -> None:
    texts = replace(POLICY, routes=POLICY.routes[:3])
    lines = [{"text": f"request {n}", "image": n % 2 == 1, "route": "other"} for n in range(110)]
    choir = Choir()
    outcomes = evaluate(choir, read_items(write(*lines), texts.routes), texts)
    assert choir.batches == [5]
    assert {outcome.predicted for outcome in outcomes} == {"other"}


def test_the_bar_moves_with_single_requests_and_with_batches(many: list[Item]) -> None:
    moved: list[int] = []
    evaluate(Choir(), many, POLICY, moved.append)
    assert moved == [*[1] * 100, 64, 64, 2]


def test_the_report_says_on_how_many_the_times_stand(
    many: list[Item], write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda _environment, token, learning: Choir())
    path = write(*({"text": item.text, "route": item.route} for item in many))
    assert main(["eval", str(path)]) == 0
    latency = "on 100 requests asked one by one; the other 130 were asked in batches"
    assert latency in capsys.readouterr().out
    assert latency in Path("outputs/eval/report.md").read_text()
    report = json.loads(Path("outputs/eval/report.json").read_text())
    assert report["timed"] == 100
    assert [item["replies"]["auto"]["ms"] is None for item in report["items"]] == [False] * 100 + [True] * 130
    assert main(["eval", str(path), "--limit", "100"]) == 0
    assert "in batches" not in capsys.readouterr().out


class Sometimes(SemanticRouter):
    """In the place of the embedded router: sure of short requests, and always for the same route."""

    def judge(self, asked: Any, lessons: Any = None) -> list[Judgement]:
        vector, probabilities = np.zeros(3, np.float32), RouteProbabilities((1.0,), 1.0)
        judgements: list[Judgement] = []
        for turns, _ in asked:
            confidence = 0.9 if len(turns[-1]["content"]) < 10 else 0.3
            judgements.append(Judgement("translation", confidence, None, None, vector, probabilities))
        return judgements

    def head(self, routes: Any, lessons: Any = None) -> Any:
        """Nothing is learned here."""


class Book:
    def read(self) -> Sequence[TeacherLabel]:
        return ()

    def add(self, lesson: TeacherLabel) -> None:
        """Keep nothing."""


def test_a_cascade_is_reported_by_who_decided(write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    large = Parrot({"write a long story": "creative_writing", "and now for something": RuntimeError("away")})
    cascade = CascadeRouter(Sometimes(), large, Book())
    monkeypatch.setattr("omni_router.services.router.choose_router", lambda _environment, token, learning: cascade)
    routes = {
        "to French": "translation",
        "to Greek": "translation",
        "hi": "casual_conversation",
        "write a long story": "creative_writing",
        "and now for something": "translation",
    }
    path = write(*({"text": text, "route": route} for text, route in routes.items()))
    assert main(["eval", str(path), "--json"]) == 0
    expected = {"semantic": {"n": 3, "accuracy": 2 / 3}, "large": {"n": 1, "accuracy": 1}}
    assert json.loads(capsys.readouterr().out)["decided"] == expected
    report = Path("outputs/eval/report.md").read_text()
    assert "| semantic | 60 % | 3 | 0.667 |\n| large | 20 % | 1 | 1.000 |\n" in report
    assert "did not reply to 1 request," in report
    assert main(["eval", str(path)]) == 0
    assert "decided by   semantic 60 % (right in 0.667), large 20 % (right in 1.000)" in capsys.readouterr().out


def test_a_router_without_tiers_has_no_column_for_who_decided(four: Path, capsys: Capture) -> None:
    assert main(["eval", str(four), "--json"]) == 0
    assert "decided" not in json.loads(capsys.readouterr().out)
    assert "Who decided" not in Path("outputs/eval/report.md").read_text()


def test_limit_spreads_over_the_file(write: Write) -> None:
    path = write(*({"text": f"request {n}", "route": "other"} for n in range(10)))
    assert [item.line for item in read_items(path, POLICY.routes, 5)] == [1, 3, 5, 7, 9]
    assert len(read_items(path, POLICY.routes, 50)) == 10


def test_compare_tells_flips_both_ways_and_what_is_noise(four: Path, parrot: Parrot, capsys: Capture) -> None:
    assert main(["eval", str(four), "--output-dir", "old"]) == 0
    parrot.says = {"hello": "translation", "sum up": "summarization", "to French": "translation"}
    capsys.readouterr()
    assert main(["eval", str(four), "--json", "--compare", "old/report.json"]) == 0
    [comparison] = json.loads(capsys.readouterr().out)["comparisons"]
    assert (comparison["before"], comparison["after"], comparison["n"]) == (0.75, 0.75, 4)
    assert (comparison["p_value"], comparison["noise"]) == (1.0, True)
    assert [(flip["line"], flip["before"], flip["after"]) for flip in comparison["gained"]] == [
        (2, "translation", "summarization")
    ]
    assert [flip["line"] for flip in comparison["lost"]] == [1]
    assert comparison["per_route"]["summarization"] == {"n": 1, "before": 0, "after": 1, "gained": 1, "lost": 0}
    assert main(["eval", str(four), "--compare", "old/report.json"]) == 0
    shown = capsys.readouterr().out
    assert 'now right: line 2, translation -> summarization: "sum up"' in shown
    assert "may well be noise" in shown
    assert "may well be noise" in Path("outputs/eval/report.md").read_text()


def test_compare_sees_what_is_no_noise(write: Write, parrot: Parrot, capsys: Capture) -> None:
    path = write(*({"text": f"request {n}", "route": "translation"} for n in range(6)))
    main(["eval", str(path), "--router", "arch", "--output-dir", "old"])
    parrot.says = {f"request {n}": "translation" for n in range(6)}
    capsys.readouterr()
    main(["eval", str(path), "--router", "semantic", "--json", "--compare", "old/report.json"])
    [comparison] = json.loads(capsys.readouterr().out)["comparisons"]
    assert (comparison["router"], comparison["old_router"]) == ("semantic", "arch")
    assert comparison["difference"] == 1
    assert comparison["p_value"] == 2 / 64
    assert not comparison["noise"]
    assert comparison["verdict"].startswith("better")


@pytest.mark.parametrize(
    "text", [None, "", "{}", '{"items": [], "routers": {}}', '{"items": [{}], "routers": {"a": 1}}']
)
def test_an_old_report_that_is_none_is_status_2(
    text: str | None, four: Path, parrot: Parrot, tmp_path: Path, capsys: Capture
) -> None:
    old = tmp_path / "old.json"
    if text is not None:
        old.write_text(text)
    assert main(["eval", str(four), "--compare", str(old)]) == 2
    assert str(old) in capsys.readouterr().err
    assert parrot.asked == [], "refused before anything slow"


def test_runs_on_other_data_are_not_compared(four: Path, write: Write, capsys: Capture) -> None:
    main(["eval", str(four), "--output-dir", "old"])
    other = write({"text": "something else", "route": "other"}, name="other.jsonl")
    assert main(["eval", str(other), "--compare", "old/report.json"]) == 2
    assert "same data" in capsys.readouterr().err


def test_without_matplotlib_the_report_comes_without_plots(
    four: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["eval", str(four)]) == 0
    monkeypatch.setattr("omni_router.evaluation.plots.find_spec", lambda _name: None)
    assert main(["eval", str(four)]) == 0
    assert 'pip install -e ".[eval]"' in capsys.readouterr().err
    assert sorted(path.name for path in Path("outputs/eval").iterdir()) == ["report.json", "report.md"]
    assert "png" not in Path("outputs/eval/report.md").read_text()


def test_a_policy_or_folder_that_cannot_be_used_is_status_2(four: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["eval", str(four), "--route-config", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err
    (tmp_path / "empty.json").write_text("[]")
    assert main(["eval", str(four), "--policy", "empty.json"]) == 2
    (tmp_path / "a-file").write_text("")
    assert main(["eval", str(four), "--output-dir", "a-file"]) == 2
    assert "--output-dir" in capsys.readouterr().err


def test_notes_tell_what_flatters_or_harms_the_figures(write: Write, parrot: Parrot, capsys: Capture) -> None:
    path = write(
        {"text": POLICY.routes[0].examples[0].upper(), "route": "casual_conversation"},
        {"text": "translate the sign", "image": True, "route": "translation"},
        {"text": "what is on it?", "route": "image_understanding"},
    )
    main(["eval", str(path), "--json"])
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert ["examples" in note or "not offered" in note or "without an image" in note for note in notes] == [True] * 3


@pytest.mark.usefixtures("semantic")
def test_real_semantic_router_on_the_smoke_data(capsys: Capture) -> None:
    assert main(["eval", str(SMOKE), "--router", "semantic", "--json", "--min-accuracy", "0.75"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n"] == 100
    assert result["contract"]["valid"] == 1
    assert result["ci95"][0] < result["accuracy"] < result["ci95"][1]
    assert result["ece"] < 0.2
    assert len(result["files"]) == 5


def test_real_semantic_router_says_the_same_in_batches(
    semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = read_items(SMOKE, POLICY.routes)
    alone = evaluate(semantic, items, POLICY)
    monkeypatch.setattr("omni_router.evaluation.run.LIVE", 1)
    together = evaluate(semantic, items, POLICY)
    assert [outcome.seconds is None for outcome in together] == [False] + [True] * 99
    assert [outcome.predicted for outcome in together] == [outcome.predicted for outcome in alone]
    sure = [outcome.confidence or 0.0 for outcome in alone]
    assert [outcome.confidence for outcome in together] == pytest.approx(sure, abs=0.02)  # eight bits


def test_it_runs_without_langgraph(write: Write) -> None:
    path = write({"text": "hello there", "route": "casual_conversation"})
    code = (
        "import sys; from omni_router.cli import main; "
        f"status = main(['eval', {str(path)!r}, '--router', 'semantic', '--json']); "
        "raise SystemExit(status or 'langgraph' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
