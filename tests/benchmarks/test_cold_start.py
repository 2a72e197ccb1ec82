"""The benchmark of whole processes measures what it names, and says which limits are kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cold_start import ALONE, LIST, OURS, ROOT, Contestant, Cost, earlier_version, llm_tool, measure, verdict

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has another unit elsewhere")

MIB = 2**20
MEASURE = f"""
import sys
from pathlib import Path
from benchmarks.cold_start import Contestant
for code in ("pass", "b'x' * {200 * MIB}"):
    print(Contestant("", [sys.executable, "-c", code]).run(Path.cwd()).memory)
"""
# Stands for the tool: it reads the address in its folder, asks, and fails unless there is an answer.
TOOL = """#!{python}
import json, os, pathlib, sys, urllib.request
[model] = json.loads((pathlib.Path(os.environ["LLM_USER_PATH"]) / "extra-openai-models.yaml").read_text())
assert model["model_id"] == sys.argv[sys.argv.index("-m") + 1]
body = json.dumps({{"model": model["model_name"], "messages": []}}).encode()
with urllib.request.urlopen(model["api_base"] + "/chat/completions", body) as answer:
    print(json.load(answer)["choices"][0]["message"]["content"])
"""


def test_a_process_is_measured_by_itself(tmp_path: Path) -> None:
    # Linux counts what the parent had at the fork, too, and pytest is larger than a process that measures.
    output = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    idle, busy = map(int, output.split())
    assert idle < 50 * MIB
    assert 200 * MIB < busy < 250 * MIB
    assert Contestant("idle", [sys.executable, "-c", "pass"]).run(tmp_path).cpu > 0


def test_a_process_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        Contestant("fails", [sys.executable, "-c", "raise SystemExit(3)"]).run(tmp_path)


def test_bytecode_is_used_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "imported.py").write_text("")
    Contestant("imports", [sys.executable, "-c", "import imported"], {"PYTHONPATH": str(tmp_path)}).run(tmp_path)
    assert list((tmp_path / "__pycache__").glob("imported.*.pyc"))


@pytest.mark.enable_socket
def test_the_tool_is_answered_by_a_server_of_this_process(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text(TOOL.format(python=sys.executable))
    program.chmod(0o700)
    with llm_tool(program, tmp_path) as tool:
        assert tool.run(tmp_path).wall > 0


def test_another_version_is_a_checkout_or_a_python(tmp_path: Path) -> None:
    checkout = earlier_version(tmp_path, tmp_path)
    assert (checkout.command[0], checkout.variables["PYTHONPATH"]) == (sys.executable, str(tmp_path))
    environment = earlier_version(Path(sys.executable), tmp_path)
    assert (environment.command[0], "PYTHONPATH" in environment.variables) == (sys.executable, False)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (Cost(1.9, 1, 249 * MIB), "yes yes yes"),
        (Cost(2.1, 1, 249 * MIB), "no yes yes"),
        (Cost(1.0, 1, 251 * MIB), "yes no yes"),
    ],
)
def test_the_limits_are_compared_with_what_was_measured(ours: Cost, said: str) -> None:
    costs = {ALONE: Cost(1, 1, 80 * MIB), OURS: ours, LIST: Cost(0.3, 0.2, 20 * MIB)}
    text = verdict([Contestant(name, [], {}, [cost] * 3) for name, cost in costs.items()])
    assert " ".join(part.rpartition(" ")[2] for part in text.split("; ")) == said


def test_a_section_says_what_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contestant, "run", lambda *_: Cost(1.0, 0.5, MIB))
    section = measure(2, before=None, llm=None)
    assert "`--llm PATH` names it" in section
    assert OURS in section
