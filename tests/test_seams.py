"""What may be known where: one seam to the Hub, one hook for the sandbox, one encoder of base64."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "omni_router"
# The public name, whoever puts the sandbox in place, and the demo, which names its models in a policy.
MAY_KNOW_THE_SANDBOX = ("__init__.py", "services/", "cli", "_sandbox/")


def sources(folder: str = "") -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_production_code_reaches_the_sandbox_through_its_hook_alone() -> None:
    knowing = {
        file
        for file, tree in sources()
        if not file.startswith(MAY_KNOW_THE_SANDBOX)
        and any(name.startswith("omni_router._sandbox") for name in imported(tree))
    }
    assert knowing == set()


def test_the_hub_reads_no_variables_but_those_of_tokens() -> None:
    variables = ("os", "os.environ", "os.getenv", "omni_router.config.environment.Environment")
    reading = {file for file, tree in sources("hub") if any(name in variables for name in imported(tree))}
    assert reading == {"hub/tokens.py", "hub/evidence/service.py"}, "the second only notices forks, with `os`"


def test_base64_is_encoded_in_one_place() -> None:
    encoding = {
        file
        for file, tree in sources()
        if not file.startswith("_sandbox/")
        and any(isinstance(node, ast.Attribute) and node.attr == "b64encode" for node in ast.walk(tree))
    }
    assert encoding == {"images/__init__.py"}


@pytest.mark.parametrize("module", ["hub.tokens", "messages", "artifacts", "tasks", "simulation"])
def test_facts_and_tokens_are_imported_without_langchain_pillow_or_the_client(module: str) -> None:
    code = (
        f"import sys, omni_router.{module}\n"
        "print([name for name in ('langchain_core', 'PIL', 'huggingface_hub', 'httpx') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_langgraphs_stream_is_read_in_one_place_and_asked_of_a_server_in_another() -> None:
    asking = {
        file
        for file, tree in sources()
        if any(isinstance(node, ast.keyword) and node.arg == "stream_mode" for node in ast.walk(tree))
    }
    assert asking == {"events.py", "ui/remote.py"}
