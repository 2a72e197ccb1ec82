"""What is shipped: the public surface, the README's code, and a wheel without any specialist's id."""

import ast
import contextlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import tomllib

import omni_router
from omni_router._sandbox.boards import BOARDS
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.model_id import is_model_id
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.routers.semantic.shipped_vectors import FOLDER

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

# The router's checkpoint and the encoder may be named; mime types only look like ids.
NAMED = {"katanemo/Arch-Router-1.5B", "sentence-transformers/all-MiniLM-L6-v2"}
BENCHMARKS = {  # datasets, whose ids look like those of models
    *BOARDS,
    *("lmarena-ai/leaderboard-dataset", "MathArena/hmmt_feb_2026"),
    *("ScaleAI/SWE-bench_Pro", "SWE-bench/SWE-bench_Multilingual"),
}
NO_IDS = ("sandbox/", "tokens/", "image/", "application/", "text/", "api/", "resources/")
MAKERS = r"(meta-llama|mistralai|qwen|google|black-forest-labs|stabilityai|deepseek-ai|openai|microsoft|zai-org)/\w"


def test_public_surface_is_what_the_package_promises() -> None:
    assert sorted(omni_router.__all__) == [
        *("ChatOmni", "Decision", "OmniDecisions", "Services", "Settings", "__version__", "build_graph", "errors"),
        *("give_feedback", "omni_tool", "sandbox", "user_message"),
    ]
    for name in omni_router.__all__:
        assert getattr(omni_router, name) is not None
    assert dir(omni_router) == omni_router.__all__
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = omni_router.nothing_of_the_kind


def test_sandbox_stays_the_context_manager_whatever_is_imported() -> None:
    code = (
        "import omni_router._sandbox.server, omni_router.graph\nfrom omni_router import sandbox\nwith sandbox(): pass"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, omni_router; raise SystemExit(len({'langgraph', 'torch', 'pydantic', 'httpx'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def strings(name: str, text: str) -> Iterator[str]:
    """Every string of a Python or JSON file."""
    if name.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    elif name.endswith(".json"):
        yield from re.findall(r'"((?:[^"\\]|\\.)*)"', text)


def test_no_specialist_id_in_the_wheel(wheel: Path) -> None:
    matches = []
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".bin", ".npy", ".npz", ".onnx", ".png")):  # holds no text
                continue
            text = archive.read(name).decode()
            if name.startswith("omni_router/"):
                matches += [match[0] for match in re.finditer(MAKERS, text, re.IGNORECASE)]
                matches += [
                    value
                    for value in strings(name, text)
                    if is_model_id(value) and value not in NAMED | BENCHMARKS and not value.startswith(NO_IDS)
                ]
    assert matches == []


def test_wheel_holds_the_package_and_nothing_else_at_top_level(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"omni_router", "omni_router-0.1.0.dist-info"}
    assert {"omni_router/py.typed", "omni_router/config/route_config.json", "omni_router/ui/page.css"} <= set(names)
    examples = [json.loads(DEFAULT_POLICY.read_text())[number]["examples_file"] for number in range(11)]
    files = {f"omni_router/config/examples/{name.removeprefix('builtin:')}.txt" for name in examples}
    assert len(files) == 11
    assert files <= set(names), "a route of the default policy has no examples in the wheel"
    shipped = {f"omni_router/{path.relative_to(ROOT / 'omni_router')}" for path in FOLDER.iterdir()}
    assert len(shipped) > 4
    assert shipped <= set(names), "vectors or fits of the default policy are not in the wheel"


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_readme_code_runs(number: int, semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(BLOCKS[number], f"README.md, block {number}", "exec"), {"__name__": "readme"})  # noqa: S102
    assert f"```text\n{printed.getvalue()}```" in README, printed.getvalue()


def test_policy_of_the_guide_is_a_good_one(tmp_path: Path) -> None:
    from omni_router.config.routes import parse_document

    guide = (ROOT / "docs" / "how-to" / "routes.md").read_text()
    [policy] = re.findall(r"^```json\n(\[.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    assert parse_document(policy, tmp_path).warnings == ()


def test_constraints_hold_what_the_project_asks_for() -> None:
    pinned = dict(
        re.findall(
            r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text().lower().replace("_", "-"), re.MULTILINE
        )
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    arch = project["project"]["optional-dependencies"]["arch"]
    requirements = [*project["project"]["dependencies"], *arch, *chain(*project["dependency-groups"].values())]
    names = {re.split(r"[><=\[;]", line)[0].lower().replace("_", "-") for line in requirements}
    assert names <= set(pinned), names - set(pinned)
    assert pinned["torch"] == "2.13.0"
    assert int(pinned["pillow"].split(".")[0]) < 13


def test_torch_and_transformers_come_with_the_extra_arch_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("omni_router-0.1.0.dist-info/METADATA").decode()
    lines = re.findall(r"^Requires-Dist: (?:torch|transformers|sentence-transformers)\b.*$", metadata, re.MULTILINE)
    assert [line.rpartition("; ")[2] for line in lines] == ["extra == 'arch'"] * 2


def test_langgraph_json_names_the_module() -> None:
    assert json.loads((ROOT / "langgraph.json").read_text())["graphs"] == {"omni_router": "omni_router.graph:graph"}
