"""docs/draw_layers.py reads the imports of the package, and its pictures are those of today's code."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "draw_layers.py"


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_layers", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "draw_layers", module)
    spec.loader.exec_module(module)
    return module


def write_package(folder: Path, **files: str) -> Path:
    """Write a package `omni_router` whose files are named with two underscores for a slash."""
    package = folder / "omni_router"
    for name, text in {"__init__": "", **files}.items():
        path = package / ("__init__.py" if name == "__init__" else f"{name.replace('__', '/')}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_every_form_of_import_is_an_arrow(layers: ModuleType, tmp_path: Path) -> None:
    package = write_package(
        tmp_path,
        __init__="from omni_router.graph import build_graph",
        state="",
        hub__client="def call() -> None:\n    from omni_router.state import Decision\n",
        graph="import omni_router.hub.client\nfrom omni_router import state",
        cli__main="from omni_router import build_graph",
    )
    imports = layers.read_imports(package)
    assert imports.boxes == ["cli", "graph", "hub", "state"]
    assert set(imports.arrows) == {("hub", "state"), ("graph", "hub"), ("graph", "state"), ("cli", "graph")}
    assert (imports.upward(), imports.two_way(), imports.circles()) == ([], [], [])


def test_upward_arrows_and_circles_are_named_and_drawn_in_red(layers: ModuleType, tmp_path: Path) -> None:
    package = write_package(
        tmp_path,
        hub="from omni_router.graph import build_graph",
        graph="from omni_router.services import Services",
        services="from omni_router.hub import client",
    )
    imports = layers.read_imports(package)
    assert imports.upward() == [("hub", "graph")]
    assert imports.circles() == [["graph", "hub", "services"]]
    assert layers.draw_layers(imports).count('class="upward"') == 1
    assert layers.draw_imports(imports).count('class="wrong"') == 1


def test_an_arrow_that_others_imply_is_not_drawn(layers: ModuleType, tmp_path: Path) -> None:
    package = write_package(
        tmp_path,
        hub="",
        services="from omni_router import hub",
        graph="from omni_router import hub, services",
    )
    assert layers.drawn_arrows(layers.read_imports(package)) == [("graph", "services"), ("services", "hub")]


def test_every_box_has_its_place_in_the_layers(layers: ModuleType) -> None:
    assert layers.read_imports(layers.PACKAGE).unplaced() == []


def test_a_box_without_a_place_is_named(layers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_package(tmp_path, state="", utils="from omni_router import state")
    monkeypatch.setattr(layers, "PACKAGE", package)
    with pytest.raises(SystemExit, match="give these a place in LAYERS: utils"):
        layers.main([])


def test_the_pictures_are_up_to_date(layers: ModuleType) -> None:
    imports = layers.read_imports(layers.PACKAGE)
    again = "python docs/draw_layers.py draws it again"
    assert layers.LAYERS_SVG.read_text() == layers.draw_layers(imports), again
    assert layers.IMPORTS_SVG.read_text() == layers.draw_imports(imports), again
