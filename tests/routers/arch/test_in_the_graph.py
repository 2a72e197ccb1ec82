"""A real local checkpoint, tiny but trained, as the router of the whole graph and of the command line."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omni_router import _sandbox
from omni_router.cli import main
from omni_router.history.label_file import FileLabelStore
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from tests.support.tiny_checkpoint import TINY_PAIRS, TINY_ROUTES, build_tiny_checkpoint

# What is offered for a prompt without a picture, with the candidates that the sandbox's catalog lists.
OFFERED = [
    replace(route, candidates=tuple(f"{route.candidates[0][:-1]}{n}" for n in (1, 2, 3))) for route in TINY_ROUTES[:3]
]
PAIRS = {prompt: answer for prompt, answer in TINY_PAIRS.items() if answer[0] != "image_understanding"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_checkpoint(tmp_path_factory.mktemp("tiny-in-the-graph"), OFFERED, PAIRS)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps([{"name": route.name, "description": route.description} for route in TINY_ROUTES]))
    return path


@pytest.fixture(autouse=True)
def leave_the_sandbox() -> Iterator[None]:
    yield
    while _sandbox.active():
        _sandbox.uninstall()


def test_prompts_are_routed_by_the_checkpoint_and_answered(
    checkpoint: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prompt, (route, model, _) in list(PAIRS.items())[:7:3]:
        flags = ["--router", "arch", "--router-model", str(checkpoint), "--route-config", str(policy), "--sandbox"]
        assert main(["--prompt", prompt, *flags, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["route"], result["model"]) == (route, model)
        assert "% sure" in result["reason"]
        assert result["confidence"] > 0.5
        assert result["source"] == "router"
        assert result["error"] is None


def test_what_no_route_fits_is_explained(checkpoint: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--router", "arch", "--router-model", str(checkpoint), "--route-config", str(policy), "--sandbox"]
    assert main(["--prompt", "qwerty asdf zxcv", *flags, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["error"]["kind"] == "no_route"


@pytest.mark.parametrize("flags", [("--router", "arch"), ("--router", "auto", "--router-model", "CHECKPOINT")])
@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_extra_a_checkpoint_that_is_asked_for_names_the_command(
    flags: tuple[str, ...],
    package: str,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr("omni_router.services.router._arch", {})  # no checkpoint is loaded yet
    named = [flag.replace("CHECKPOINT", str(checkpoint)) for flag in flags]
    assert main(["--prompt", "Hello!", *named, "--sandbox"]) == 2
    error = capsys.readouterr().err
    assert f"a local router checkpoint needs {package}, which is not installed" in error
    assert 'pip install -e ".[arch]"' in error


@pytest.mark.parametrize("router", ["cascade", "auto"])
def test_the_cascade_asks_the_checkpoint_and_keeps_what_it_says(
    router: str, checkpoint: Path, policy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_router.services.router.ARCH_ROUTER", str(checkpoint))
    monkeypatch.setattr("omni_router.services.router.pick_device", lambda: "cuda")
    monkeypatch.setenv("OMNI_CASCADE_TARGET", "1")
    pairs = dict(list(PAIRS.items())[:7:3])
    for prompt, (route, model, _) in pairs.items():
        flags = ["--router", router, "--route-config", str(policy), "--sandbox", "--json"]
        assert main(["--prompt", prompt, *flags]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["route"], result["model"], result["source"]) == (route, model, "router")
    student = MultilingualRouter()
    labels = FileLabelStore(policy.with_name(f".{policy.name}.lessons"), lambda: student.encoder_name).read() or ()
    assert [label.route for label in labels] == [route for route, _, _ in pairs.values()]
    assert [label.text for label in labels] == [None] * len(pairs)
