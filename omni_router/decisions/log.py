"""The decision log: one JSON object a line and turn."""

from pathlib import Path
from typing import Any


class DecisionLog:
    """Appends decisions to a file."""

    def __init__(self, path: Path, *, with_text: bool = False) -> None:
        self.path, self.with_text = path, with_text

    def write(self, entry: dict[str, Any]) -> None:
        """Append an entry."""
        raise NotImplementedError
