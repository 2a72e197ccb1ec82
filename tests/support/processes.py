"""The environment of the processes that tests start."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A developer's own token, login and settings, and what says how a terminal is.
DROPPED = ("OMNI_", "HF_", "HUGGING", "GRADIO_", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS")


# All processes of all runs keep embeddings here: those of a test's own policy may take seconds. Set by a fixture.
embeddings_file: Path | None = None


def cache_folder(folder: Path) -> Path:
    """Return a cache folder beside `folder` that is its own but for the embeddings."""
    cache = folder.with_name(f"{folder.name}-cache")  # beside it: tests look at what is in their folder
    cache.mkdir(exist_ok=True)
    link = cache / "embeddings.sqlite"
    if embeddings_file and not link.is_symlink():
        link.symlink_to(embeddings_file)
    return cache


def child_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the variables of a process that works in `folder`: semantic routing, and nothing of the developer's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    own = {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "HF_HOME": str(cache_folder(folder) / "no-login"),
        "LANGSMITH_TRACING": "false",
        "OMNI_CACHE_DIR": str(cache_folder(folder)),
        "OMNI_ROUTER": "semantic",
    }
    return {**inherited, **own, **variables}
