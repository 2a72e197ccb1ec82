"""The plot of what is served for a route."""

import importlib.util
from pathlib import Path

import pytest

from omni_router._sandbox import Sandbox
from omni_router.cli import main
from omni_router.evaluation import served_plot
from omni_router.evaluation.served_plot import ServedModel, draw_served

NEEDS_MATPLOTLIB = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="without matplotlib")
MODELS = [
    ServedModel("acme/chosen", 0.84, 1.0),
    ServedModel("acme/dear", 0.86, 2.6),
    ServedModel("acme/cheap", 0.7, 0.1),
    ServedModel("acme/free", 0.6, 0.0),
    ServedModel("acme/beaten", 0.65, 0.5),
    ServedModel("acme/unknown-price", 0.8, None),
]


def texts(path: Path) -> str:
    """Return an SVG, in which matplotlib leaves each text as a comment."""
    return path.read_text()


@NEEDS_MATPLOTLIB
def test_the_plot_names_the_models_the_chosen_one_and_the_frontier(tmp_path: Path) -> None:
    path = tmp_path / "served.svg"
    assert draw_served("Quality against price: route chat", MODELS, path)
    svg = texts(path)
    for text in ("chosen: acme/chosen", "frontier", "Quality against price: route chat", "US dollars for a million"):
        assert text in svg
    for name in ("chosen", "dear", "cheap", "free", "beaten"):
        assert f"<!-- {name} -->" in svg
    assert "<!-- unknown-price -->" not in svg
    assert "not shown, as the price is not known: 1" in svg


@NEEDS_MATPLOTLIB
def test_names_that_would_cover_each_other_are_left_out(tmp_path: Path) -> None:
    crowd = [ServedModel(f"acme/a-long-name-of-number-{n}", 0.8 + n / 1e5, 1 + n / 1e5) for n in range(13)]
    crowd.append(ServedModel("acme/far", 0.2, 10.0))
    path = tmp_path / "served.svg"
    assert draw_served("a crowd", crowd, path)
    named = texts(path).count("<!-- a-long-name-of-number-")
    assert 1 <= named <= 6


def test_without_matplotlib_there_is_no_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_plot, "find_spec", lambda _: None)
    assert not draw_served("x", MODELS, tmp_path / "served.png")


# ---- on the command line


@pytest.fixture
def known(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.list_more()
    monkeypatch.setenv("OMNI_EVIDENCE", "on")


@NEEDS_MATPLOTLIB
@pytest.mark.usefixtures("known")
def test_the_command_line_draws_a_route(tmp_path: Path) -> None:
    path = tmp_path / "new" / "served.svg"
    assert main(["--list-models", "code_generation", "--plot", str(path)]) == 0
    assert "chosen: sandbox/text-generation-2" in texts(path)
    assert main(["--list-models", "code_generation", "--prefer", "0.2", "--plot", str(path)]) == 0
    assert "chosen: sandbox/text-generation-11" in texts(path)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--list-models", "text-generation", "--plot", "x.png"], "--plot needs a route, such as "),
        (["--list-models", "image_generation", "--plot", "x.png"], "x.png: nothing to draw: quality and price"),
        (["--list-models", "code_generation", "--plot", "x.gif"], "must end in .png, .svg or .pdf"),
        (["--prompt", "hello", "--plot", "x.png"], "--plot needs --list-models"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(
    argv: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.usefixtures("known")
def test_without_matplotlib_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_plot, "find_spec", lambda _: None)
    assert main(["--list-models", "code_generation", "--plot", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert "--plot needs matplotlib" in error
    assert "[eval]" in error
