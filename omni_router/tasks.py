"""The one table of tasks. To add a task: an entry here, a node and its lines in graph.py, a method of the Hub client.

Everything else, from the catalog to the last surface, is read from the entry: `tests/test_new_task.py` adds one.
"""

from dataclasses import dataclass
from operator import attrgetter

OTHER = "other"  # the reserved route: none of the policy fits, so there is no task either


@dataclass(frozen=True)
class Media:
    """A type of file that a specialist writes."""

    mime_type: str
    suffix: str  # the suffix of its files, with the dot


PNG = Media("image/png", ".png")


@dataclass(frozen=True)
class Task:
    """The work of a specialist, under the Hub's own name for it."""

    node: str  # the specialist node: a function and its file in omni_router.nodes, named in graph.py
    served_as: tuple[str, ...]  # the inference providers' names of it
    takes_tools: bool = False  # its models may call functions, or answer in a form that is asked for
    takes_images: bool = False  # eligible when the request holds an image, and only in a thread that has one
    default_for: str | None = None  # the route name that has this task when its entry names none
    output: Media | None = None  # the files that it makes; None: its answer is text


DEFAULT_TASK = "text-generation"

TASKS: dict[str, Task] = {
    "text-generation": Task("generate_text", ("conversational",), takes_tools=True),
    "text-to-image": Task("generate_image", ("text-to-image",), default_for="image_generation", output=PNG),
    "image-text-to-text": Task(
        "understand_image",
        ("conversational", "image-to-text"),
        takes_tools=True,
        takes_images=True,
        default_for="image_understanding",
    ),
}


def default_task(route: str) -> str:
    """Return the task of a route whose entry names none."""
    for name, task in TASKS.items():
        if task.default_for == route:
            return name
    return DEFAULT_TASK


def task_of(node: str | None) -> Task | None:
    """Return the task that a node does, once an attempt; None if it is not a specialist."""
    for task in TASKS.values():
        if task.node == node:
            return task
    return None


def media() -> tuple[Media, ...]:
    """Return the types of files that the tasks make."""
    outputs = map(attrgetter("output"), TASKS.values())
    return tuple(dict.fromkeys(filter(None, outputs)))  # each once
