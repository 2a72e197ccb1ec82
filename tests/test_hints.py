"""Hints in the words of who reads them: each surface names the knobs that its reader has."""

import json
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from omni_router import Services, Settings, build_graph
from omni_router.cli import main
from omni_router.errors import BUDGET, ErrorKind, hint_for
from omni_router.hints import COMMAND, HTTP, PYTHON, SERVER, Audience
from omni_router.run_result import RunResult
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

FLAGS_AND_FILES = ("--", "route_config.json", "Settings")


@pytest.mark.parametrize("kind", get_args(ErrorKind))
@pytest.mark.parametrize("audience", [HTTP, SERVER])
def test_a_reader_of_a_server_sees_no_flag_file_or_class(kind: ErrorKind, audience: Audience) -> None:
    hint = hint_for(kind, audience)
    assert [word for word in FLAGS_AND_FILES if word in hint] == []
    assert "{" not in hint


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_a_reader_of_python_sees_no_flag_and_one_of_the_command_no_class(kind: ErrorKind) -> None:
    assert "--" not in hint_for(kind, PYTHON)
    assert "Settings" not in hint_for(kind, COMMAND)


@pytest.mark.parametrize("field", [field.name for field in fields(Audience)])
def test_every_phrase_is_used(field: str) -> None:
    hints = [hint_for(kind, COMMAND, cause) for kind in get_args(ErrorKind) for cause in ("", BUDGET)]
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
