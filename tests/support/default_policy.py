"""The default policy, each entry with the examples of the file that it names."""

import json
from typing import Any

from omni_router.config.example_files import shipped_examples
from omni_router.config.routes import DEFAULT_POLICY


def entries_with_examples() -> list[dict[str, Any]]:
    """Return the entries of the default policy with their examples inline, as policies had them before."""
    entries: list[dict[str, Any]] = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))
    for entry in entries:
        entry["examples"] = list(shipped_examples(entry.pop("examples_file")))
    return entries
