"""What one prompt imports, and how often garbage is collected meanwhile: a budget that does not vary as times do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# A prompt that is routed and answered by a chat model needs none of these.
NOT_NEEDED = {
    *("torch", "transformers", "sentence_transformers", "sklearn", "scipy", "sympy", "networkx", "pandas"),
    *("matplotlib", "gradio", "PIL", "tensorflow", "mcp", "a2a", "starlette", "uvicorn", "psycopg", "openai"),
    *("omni_router.agents", "omni_router.evaluation", "omni_router.server", "omni_router.ui"),
    *("omni_router.telemetry.metrics", "omni_router.telemetry.tracing", "omni_router.history.store"),
    *("omni_router.history.postgresql", "omni_router.history.database", "omni_router.routers.endpoint"),
}

PROGRAM = """
import atexit, gc, json, sys
if {scripted}:
    from omni_router.routers import Reply
    from omni_router.services import router as choose

    class Scripted:
        def reply(self, conversation, routes):
            return Reply('{{"route": "casual_conversation", "model": null, "reason": "as scripted"}}', 0.9)

    choose.choose_router = lambda *_, **__: Scripted()

def write():
    full = gc.get_stats()[2]["collections"]
    with open({path!r}, "w") as file:
        json.dump({{"modules": list(sys.modules), "full": full, "frozen": gc.get_freeze_count()}}, file)

atexit.register(write)  # handlers that are registered later run first
from omni_router.cli import main
sys.exit(main())
"""


def run(folder: Path, *args: str, scripted: bool) -> dict[str, Any]:
    """Run a command in a process of its own, and return what it imported and collected."""
    path = folder / "imported.json"
    program = PROGRAM.format(path=str(path), scripted=scripted)
    variables = {**os.environ, "OMNI_CACHE_DIR": str(folder / "cache"), "OMNI_DECISION_LOG": ""}
    ended = subprocess.run(
        [sys.executable, "-c", program, *args],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(path.read_text())
    return report


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A prompt that a router without weights routes."""
    return run(tmp_path_factory.mktemp("prompt"), "--prompt", "Hello!", "--sandbox", scripted=True)


def test_a_prompt_imports_nothing_heavy(prompt: dict[str, Any]) -> None:
    assert NOT_NEEDED & set(prompt["modules"]) == set()


def test_a_prompt_of_the_embedded_router_imports_nothing_heavy(tmp_path: Path) -> None:
    modules = run(tmp_path, "--prompt", "Hello!", "--router", "semantic", "--sandbox", scripted=False)["modules"]
    assert NOT_NEEDED & set(modules) == set()


def test_what_is_imported_is_not_searched_for_garbage(prompt: dict[str, Any]) -> None:
    assert prompt["full"] == 0
    assert prompt["frozen"] > 0


def test_the_routes_are_listed_without_langgraph(tmp_path: Path) -> None:
    modules = run(tmp_path, "--list-routes", scripted=False)["modules"]
    heavy = {"langgraph", "langchain_core", "huggingface_hub", "pydantic", "httpx", "torch", "transformers", "numpy"}
    assert heavy & set(modules) == set()
