"""The tree of the package: the boxes at its top level, and one name for one noun."""

from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "omni_router"

TOP_LEVEL = {
    *("__init__.py", "__main__.py", "_version.py", "py.typed"),
    *("artifacts.py", "costs.py", "error_kinds.py", "errors.py", "events.py", "hints.py", "messages.py", "model_id.py"),
    *("run_result.py", "simulation.py", "state.py", "tasks.py", "images", "config", "storage", "telemetry"),
    *("hub", "own_models", "routers", "history", "decisions", "_sandbox", "services", "selection", "nodes", "graph.py"),
    *("agents", "doctor", "evaluation", "server", "ui", "cli"),
}

# File names that stand in more than one folder, and the noun that they share.
SHARED_NAMES = {
    "__init__.py": "a package",
    "answers.py": "the answer of a run",
    "bodies.py": "the bodies of requests",
    "chat.py": "a chat",
    "choices.py": "choices in words",
    "client.py": "the client of a server",
    "decisions.py": "decision models, in LangChain and over HTTP",
    "dialect.py": "what an interface of the server translates",
    "embeddings.py": "vectors of texts",
    "errors.py": "errors",
    "feedback.py": "feedback on a decision",
    "history.py": "the history of models",
    "images.py": "images",
    "memory.py": "what a process keeps in memory",
    "messages.py": "the messages of a conversation",
    "metrics.py": "figures that are measured, of runs or of routers",
    "models.py": "models",
    "overrides.py": "what the caller has settled",
    "parameters.py": "the parameters with which models are called",
    "prompt.py": "a prompt",
    "protocol.py": "what an implementation has to fulfil",
    "reasoning.py": "the reasoning of a model before its answer",
    "replay.py": "the replay of logged decisions",
    "requests.py": "the parameters of requests",
    "router.py": "a router",
    "routes.py": "the routes of a policy",
    "run.py": "a run",
    "serve.py": "the server alone",
    "server.py": "a server",
    "stream.py": "a streamed answer",
    "tasks.py": "tasks, of the Hub and of A2A",
}


def test_the_top_level_holds_what_is_listed_and_nothing_else() -> None:
    boxes = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert boxes == TOP_LEVEL


def test_a_name_is_shared_only_by_files_about_the_same_noun() -> None:
    names = Counter(path.name for path in PACKAGE.rglob("*.py"))
    assert {name for name, count in names.items() if count > 1} == SHARED_NAMES.keys()
