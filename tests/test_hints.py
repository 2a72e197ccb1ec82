"""Hints in the words of who reads them: each surface names the knobs that its reader has."""

import json
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.error_kinds import GATES_OF_CALLERS
from omni_router.errors import BUDGET, GATES, ErrorKind, for_audience, hint_for
from omni_router.hints import COMMAND, HTTP, PYTHON, SERVER, Audience
from omni_router.run_result import RunResult
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

CAUSES = ("", BUDGET, GATES, *GATES_OF_CALLERS)  # with words of their own
ROUTE = "question_answering"
FLAGS_AND_FILES = ("--", "route_config.json", "Settings")


@pytest.mark.parametrize("kind", get_args(ErrorKind))
@pytest.mark.parametrize("audience", [HTTP, SERVER])
@pytest.mark.parametrize("cause", CAUSES)
def test_a_reader_of_a_server_sees_no_flag_file_or_class(kind: ErrorKind, audience: Audience, cause: str) -> None:
    hint = hint_for(kind, audience, cause)
    assert [word for word in FLAGS_AND_FILES if word in hint] == []
    assert "{" not in hint


@pytest.mark.parametrize("kind", get_args(ErrorKind))
@pytest.mark.parametrize("cause", CAUSES)
def test_a_reader_of_python_sees_no_flag_and_one_of_the_command_no_class(kind: ErrorKind, cause: str) -> None:
    assert "--" not in hint_for(kind, PYTHON, cause)
    assert "Settings" not in hint_for(kind, COMMAND, cause)


@pytest.mark.parametrize("field", [field.name for field in fields(Audience)])
def test_every_phrase_is_used(field: str) -> None:
    hints = [hint_for(kind, COMMAND, cause) for kind in get_args(ErrorKind) for cause in CAUSES]
    assert any(getattr(COMMAND, field) in hint for hint in hints)


def test_the_command_names_the_file_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        {"name": "code", "description": "about code", "examples": ["sort a list in Go", "write a unit test"]},
        {"name": "other", "examples": ["book a table for two", "turn off the lights", "call a taxi"]},
    ]
    Path("routes.json").write_text(json.dumps(entries))
    args = ["--route-config", "routes.json", "--router", "semantic", "--sandbox", "--fallback-route", "none"]
    assert main(["--prompt", "book a table for two", *args]) == 1
    printed = capsys.readouterr().out
    text = " ".join(printed.split())
    assert "routes.json, or name a route that answers such requests (--fallback-route ROUTE)" in text
    assert main(["--prompt", "book a table for two", "--json", *args]) == 1
    assert "routes.json" in json.loads(capsys.readouterr().out)["error"]["hint"]


def test_the_explanation_has_the_words_of_the_summary(services: Services, router: ScriptedRouter) -> None:
    router.says = '{"route": "other"}'
    result = build_graph(services).compile().invoke(ask("hm"), context=Settings(fallback_route="none"))
    shared = RunResult.from_state(result).redact_paths().for_audience(SERVER)
    assert "Settings" in result["messages"][-1].text
    assert shared.text(result) == (
        "No route of the policy fits this request. Put it in other words, describe a route for it in the server's "
        "policy, or set OMNI_FALLBACK_ROUTE on the server."
    )


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            Settings(route=ROUTE, only=("nobody/*",)),
            "`only` and `never` allow no known provider of any of ",
            "Change `omni_only`",
        ),
        (Settings(route=ROUTE, max_price=0.001), "No provider of any of ", "Raise `omni_max_price`"),
        (Settings(route=ROUTE, max_new_tokens=10**8), "The conversation is too long for any of ", "lower `max_tokens`"),
    ],
)
def test_an_error_at_a_gate_says_which_one_and_what_to_change(
    settings: Settings, message: str, hint: str, services: Services, sandbox: Sandbox
) -> None:
    result = build_graph(services).compile().invoke(ask("Why is the sky blue?"), context=settings)
    error = for_audience(result["error"], HTTP)
    assert error["message"].startswith(message)
    assert hint in error["hint"]
    assert "HF_TOKEN" not in error["hint"]
    assert [record for record in sandbox.requests if record.method == "POST"] == []
