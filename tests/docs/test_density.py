""".ci/density.py counts what it says that it counts."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "density.py"

SAMPLE = '''"""A module.

With a docstring of three lines.
"""

# a comment


def double(values: list[int]) -> list[int]:
    """Return twice as much."""
    text = """two
    lines"""
    return [2 * value for value in values] if text else []
'''


@pytest.fixture
def density(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("density", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "density", module)
    spec.loader.exec_module(module)
    return module


def test_docstrings_comments_and_blank_lines_are_not_code(density: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE)
    report = density.read_report(path)
    assert (report.lines, report.code_lines) == (13, 4)
    assert (report.conditionals, report.comprehensions) == (1, 1)
    assert report.functions == [("9 double()", 4)]


def test_dense_code_fails_with_the_figure_and_the_limit(
    density: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sample.py").write_text(SAMPLE)
    assert density.main(tmp_path) == 1
    assert "FAILED: 250.0 conditionals per 1,000 code lines, at most 15" in capsys.readouterr().out


def test_long_files_and_long_functions_fail_by_name(
    density: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.py").write_text("x = 1\n" * density.MAX_FILE_LINES + "y = 2\n")
    (tmp_path / "function.py").write_text("def f() -> None:\n" + "    print()\n" * density.MAX_FUNCTION_LINES)
    assert density.main(tmp_path) == 1
    printed = capsys.readouterr().out
    assert f"FAILED: {tmp_path}/long.py: 251 lines" in printed
    assert f"FAILED: {tmp_path}/function.py:1 f(): 31 code lines" in printed


def test_plain_code_within_the_limits_passes(density: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("x = 1\n" * density.MAX_FILE_LINES)
    assert density.main(tmp_path) == 0
