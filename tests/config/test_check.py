"""`--check`, on the sandbox and with the real encoder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.config.routes import DEFAULT_POLICY, Route, parse_document
from omni_router.errors import ConfigurationError
from omni_router.evaluation.policy_overlap import PHRASE, WHOLE, overlaps
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder

TEXT1, TEXT2 = "sandbox/text-generation-1", "sandbox/text-generation-2"

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
Write = Callable[..., Path]
Report = list[dict[str, Any]]

COOKING: dict[str, Any] = {
    "name": "cooking",
    "description": "recipes, meal plans and cooking tips",
    "task": "text-generation",
    "examples": ["How long do I boil an egg?"],
}
SPACE: dict[str, Any] = {
    "name": "space",
    "description": "planets, stars and rockets",
    "task": "text-generation",
    "examples": ["How far away is Mars?"],
}


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(autouse=True)
def loaded_once(encoder: SentenceEncoder, monkeypatch: Patch) -> None:
    monkeypatch.setattr("omni_router.cli.check.SentenceEncoder", lambda: encoder)


@pytest.fixture
def report(route_config: Path, sandbox: Sandbox, capsys: Capture) -> Callable[..., Report]:
    """Check a policy of these entries, and give the findings."""

    def run(*entries: dict[str, Any], status: int) -> Report:
        route_config.write_text(json.dumps(entries))
        assert main(["--check", "--json", "--route-config", str(route_config)]) == status
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, list)
        return found

    return run


def test_the_packaged_policy_is_well(sandbox: Sandbox, capsys: Capture) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == f"No problems found in {DEFAULT_POLICY}: 10 routes, 0 models\n"
    assert main(["--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_broken_file_is_reported_as_everywhere(sandbox: Sandbox, route_config: Path, capsys: Capture) -> None:
    route_config.write_text("[{]")
    assert main(["--check", "--route-config", str(route_config)]) == 2
    assert f"{route_config}:1: not JSON" in capsys.readouterr().err


# ---- what routes lack


def test_a_route_of_text_has_to_name_its_task_and_have_examples(report: Callable[..., Report]) -> None:
    bare = {"name": "cooking", "description": "recipes"}
    found = report(bare, status=1)
    assert [(f["level"], f["route"]) for f in found] == [("problem", "cooking")] * 2
    assert "text-generation is assumed" in found[0]["finding"]
    assert '"examples"' in found[1]["hint"]
    assert list(found[0]) == ["level", "route", "model", "finding", "hint"]


def test_the_routes_of_pictures_need_neither(report: Callable[..., Report]) -> None:
    making = {"name": "Image_Generation", "description": "drawings made to order"}
    seeing = {"name": "image_understanding", "description": "questions about a photo"}
    found = report(making, seeing, status=0)
    assert [(f["level"], f["finding"]) for f in found] == [("note", "it has no examples")] * 2


def test_examples_learnt_from_verdicts_count(report: Callable[..., Report]) -> None:
    assert report({**COOKING, "examples": [], "learned": ["How do I fry an egg?"]}, status=0) == []


def test_what_the_file_itself_warns_of_is_reported(report: Callable[..., Report]) -> None:
    found = report(COOKING, {"name": "x", "task": "text-to-music", "description": "songs"}, status=1)
    assert [f["level"] for f in found] == ["problem"]
    assert "text-to-music" in found[0]["finding"]


def test_a_file_of_examples_that_cannot_be_read_is_a_problem(report: Callable[..., Report], tmp_path: Path) -> None:
    found = report(COOKING, {**SPACE, "examples_file": "space.txt"}, status=1)
    assert [f["level"] for f in found] == ["problem"]
    for part in ("route 'space'", f"{tmp_path / 'space.txt'} cannot be read", "builtin:casual_conversation"):
        assert part in found[0]["finding"]
    found = report({**SPACE, "examples": [], "examples_file": "builtin:spaec"}, status=1)
    assert ["builtin:spaec" in f["finding"] for f in found] == [True, False]
    assert '"examples_file"' in found[1]["hint"]


def test_examples_of_a_file_are_compared_like_any_others(report: Callable[..., Report], tmp_path: Path) -> None:
    (tmp_path / "space.txt").write_text("How far away is Mars?\nhow long do I boil an egg?\n")
    space = {key: value for key, value in SPACE.items() if key != "examples"}
    [found] = report(COOKING, {**space, "examples_file": "space.txt"}, status=1)
    assert "route space has the same example" in found["finding"]


def test_a_policy_without_routes_is_a_problem(report: Callable[..., Report]) -> None:
    [found] = report({"name": "other", "description": "the rest"}, status=1)
    assert "no route" in found["finding"]


# ---- overlaps


def test_descriptions_that_say_the_same_are_reported_with_the_phrases(report: Callable[..., Report]) -> None:
    twin = {**SPACE, "name": "kitchen", "description": "wine; cooking recipes"}
    [found] = report(COOKING, twin, status=1)
    assert found["route"] == "cooking"
    assert "very similar to that of kitchen" in found["finding"]
    assert '"cooking recipes"' in found["finding"]


def test_the_same_example_in_two_routes_is_reported(report: Callable[..., Report]) -> None:
    [found] = report(COOKING, {**SPACE, "examples": ["how long do i boil an egg?"]}, status=1)
    assert "route space has the same example" in found["finding"]


def test_an_encoder_that_cannot_be_loaded_is_a_note(report: Callable[..., Report], monkeypatch: Patch) -> None:
    class Missing:
        def encode(self, _texts: Any) -> Any:
            raise ConfigurationError("Install it.")

    monkeypatch.setattr("omni_router.cli.check.SentenceEncoder", Missing)
    [found] = report(COOKING, SPACE, status=0)
    assert (found["level"], found["hint"]) == ("note", "Install it")


ALIKE = [
    ("writing new code, functions and scripts", "programming: implementing functions, classes and scripts"),
    ("legal questions about contracts", "contract law advice; reading contracts and agreements"),
    ("SQL queries and databases", "writing database queries in SQL; schema design"),
    ("customer complaints; refunds; orders that went missing", "refund requests; lost orders; angry customers"),
    ("poems and stories", "creative writing: fiction, poetry and lyrics"),
    ("writing emails", "drafting e-mails and letters"),
]
APART = [
    ("writing Python code", "writing Java code"),
    ("billing: invoices and payments", "technical support: errors and outages"),
    ("cooking recipes", "restaurant tips"),
    ("physics problems", "chemistry questions"),
    ("stock market and investing", "household budgets and saving"),
]


@pytest.mark.parametrize(("one", "other", "expected"), [*((*p, 1) for p in ALIKE), *((*p, 0) for p in APART)])
def test_the_numbers_tell_the_same_from_neighbours(
    one: str, other: str, expected: int, encoder: SentenceEncoder
) -> None:
    routes = [Route("one", "text-generation", one), Route("other", "text-generation", other)]
    assert len(overlaps(routes, encoder)) == expected


def test_the_packaged_policy_stays_clear_of_the_numbers(encoder: SentenceEncoder, monkeypatch: Patch) -> None:
    routes = parse_document(DEFAULT_POLICY.read_text(), DEFAULT_POLICY).routes
    monkeypatch.setattr("omni_router.evaluation.policy_overlap.WHOLE", WHOLE - 0.08)
    monkeypatch.setattr("omni_router.evaluation.policy_overlap.PHRASE", PHRASE - 0.08)
    assert overlaps(routes, encoder) == []


# ---- models


def test_models_that_cannot_be_called_are_problems(report: Callable[..., Report], sandbox: Sandbox) -> None:
    sandbox.gate(TEXT2)
    models = [TEXT1, "acme/gone", "sandbox/text-generation-9", "sandbox/text-to-image-1", TEXT2, f"{TEXT1}:novita"]
    found = report({**COOKING, "models": models}, status=1)
    assert {f["level"] for f in found} == {"problem"}
    assert [(f["model"], f["finding"].partition(":")[0].partition(",")[0]) for f in found] == [
        ("acme/gone", "not on the Hub"),
        ("sandbox/text-generation-9", "no inference provider serves it for text-generation"),
        ("sandbox/text-to-image-1", "no inference provider serves it for text-generation"),
        (TEXT2, "gated"),
        (TEXT1, "novita does not serve it for text-generation; together"),
    ]


def test_a_renamed_model_is_a_note_with_its_new_id(report: Callable[..., Report], sandbox: Sandbox) -> None:
    sandbox.set_mapping("acme/old", ["novita"], "text-generation")
    sandbox.rename("acme/old", "acme/new")
    [found] = report({**COOKING, "models": ["acme/old"]}, status=0)
    assert (found["level"], found["model"], found["finding"]) == ("note", "acme/old", "it is now called acme/new")


def test_a_hub_out_of_reach_is_one_note(report: Callable[..., Report], sandbox: Sandbox) -> None:
    sandbox.fail("hub_503", times=50)
    [found] = report({**COOKING, "models": [f"acme/m{number}" for number in range(30)]}, status=0)
    assert found["level"] == "note"
    assert found["finding"].startswith("30 of 30 models could not be looked up")


def test_a_model_never_used_is_a_note_once_the_route_was(report: Callable[..., Report]) -> None:
    assert report({**COOKING, "models": [TEXT1, TEXT2]}, status=0) == []
    used = {"id": TEXT1, "uses": 2, "successes": 2, "last_used": "2026-01-01T00:00:00Z"}
    [found] = report({**COOKING, "models": [used, TEXT2]}, status=0)
    assert (found["level"], found["model"]) == ("note", TEXT2)


# ---- how it is shown


def test_people_see_a_line_for_each_finding_and_a_count(sandbox: Sandbox, route_config: Path, capsys: Capture) -> None:
    used = {"id": TEXT1, "uses": 2, "last_used": "2026-01-01T00:00:00Z"}
    route_config.write_text(json.dumps([{**COOKING, "models": [used, TEXT2, "acme/gone"]}]))
    assert main(["--check", "--route-config", str(route_config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "problem  route cooking acme/gone: not on the Hub, or not visible to this token. "
        "Remove it, or name another model."
    )
    assert lines[1].startswith(f"note     route cooking {TEXT2}: never used")
    assert lines[-1] == f"1 problem, 2 notes in {route_config}: 1 route, 3 models"


@pytest.mark.parametrize("terminal", [True, False])
def test_many_models_are_counted_on_a_terminal(
    terminal: bool,  # noqa: FBT001 (pytest gives it)
    report: Callable[..., Report],
    capsys: Capture,
    monkeypatch: Patch,
) -> None:
    shown: list[bool] = []

    def bar(each: Any, what: str, *_: object, disable: bool = False, **__: object) -> Any:
        if what == "models":  # not the encoder's own bar
            shown.append(not disable)
        return each

    monkeypatch.setattr("rich.progress.track", bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    report({**COOKING, "models": [f"acme/m{number}" for number in range(30)]}, status=1)
    report({**COOKING, "models": [TEXT1]}, status=0)
    assert shown == [terminal, False]


# ---- parameters of a route


def test_parameters_that_are_wrong_are_problems(report: Callable[..., Report]) -> None:
    found = report({**COOKING, "prefer": "cheap", "max_prize": 2}, status=1)
    assert [f["level"] for f in found] == ["problem", "problem"]
    assert "'cheap' is not one of best, balanced, cheapest, fastest, or a number" in found[0]["finding"]
    assert '"max_prize" of route \'cooking\' has no effect; "max_price" was probably meant' in found[1]["finding"]


def test_patterns_that_match_nothing_are_noted(report: Callable[..., Report]) -> None:
    general = {"name": "*", "only": ["SANDBOX/*", "acmee/*"]}
    found = report(
        general, {**COOKING, "never": ["*:groqq", "sandbox/text-generation-2", TEXT1 + ":nowhere"]}, status=0
    )
    assert {(f["level"], f["route"]) for f in found} == {("note", "cooking")}
    assert [f["finding"].split("'")[1] for f in found] == ["acmee/*", "*:groqq", TEXT1 + ":nowhere"]
    assert "--list-models cooking" in found[0]["hint"]


def test_models_that_the_limits_of_their_route_exclude_are_problems(report: Callable[..., Report]) -> None:
    models = [{"id": TEXT1}, {"id": TEXT2}]
    cheap = {**COOKING, "models": models, "max_price": 0.5}
    never = {**SPACE, "models": models, "never": [TEXT1]}
    found = [finding for finding in report(cheap, never, status=1) if finding["level"] == "problem"]
    assert [(finding["route"], finding["model"], finding["finding"].partition(":")[0]) for finding in found] == [
        ("cooking", TEXT2, "price"),
        ("space", TEXT1, "allowed"),
    ]
    assert found[0]["hint"].startswith("Remove it, or change the limits")


def test_a_limit_that_cannot_be_read_is_one_problem(report: Callable[..., Report]) -> None:
    broken = {**COOKING, "models": [{"id": TEXT1}], "max_price": "cheap"}
    [finding] = report(broken, SPACE, status=1)
    assert '"max_price" of route' in finding["finding"]
