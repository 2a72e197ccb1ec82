"""What is remembered of one browser session."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4


@dataclass
class Turn:
    """A request and what came of it."""

    text: str
    result: dict[str, Any]


@dataclass
class Chat:
    """A conversation: its thread in the graph, its turns, and the messages as Gradio shows them.

    `running` stays true when an answer is stopped, since nothing of it is run to its end then.
    """

    thread: str = field(default_factory=lambda: str(uuid4()))
    turns: list[Turn] = field(default_factory=list)
    running: bool = False
    shown: list[dict[str, Any]] = field(default_factory=list)
